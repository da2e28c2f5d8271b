# A disk, and the directories where it is mounted, for whoever looks and for whoever is about to write.
#
# volume_facts DISK HOW FILESYSTEM DIRECTORY…: lines `WORD<tab>VALUE`; no line `device` where there is no such disk. HOW is
# `deep` to read the first and the last 16 MiB too, `unnamed` to do so only where nothing on it has a name. Nothing is changed.
# What can't be read is never told as empty.
volume_facts() (
    set +f
    unset IFS
    tab=$(printf '\t')
    disk=$1 how=$2 filesystem=$3
    shift 3
    say() { printf '%s\t%s\n' "$1" "$2"; }
    own() { [ ! -s "$1" ] || head -n 1 "$1"; }

    # identity DEVICE: the world-wide id or the serial number of a device in /sys.
    identity() {
        for file in "$1/wwid" "$1/device/wwid" "$1/serial" "$1/device/serial"; do
            id=$(own "$file" 2>/dev/null | tr -s ' \t' ' ' | sed 's/^ //; s/ $//')
            [ -z "$id" ] || break
        done
        printf '%s' "$id"
    }

    # family DEVICE: `NUMBERS NAME` of a device in /sys, of its parts, and of all that stands on them.
    family() {
        printf '%s %s\n' "$(own "$1/dev")" "${1##*/}"
        for child in "$1/${1##*/}"*/dev "$1"/holders/*/dev; do
            [ ! -e "$child" ] || family "${child%/dev}"
        done
    }

    # zeros: how many bytes of the input are zero.
    zeros() { tr -dc '\000' | wc -c; }

    members=
    node=$(readlink -f ".$disk") || node=
    if [ -n "$node" ] && [ -e "$node" ]; then
        name=${node##*/}
        sys=./sys/class/block/$name
        say device "$name"
        numbers=$(own "$sys/dev" 2>/dev/null)
        # A folder in place of a root, as tests have it, holds no devices.
        if [ "${FMP_ROOT:-/}" = / ]; then
            [ -b "$node" ] && [ "$(printf '%d:%d' $(stat -c '0x%t 0x%T' "$node"))" = "$numbers" ] || numbers=
        fi
        if [ -z "$numbers" ]; then
            say trait no_device
        else
            bytes=$(($(own "$sys/size") * 512))
            say bytes "$bytes"
            id=$(identity "$sys")
            say identity "$id"
            [ -z "$id" ] || for other in ./sys/block/*; do
                [ "${other##*/}" = "$name" ] || [ "$(identity "$other")" != "$id" ] || say twin "${other##*/}"
            done
            [ ! -e "$sys/partition" ] || say trait partition
            case $name in dm-* | md[0-9]*) say trait layer ;; esac
            [ "$(own "$sys/ro")" != 1 ] || say trait read_only
            for part in "$sys/$name"*/partition; do [ ! -e "$part" ] || { say trait partitioned && break; }; done
            for holder in "$sys"/holders/*; do [ ! -e "$holder" ] || { say trait held && break; }; done
            members=$(family "$sys")
        fi
    fi

    # `NUMBERS FOLDER PLACE SOURCE` of everything that is mounted. A file system that hides its device's numbers is known
    # by its source.
    mounts=$(sed -n 's/^[^ ]* [^ ]* \([^ ]*\) \([^ ]*\) \([^ ]*\) .* - [^ ]* \([^ ]*\) .*$/\1 \2 \3 \4/p' ./proc/self/mountinfo)
    known=$(printf '%s\n==\n%s\n' "$members" "$mounts" | awk '
        $0 == "==" { mounts = 1; next }
        !mounts && NF == 2 { numbers[$1]; sources["/dev/" $2]; next }
        mounts { print (($1 in numbers || $4 in sources) ? "ours" : "others"), $2, $3, $4 }')
    if [ -n "$members" ]; then
        printf '%s\n' "$known" | while read -r whose _ place _; do
            [ "$whose" = ours ] || continue
            say mounted "$place"
            case $place in / | /boot | /boot/* | /usr) say trait system ;; esac
        done
        swaps=$(printf '%s\n==\n' "$members" | cat - ./proc/swaps | awk '
            $0 == "==" { swaps = 1; next }
            !swaps { of["/dev/" $2]; next }
            $1 in of { print $1 }')
        [ -z "$swaps" ] || say trait swap
        # What util-linux says on its error channel names nothing that could be taken for a signature.
        if found=$(wipefs --parsable "$node" 2>/dev/null); then
            printf '%s\n' "$found" | sed -n '/^#/d; s/^.*,//; /./p' | while read -r what; do say signature "$what"; done
        else
            say trait unreadable
        fi
        probed=$(blkid -p -o export "$node" 2>/dev/null)
        case $? in
            0) printf '%s\n' "$probed" | sed -n "s/^\(TYPE\|PTTYPE\)=/signature$tab/p; s/^UUID=/uuid$tab/p" ;;
            # Nothing is known of it.
            2) ;;
            8) say signature "several things at once" ;;
            *) say trait unreadable ;;
        esac
        if [ "$how" = deep ] || [ "$how$found$probed" = unnamed ]; then
            span=16777216
            [ "$bytes" -ge "$span" ] || span=$bytes
            head=$(dd if="$node" bs=1M count="$span" iflag=count_bytes,fullblock 2>/dev/null | zeros)
            tail=$(dd if="$node" bs=1M skip=$((bytes - span)) iflag=skip_bytes,fullblock 2>/dev/null | zeros)
            [ "$head" -eq "$span" ] && [ "$tail" -eq "$span" ] && say blank 1 || say blank 0
        fi
    fi

    for directory; do
        size=
        mounted=$(printf '%s\n' "$known" | awk -v place="$directory" '$3 == place { found = $0 } END { print found }')
        case $mounted in
            ours*)
                folder=${mounted#ours }
                folder=${folder%% *}
                say directory "$directory${tab}ours$tab$folder"
                # The first one is the volume itself.
                [ "$directory" != "$1" ] || case $filesystem in
                    ext4) size=$(dumpe2fs -h "$node" 2>/dev/null | awk '
                        /^Block count:/ { count = $3 }
                        /^Block size:/ { size = $3 }
                        END { if (count && size) printf "%.0f", count * size }') ;;
                    xfs) size=$(xfs_info ".$directory" 2>/dev/null | sed -n 's/^data  *= *bsize=\([0-9]*\) *blocks=\([0-9]*\).*/\1 \2/p' | awk '{ printf "%.0f", $1 * $2 }') ;;
                esac
                [ "$directory" != "$1" ] || [ -z "$size" ] || say filesystem "$size"
                ;;
            others*) say directory "$directory${tab}others$tab${mounted##* }" ;;
            *)
                if [ -d ".$directory" ] && [ ! -L ".$directory" ]; then
                    first=$(ls -A ".$directory" | head -n 1)
                    if [ -n "$first" ]; then
                        say directory "$directory${tab}holds$tab$first"
                    else
                        say directory "$directory${tab}free$tab"
                    fi
                elif [ -e ".$directory" ] || [ -L ".$directory" ]; then
                    say directory "$directory${tab}holds$tab."
                else
                    say directory "$directory${tab}free$tab"
                fi
                ;;
        esac
    done
)

# group_facts NAME: the volume group of that name, lines `WORD<tab>VALUE`: `group` (present, absent, unreadable), `pv` (its id, its
# device, what LVM uses of it), `lv` (its name, its size), `free`. Sizes in bytes. Nothing is changed.
group_facts() (
    set +f
    unset IFS
    group=$1
    export LVM_SUPPRESS_FD_WARNINGS=1
    # lvm PROGRAM FIELDS: a line each, fields with a tab between them.
    lvm() { "$1" --noheadings --nosuffix --units b --separator "$(printf '\t')" --options "$2" --select "vg_name=$group" 2>/dev/null </dev/null | sed 's/^ *//; /^$/d'; }
    # Nobody has ever run it there. Whoever is about to write looks again, with LVM.
    if ! command -v vgs >/dev/null 2>&1; then
        printf 'group\tabsent\n'
        return
    fi
    # A pipe hides how the program ended: what it can't tell at all, it can't tell of everything.
    if ! vgs >/dev/null 2>&1 </dev/null; then
        printf 'group\tunreadable\n'
        return
    fi
    members=$(lvm pvs pv_uuid,pv_name,pv_size)
    if [ -z "$members" ]; then
        printf 'group\tabsent\n'
        return
    fi
    printf 'group\tpresent\n'
    printf '%s\n' "$members" | sed 's/^/pv\t/'
    lvm lvs lv_name,lv_size | sed 's/^/lv\t/'
    lvm vgs vg_free | sed 's/^/free\t/'
)

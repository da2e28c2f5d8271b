# What this host answers to an observation: sections of lines, each begun by `== NAME`, the last one `== end`.
#
# The observer sends its questions before this text: variables, each a list with one word a line. Paths begin with `./`
# and are found below $FMP_ROOT, the root where it is not set. Nothing is changed but the cache of digests.
#
# Few processes are started: one `stat`, one `sha256sum`, one `grep`, one `systemctl` for all answers together.

set -uf
nl='
'
tab=$(printf '\t')
IFS=$nl
cd "${FMP_ROOT:-/}" || exit 1

section() { printf '\n== %s\n' "$1"; }

# Words of $1 that are regular files.
regular() {
    for path in $1; do
        [ ! -f "$path" ] || printf '%s\n' "$path"
    done
}

# Appends the path $2 to the list named $1, unless it is among all that is looked at already.
look_at() {
    case $nl$looked_at$nl in
        *"$nl$2$nl"*) return ;;
    esac
    looked_at=$looked_at$nl$2
    eval "$1=\$$1\$nl\$2"
}

set +f
owned=$(sed -n '/^\(file\|program\|secret\) /p' ./var/lib/fmp/ledger/* 2>/dev/null)
ledger=$(printf '%s\n' ./var/lib/fmp/ledger/*)
commands=$(printf '%s\n' ./run/fmp/running/*)
stamps=$(printf '%s\n' ./run/fmp/stamp/*)
disks=$(printf '%s\n' /sys/block/*/size)
processes=$(printf '%s\n' /proc/[0-9]*/fd)
set -f
looked_at=$files$nl$programs$nl$certificates$nl$keys$nl$secrets
for line in $owned; do
    path=./${line#* /}
    case $line in
        file\ *) look_at files "$path" ;;
        program\ *) look_at programs "$path" ;;
        secret\ *) look_at keys "$path" ;;
    esac
done

section stat
stats=
# shellcheck disable=SC2086
set -- $looked_at
[ $# -eq 0 ] || stats=$(stat --printf '%n\t%d %i %s %.9Y %.9Z\t%a\t%u:%g\t%F\n' -- "$@" 2>&1)
printf '%s\n' "$stats"

section sha256
readable=$(regular "$files")
# shellcheck disable=SC2086
[ -z "$readable" ] || digests=$(sha256sum -- $readable 2>/dev/null)
printf '%s\n' "${digests-}"

section text
for line in ${digests-}; do
    path=${line#*  }
    case $nl$wanted$nl in
        *"$nl$line$nl"*) continue ;;
        *"  $path$nl"*) ;;
        *) continue ;;
    esac
    [ -z "$(find "$path" -size +64k)" ] || continue
    printf '%s\t%s\n' "$path" "$(base64 -w0 -- "$path")"
done

section programs
# Lists are joined by awk: to cut a long text at a word takes a shell the square of its length.
#
# cached: `STAT<tab>PATH<tab>DIGEST` of each program that is as it was when it was read, `unread<tab>PATH` of the others.
cached=$({
    [ ! -f ./var/lib/fmp/digests ] || [ "$deep" = 1 ] || cat ./var/lib/fmp/digests
    printf '==\n%s\n==\n' "$stats"
    regular "$programs"
} | awk -F '\t' '
    $0 == "==" { part++; next }
    part == 0 { digest[$1 FS $2] = $3 }
    part == 1 { stat[$1] = $2 }
    part == 2 {
        key = stat[$1] FS $1
        if (key in digest) print key FS digest[key]; else print "unread" FS $1
    }')
unread=$(printf '%s\n' "$cached" | sed -n 's/^unread\t//p')
if [ -n "$unread" ]; then
    # Where the system's library knows the processor's own instructions, a program is read five times faster by it.
    if command -v openssl >/dev/null; then
        # shellcheck disable=SC2086
        read=$(openssl dgst -sha256 -r $unread | sed 's/ \*/  /')
    else
        # shellcheck disable=SC2086
        read=$(sha256sum -- $unread)
    fi
    cached=$(printf '%s\n==\n%s\n==\n%s\n' "$stats" "$cached" "$read" | awk -F '\t' '
        $0 == "==" { part++; next }
        part == 0 { stat[$1] = $2 }
        part == 1 && $1 != "unread"
        part == 2 { path = substr($0, 67); print stat[path] FS path FS substr($0, 1, 64) }')
    if [ -d ./var/lib/fmp ]; then
        printf '%s\n' "$cached" >./var/lib/fmp/digests.new && mv ./var/lib/fmp/digests.new ./var/lib/fmp/digests
    fi
fi
printf '%s\n' "$cached"

section secrets
for path in $(regular "$secrets"); do
    mac=$({ printf %s "$nonce" && cat -- "$path"; } | sha256sum) && printf '%s\t%s\n' "$path" "${mac%% *}"
done

section units
# shellcheck disable=SC2086
states=$(systemctl show --no-pager \
    -p Id,LoadState,ActiveState,SubState,NeedDaemonReload,DropInPaths,ConditionResult,InvocationID,MainPID \
    -- $units chrony.service chronyd.service ntpd.service systemd-timesyncd.service 'fmp-[0-9]*' 2>&1)
printf '%s\n' "$states"

section running
# A command's file is locked as long as it runs.
for command in $commands; do
    [ ! -f "$command" ] || flock -n "$command" true || printf '%s\n' "${command##*/}"
done

section enabled
# Not the property UnitFileState: systemd keeps its first answer to that until it reads its units again.
set --
for unit in $units; do
    [ ! -f "./etc/systemd/system/$unit" ] || set -- "$@" "$unit"
done
[ $# -eq 0 ] || for state in $(systemctl is-enabled -- "$@" 2>/dev/null); do
    printf '%s\t%s\n' "$1" "$state"
    shift
done

section drop-ins
dropped=$(for line in $states; do
    case $line in DropInPaths=?*) printf '%s\n' "${line#*=}" ;; esac
done)
[ -z "$dropped" ] || (
    IFS=" $nl"
    # shellcheck disable=SC2086
    sha256sum -- $dropped 2>/dev/null
)

section lines
# shellcheck disable=SC2086
grep -aHs '' -- $(regular "$certificates") $ledger $stamps $disks $sysctls \
    ./etc/os-release ./etc/astra/build_version ./etc/machine-id ./etc/fmp/node.env ./var/lib/fmp/cluster-id ./var/lib/fmp/machine-id ./var/lib/fmp/epoch \
    /proc/filesystems /proc/meminfo /proc/modules /proc/swaps \
    /proc/sys/kernel/hostname /proc/sys/kernel/osrelease /sys/devices/system/cpu/online

section addresses
ip -o -4 addr show 2>/dev/null

section facts
printf 'architecture\t%s\n' "$(uname -m)"
printf 'systemd\t%s\n' "$(systemctl --version)" | head -n 1
printf 'clock\t%s\n' "$(date +%s%3N)"
printf 'root\t%s\n' "$(stat -f -c '%S %b %a' .)"
[ ! -f /sys/fs/cgroup/cgroup.controllers ] || printf 'cgroup2\t\n'
[ ! -f /run/systemd/timesync/synchronized ] || printf 'synchronised\t\n'
[ ! -d "$etcd_data/member" ] || printf 'etcd-data\t\n'
[ ! -f ./var/lib/fmp/etcd-born ] || printf 'etcd-born\t\n'
case $nl$states$nl in
    *"Id=chron"*"ActiveState=active"*) ! command -v chronyc >/dev/null || printf 'chrony\t%s\n' "$(chronyc -c tracking)" ;;
esac
for program in $programs_wanted; do
    path=$(command -v "$program") && printf 'program\t%s\t%s\n' "$program" "$path"
done
for module in $modules; do
    # A kernel without loadable modules lists none; what a part of it is for shows that it is there.
    case $module in
        br_netfilter) sign=/proc/sys/net/bridge ;;
        nf_conntrack) sign=/proc/sys/net/netfilter/nf_conntrack_max ;;
        *) sign=/sys/module/$module ;;
    esac
    [ ! -e "$sign" ] || printf 'module\t%s\n' "$module"
done
# shellcheck disable=SC2086
[ -z "$modules" ] || for module in $(grep -hoF -- "$(printf '/%s.ko\n' $modules)" "/lib/modules/$(uname -r)/modules.builtin" 2>/dev/null); do
    module=${module#/}
    printf 'module\t%s\n' "${module%.ko}"
done
stranger() { [ ! -e "$2" ] || printf 'stranger\t%s\t%s\n' "$1" "$2"; }
for path in $strangers; do
    set +f
    for found in ${path#* }; do stranger "${path%% *}" "$found"; done
    set -f
done

section listeners
if [ -n "$ports" ]; then
    listening=$(grep -hE ":($ports) [0-9A-F]+:0000 0A" /proc/net/tcp /proc/net/tcp6 2>/dev/null)
    printf '%s\n' "$listening"
    sockets=$(IFS=" $nl"; for line in $(printf '%s\n' "$listening" | tr -s ' ' | cut -d ' ' -f 11); do printf '%s\n' "$line"; done)
    mine=$(for line in $states; do case $line in MainPID=[1-9]*) printf '/proc/%s/fd\n' "${line#*=}" ;; esac; done)
    names=
    for socket in $sockets; do names="$names${names:+${nl}-o$nl}-lname${nl}socket:\\[$socket\\]"; done
    if [ -n "$names" ]; then
        # Our own units hold nearly all of them; only for the others every process is looked through.
        # shellcheck disable=SC2086
        held=$(find $mine /dev/null \( $names \) -printf '%l\t%p\n' 2>/dev/null)
        for socket in $sockets; do
            case $held in
                *"socket:[$socket]"*) continue ;;
            esac
            # shellcheck disable=SC2086
            held=$(find $processes \( $names \) -printf '%l\t%p\n' 2>/dev/null)
            break
        done
        printf '%s\n' "$held"
        holders=$(for line in $held; do path=${line#*"$tab"}; path=${path%/fd/*}; printf '%s\n' "$path/cgroup" "$path/comm"; done | sort -u)
        # shellcheck disable=SC2086
        [ -z "$holders" ] || grep -aHs '' -- $holders
    fi
fi

section volume
if [ -n "$volume_disk" ]; then
    how=deep
    # What was finished holds data: its beginning and end say nothing.
    [ ! -s ./var/lib/fmp/ledger/volume ] || ! grep -qx made ./var/lib/fmp/ledger/volume || how=
    # A logical volume lies on disks that say more.
    [ -z "$volume_group" ] || how=
    # shellcheck disable=SC2086
    volume_facts "$volume_disk" "$how" "$volume_filesystem" $volume_directories
    if [ -n "$volume_group" ]; then
        for disk in $volume_group_disks; do
            printf 'disk\t%s\n' "$disk"
            volume_facts "$disk" unnamed "$volume_filesystem" | sed "s/^/disk of$tab/"
        done
        group_facts "$volume_group"
    fi
fi

section packages
if [ -n "$packages" ]; then
    # What is not installed is no line, but a complaint and a status of 1.
    if command -v dpkg-query >/dev/null; then
        # shellcheck disable=SC2086
        told=$(dpkg-query --show --showformat='package\t${Package}\t${db:Status-Status}\t${Version}\n' $packages 2>/dev/null)
    elif command -v rpm >/dev/null; then
        # shellcheck disable=SC2086
        told=$(rpm --query --queryformat='package\t%{NAME}\tinstalled\t%{VERSION}-%{RELEASE}\n' rpm $packages 2>/dev/null | sed '/^package\t/!d')
        # It says the same of what is missing and of a database that it can't read: of itself it must know.
        [ -n "$told" ]
    else
        told=
        false
    fi
    status=$?
    # dpkg-query ends with 1 where something is missing, with 2 where it can't know.
    if [ $status -eq 0 ] || { [ $status -eq 1 ] && command -v dpkg-query >/dev/null; }; then
        printf '%s\n' "$told" known
    else
        printf 'failed\t%s\n' "$status"
    fi
fi

section health
[ -z "$health" ] || health_facts

section images
if [ -S ./run/containerd/containerd.sock ] && [ -x "$ctr" ]; then
    meta=$(stat -c '%d %i %s %.9Y %.9Z' "$containerd_data"/io.containerd.metadata.v1.bolt/meta.db 2>/dev/null)
    listed=
    [ ! -f ./var/lib/fmp/images ] || [ "$deep" = 1 ] || listed=$(cat ./var/lib/fmp/images)
    if [ -z "$meta" ] || [ "$meta" != "${listed%%"$nl"*}" ]; then
        if references=$(timeout 10 "$ctr" -n k8s.io images ls -q 2>&1); then
            listed=$meta$nl$references
            [ ! -d ./var/lib/fmp ] || { printf '%s\n' "$listed" >./var/lib/fmp/images.new && mv ./var/lib/fmp/images.new ./var/lib/fmp/images; }
        else
            listed="failed$nl$references"
        fi
    fi
    printf 'listed\t%s\n' "$listed"
fi

section end

# What the steps of a volume share: `DISK FILESYSTEM UUID …`.

disk=$1
filesystem=$2
uuid=$3
shift 3
entry=./var/lib/fmp/ledger/volume

# has LINE: whether the ledger says that of the volume. is WORD VALUE: whether that was seen.
has() { [ -s "$entry" ] && grep -qxF -- "$1" "$entry"; }
is() { case $nl$seen$nl in *"$nl$1$tab$2$nl"*) return 0 ;; *) return 1 ;; esac }
# told WORD: the first value that was seen of it.
told() { printf '%s\n' "$seen" | sed -n "s|^$1$tab||p" | head -n 1; }

# each MANY FUNCTION WORD…: calls it for each so many words.
each() {
    many=$1 call=$2
    shift 2
    while [ $# -gt 0 ]; do
        "$call" "$@"
        shift "$many"
    done
}

# The disk, or another one, as the kernel calls it, for programs.
device() { readlink -f ".${1-$disk}"; }

# check: whether the file system that is there is whole. make: makes it. grow: lets it take all of its device.
check() {
    case $filesystem in
        ext4) e2fsck -f -n "$(device)" >/dev/null 2>&1 ;;
        xfs) xfs_repair -n "$(device)" >/dev/null 2>&1 ;;
    esac
}
make() {
    case $filesystem in
        ext4) mkfs.ext4 -q -F -U "$uuid" "$(device)" ;;
        xfs) mkfs.xfs -q -f -m "uuid=$uuid" "$(device)" ;;
    esac >&2 </dev/null
}
grow() {
    case $filesystem in
        ext4) resize2fs "$(device)" ;;
        xfs) xfs_growfs ".$1" ;;
    esac >&2 </dev/null
}

# free_disk DISK BYTES ID: goes on where that is a whole disk that nobody uses, and the one that was seen (`- -`: it was not).
free_disk() {
    [ -n "$(told device)" ] || stale "$1" "a disk" none
    if [ "$2" != - ]; then
        is bytes "$2" || stale "$1" "$2 bytes" "$(told bytes) bytes"
        is identity "$3" || stale "$1" "the id $3" "$(told identity)"
    fi
    for word in trait mounted twin; do
        [ -z "$(told "$word")" ] || stale "$1" "a whole disk that is free" "$word: $(told "$word")"
    done
}
# half_made DISK WHAT ID: goes on where nothing that has a name lies there, or just what we make.
half_made() {
    for what in $(printf '%s\n' "$seen" | sed -n "s/^signature$tab//p" | tr ' ' _); do
        [ "$what" = "$2" ] && is uuid "$3" || stale "$1" "what an earlier run began" "$what"
    done
}
# empty_disk DISK: goes on where nothing lies there.
empty_disk() {
    [ -z "$(told signature)" ] || stale "$1" "an empty disk" "$(told signature)"
    is blank 1 || stale "$1" "an empty disk" "something in its first or last 16 MiB"
}
# finish: the file system that was made is there, and the ledger says so.
finish() {
    sync "$(device)" || exit 1
    seen=$(volume_facts "$disk" '' "$filesystem")
    is uuid "$uuid" || { echo "$disk does not show the file system that was made" >&2; exit 1; }
    printf 'made\n' >>"$entry" && sync "$entry" || exit 1
    answer done
}

# The ledger's volume is this one, or there is none yet. An entry that a power cut left without its disk says nothing.
same_volume() {
    other=$(sed -n 's/^disk //p; s/^uuid //p' "$entry" 2>/dev/null | grep -vxF -e "$disk" -e "$uuid" | tr '\n' ' ')
    [ -z "$other" ] || stale "the volume of the ledger" "$disk $uuid" "$other"
}
# unless_made: goes on where none was finished.
unless_made() {
    same_volume
    has made || return 0
    is uuid "$uuid" && answer already-done
    stale "$disk" "$uuid" "$(told uuid)"
}
has_begun() { has "disk $disk" && has "uuid $uuid"; }

# made_here: the volume was finished, and its disk is there.
made_here() {
    same_volume
    has made || stale "$disk" "the volume" "none that was finished"
    is uuid "$uuid" || stale "$disk" "$uuid" "$(told uuid)"
}
# mounted_at DIRECTORY: goes on where it is mounted there; `size` is then that of the file system.
mounted_at() {
    seen=$(volume_facts "$disk" '' "$filesystem" "$1")
    made_here
    is directory "$1${tab}ours$tab/" || stale "$1" "the volume" "$(told "directory$tab$1" | tr "$tab" ' ')"
    size=$(told filesystem)
    [ -n "$size" ] || { echo "the size of the file system at $1 can't be told" >&2; exit 1; }
}

# note_volume LINES: the ledger says these of the volume, each after a line break.
note_volume() {
    (
        IFS=$nl
        # shellcheck disable=SC2086
        note volume volume absent ${1#"$nl"} && keep_notes
    ) || exit 1
}

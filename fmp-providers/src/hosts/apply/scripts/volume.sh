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

# The disk as the kernel calls it, for programs.
device() { readlink -f ".$disk"; }

# The ledger's volume is this one, or there is none yet. An entry that a power cut left without its disk says nothing.
same_volume() {
    other=$(sed -n 's/^disk //p; s/^uuid //p' "$entry" 2>/dev/null | grep -vxF -e "$disk" -e "$uuid" | tr '\n' ' ')
    [ -z "$other" ] || stale "the volume of the ledger" "$disk $uuid" "$other"
}
has_begun() { has "disk $disk" && has "uuid $uuid"; }

# made_here: the volume was finished, and its disk is there.
made_here() {
    same_volume
    has made || stale "$disk" "the volume" "none that was finished"
    is uuid "$uuid" || stale "$disk" "$uuid" "$(told uuid)"
}

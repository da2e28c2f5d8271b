# A file system is made: `BYTES ID` of the disk as it was seen, `- -` where it was not. Only on a disk that is empty, or that
# an earlier run of this very step began: the ledger says so before the first byte is written.

bytes=$1
id=$2

# check: whether the file system that is there is whole. make: makes it.
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

lock
seen=$(volume_facts "$disk" deep "$filesystem")
same_volume
begun=
! has_begun || begun=1
if has made; then
    is uuid "$uuid" && answer already-done
    stale "$disk" "$uuid" "$(told uuid)"
fi
[ -n "$(told device)" ] || stale "$disk" "a disk" none
if [ "$bytes" != - ]; then
    is bytes "$bytes" || stale "$disk" "$bytes bytes" "$(told bytes) bytes"
    is identity "$id" || stale "$disk" "the id $id" "$(told identity)"
fi
for word in trait mounted twin; do
    [ -z "$(told "$word")" ] || stale "$disk" "a whole disk that is free" "$word: $(told "$word")"
done
if [ -n "$begun" ]; then
    # Half-made by us: nothing that has a name, or just what we make.
    for what in $(printf '%s\n' "$seen" | sed -n "s/^signature$tab//p" | tr ' ' _); do
        [ "$what" = "$filesystem" ] && is uuid "$uuid" || stale "$disk" "what an earlier run began" "$what"
    done
else
    [ -z "$(told signature)" ] || stale "$disk" "an empty disk" "$(told signature)"
    is blank 1 || stale "$disk" "an empty disk" "something in its first or last 16 MiB"
fi
begin
note volume volume absent "disk $disk" "uuid $uuid"
keep_notes
if ! { [ -n "$begun" ] && is uuid "$uuid" && check; }; then
    make || exit 1
fi
sync "$(device)" || exit 1
seen=$(volume_facts "$disk" '' "$filesystem")
is uuid "$uuid" || { echo "$disk does not show the file system that was made" >&2; exit 1; }
printf 'made\n' >>"$entry" && sync "$entry" || exit 1
answer done

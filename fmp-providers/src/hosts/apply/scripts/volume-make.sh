# A file system is made: `BYTES ID` of the disk as it was seen, `- -` where it was not. Only on a disk that is empty, or that
# an earlier run of this very step began: the ledger says so before the first byte is written.

bytes=$1
id=$2

lock
seen=$(volume_facts "$disk" deep "$filesystem")
same_volume
begun=
! has_begun || begun=1
if has made; then
    is uuid "$uuid" && answer already-done
    stale "$disk" "$uuid" "$(told uuid)"
fi
free_disk "$disk" "$bytes" "$id"
if [ -n "$begun" ]; then
    half_made "$disk" "$filesystem" "$uuid"
else
    empty_disk "$disk"
fi
begin
note volume volume absent "disk $disk" "uuid $uuid"
keep_notes
if ! { [ -n "$begun" ] && is uuid "$uuid" && check; }; then
    make || exit 1
fi
finish

# A file system is made: `BYTES ID` of the disk as it was seen, `- -` where it was not. Only on a disk that is empty, or that
# an earlier run of this very step began: the ledger says so before the first byte is written.

bytes=$1
id=$2

lock
seen=$(volume_facts "$disk" deep "$filesystem")
unless_made
begun=
! has_begun || begun=1
free_disk "$disk" "$bytes" "$id"
if [ -n "$begun" ]; then
    half_made "$disk" "$filesystem" "$uuid"
else
    empty_disk "$disk"
fi
begin
note_volume "disk $disk${nl}uuid $uuid"
if ! { [ -n "$begun" ] && is uuid "$uuid" && check; }; then
    make || exit 1
fi
finish

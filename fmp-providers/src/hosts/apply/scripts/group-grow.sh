# A volume takes all of its group's disks, one of which has grown or is new: `DIRECTORY SLACK`: where it is mounted, and the bytes
# that may be left at each layer; then the disks. Nothing is unmounted for it.

directory=$1
slack=$2
shift 2

lock
mounted_at "$directory"
device_bytes=$(told bytes)
look_at_group
our_group
in_group "lv$tab$logical" || stale "the volume group $group" "$logical" none
each 4 judge_disk "$@"

# exceeds MORE LESS: whether there is more by what is worth a step.
exceeds() { [ $(($1 - $2)) -ge "$slack" ]; }
bytes_of() { echo $(($(cat "./sys/class/block/$(basename "$(device "$1")")/size") * 512)); }
has_grown() { exceeds "$(bytes_of "$1")" "$(of_group pv "$2" 4)"; }
left=0
count() {
    if ! in_group "pv$tab$2" || has_grown "$1" "$2"; then left=$((left + 1)); fi
}
each 4 count "$@"
! exceeds "$(printf '%s\n' "$grouped" | sed -n "s/^free$tab//p")" 0 || left=$((left + 1))
! exceeds "$device_bytes" "$size" || left=$((left + 1))
[ "$left" -gt 0 ] || answer already-done
begin
note_disks "$@"
join "$@"
resize_member() {
    ! has_grown "$1" "$2" || pvresize --quiet "$(device "$1")" >&2 </dev/null || exit 1
}
each 4 resize_member "$@"
look_at_group
if [ "$(printf '%s\n' "$grouped" | sed -n "s/^free$tab//p")" -gt 0 ]; then
    lvextend --quiet --extents +100%FREE "$group/$logical" >&2 </dev/null || exit 1
fi
seen=$(volume_facts "$disk" '' "$filesystem" "$directory")
! exceeds "$(told bytes)" "$size" || grow "$directory" || exit 1
answer done

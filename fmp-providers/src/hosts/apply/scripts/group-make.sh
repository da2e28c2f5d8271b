# A volume group is made of disks, all of it becomes one logical volume, and that gets its file system. Only on disks that are
# empty, or that an earlier run of this very step began: the ledger says so before the first byte is written.

lock
seen=$(volume_facts "$disk" '' "$filesystem")
unless_made
half_made "$disk" "$filesystem" "$uuid"
look_at_group
our_group
each 4 judge_disk "$@"
other=$(printf '%s\n' "$grouped" | sed -n "s/^lv$tab\([^$tab]*\)$tab.*/\1/p" | grep -vxF -e "$logical" | head -n 1)
[ -z "$other" ] || stale "the volume group $group" "no volume but $logical" "$other"
begin
note_disks "$@"
join "$@"
if ! in_group "lv$tab$logical"; then
    lvcreate --quiet --name "$logical" --extents 100%FREE --wipesignatures n "$group" >&2 </dev/null || exit 1
fi
[ -e ".$disk" ] || lvchange --activate y "$group/$logical" >&2 </dev/null || exit 1
seen=$(volume_facts "$disk" '' "$filesystem")
if ! { is uuid "$uuid" && check; }; then
    make || exit 1
fi
finish

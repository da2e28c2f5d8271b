# Units that are stopped for good: `UNIT...`. This waits for their end: whoever goes on relies on it.

is() { case $state in *"$nl$1$nl"*) return 0 ;; *) return 1 ;; esac }

lock
left=
for unit; do
    state=$nl$(systemctl show -p LoadState,ActiveState -- "$unit")$nl
    ! is LoadState=not-found || continue
    enabled=$(systemctl is-enabled -- "$unit" 2>/dev/null)
    [ "$enabled" != enabled ] && { is ActiveState=inactive || is ActiveState=failed; } || left="$left $unit"
done
[ -n "$left" ] || answer already-done
begin
# shellcheck disable=SC2086
systemctl --quiet disable -- $left || exit 1
# shellcheck disable=SC2086
systemctl stop -- $left || exit 1
answer done

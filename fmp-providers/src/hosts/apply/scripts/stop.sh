# Units that are stopped for good: `UNIT...`. This waits for their end: whoever goes on relies on it.

is() { case $state in *"$nl$1$nl"*) return 0 ;; *) return 1 ;; esac }

# Processes of pods, whatever hierarchy and driver of cgroups.
# Those of another namespace of processes are told as 0.
pods() { find ./sys/fs/cgroup -path '*kubepods*' -name cgroup.procs -exec grep -h '^[1-9]' '{}' + 2>/dev/null; }

# Pods outlive their kubelet and their runtime (`KillMode=process`): what leaves runs none.
kill_pods() {
    tries=100
    while
        alive=
        for pid in $(pods); do
            ! kill -9 "$pid" 2>/dev/null || alive=1
        done
        [ -n "$alive" ]
    do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || { echo "pods can not be ended: $(pods | tr '\n' ' ')" >&2; exit 1; }
        sleep 0.1
    done
}

lock
left=
disabled=
for unit; do
    state=$nl$(systemctl show -p LoadState,ActiveState -- "$unit")$nl
    # One whose file was deleted while it ran still runs.
    ! is LoadState=not-found || is ActiveState=active || is ActiveState=activating || is ActiveState=deactivating || continue
    enabled=$(systemctl is-enabled -- "$unit" 2>/dev/null)
    [ "$enabled" != enabled ] && { is ActiveState=inactive || is ActiveState=failed; } && continue
    left="$left $unit"
    # Without a file there is nothing to disable.
    is LoadState=not-found || disabled="$disabled $unit"
done
[ -n "$left" ] || answer already-done
begin
# shellcheck disable=SC2086
[ -z "$disabled" ] || systemctl --quiet disable -- $disabled || exit 1
# First whoever would start pods again; the runtime goes on until there are none, so that a run that breaks off here
# leaves something to be seen.
case $left in *' kubelet.service'*) systemctl stop -- kubelet.service || exit 1 ;; esac
case $left in *' kubelet.service'* | *' containerd.service'*) kill_pods ;; esac
# shellcheck disable=SC2086
systemctl stop -- $left || exit 1
answer done

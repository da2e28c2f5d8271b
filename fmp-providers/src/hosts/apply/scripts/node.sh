# A Node: `HOW NODE EVICT LABEL EMPTYING DRAINED`; HOW is `cordon`, `drain`, `uncordon` or `delete`; EVICT is `replaceable`
# or `all`; LABEL marks a Node that we cordoned, with the value EMPTYING, and DRAINED once its pods have left.

how=$1
node=$2
evict=$3
label=$4
emptying=$5
drained=$6
config=/etc/kubernetes/super-admin.conf
# Before its binding is applied, the administrator of admin.conf may do nothing.
[ -f "$config" ] || config=/etc/kubernetes/admin.conf
export HOME=/root

api() { kubectl --kubeconfig="$config" --server=https://127.0.0.1:6443 --request-timeout=10s "$@"; }

patch() { api patch node "$node" --type=merge -p "$1" >/dev/null || exit 1; }

lock
# In a path of JSON a dot of a name is written with a backslash.
dotted=$(printf '%s' "$label" | sed 's/\./\\./g')
state=$(api get node "$node" --ignore-not-found -o "jsonpath={.spec.unschedulable}/{.metadata.labels.$dotted}") || exit 1
case $how:$state in
    uncordon: | delete:) answer already-done ;;
    *:) stale "Node $node" present absent ;;
    cordon:true/*) answer already-done ;;
    # A person's cordon stays.
    uncordon:*/) answer already-done ;;
    drain:true/*) ;;
    drain:*) stale "Node $node" cordoned schedulable ;;
esac
begin
case $how in
    cordon) patch "{\"spec\":{\"unschedulable\":true},\"metadata\":{\"labels\":{\"$label\":\"$emptying\"}}}" ;;
    uncordon) patch "{\"spec\":{\"unschedulable\":null},\"metadata\":{\"labels\":{\"$label\":null}}}" ;;
    delete) api delete node "$node" --ignore-not-found --wait=false >/dev/null || exit 1 ;;
    drain)
        # Pods take their time to end: other steps of this main don't wait for that.
        unlock
        set --
        [ "$evict" != all ] || set -- --delete-emptydir-data --force
        api drain "$node" --ignore-daemonsets --timeout=120s "$@" >/dev/null || exit 1
        # A run that was replaced meanwhile says nothing more. A person's cordon is not marked.
        lock
        case $state in true/?*) patch "{\"metadata\":{\"labels\":{\"$label\":\"$drained\"}}}" ;; esac
        ;;
esac
answer done

# Objects of the API, applied by the server with our own field manager: `TAINT…` of the node in NODE, or none; the manifest
# on standard input.

node=$1
shift
config=/etc/kubernetes/super-admin.conf
# Before its binding is applied, the administrator of admin.conf may do nothing.
[ -f "$config" ] || config=/etc/kubernetes/admin.conf
export HOME=/root

api() { kubectl --kubeconfig="$config" --server=https://127.0.0.1:6443 --request-timeout=10s "$@"; }

lock
[ -s ./var/lib/fmp/cluster-id ] || stale /var/lib/fmp/cluster-id "the cluster's id" absent
read -r cluster <./var/lib/fmp/cluster-id
# What FMP applies is FMP's, whoever else set it: some of it an apiserver made at its own start.
sed "s/@cluster-id@/$cluster/" |
    api apply --server-side --field-manager=fmp --force-conflicts --validate=false -f - >/dev/null || exit 1
[ $# -eq 0 ] || api taint node "$node" "$@" --overwrite >/dev/null || exit 1
answer done

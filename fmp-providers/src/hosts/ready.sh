# Waits for the API: `apiserver SECONDS` until this main's apiserver is ready, `node SECONDS NAME` until a Node is.

set -u
what=$1
limit=$2
name=${3-}
config=/etc/kubernetes/super-admin.conf
[ -f "$config" ] || config=/etc/kubernetes/admin.conf
export HOME=/root

seconds() {
    read -r seconds _ </proc/uptime
    seconds=${seconds%.*}
}

api() { kubectl --kubeconfig="$config" --server=https://127.0.0.1:6443 "$@" 2>&1; }

# A Node may not be there yet: waiting for what does not exist ends at once.
try() {
    case $what in
        apiserver) last=$(api --request-timeout=3s get --raw=/readyz) ;;
        node) last=$(api wait --for=condition=Ready "node/$name" --timeout="$((end - seconds))s") ;;
    esac
}

seconds
end=$((seconds + limit))
while :; do
    if try; then
        printf 'fmp\tholds\n'
        exit 0
    fi
    seconds
    if [ "$seconds" -ge "$end" ]; then
        printf 'fmp\t%s\n' "$(printf '%s' "$last" | tail -n 1)"
        exit 0
    fi
    sleep 0.3
done

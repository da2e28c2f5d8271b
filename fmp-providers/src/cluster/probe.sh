# Asks etcd and the API through this main's own programs, all at once. The caller adds one `ask` a question.
#
# Each answer is a section: its status, then what the program printed. Only one is written at a time.

set -uf
export HOME=/root
config=/etc/kubernetes/super-admin.conf
# Before its binding is applied, the administrator of admin.conf may see nothing.
[ -f "$config" ] || config=/etc/kubernetes/admin.conf

# ask NAME PROGRAM ARGUMENT…
ask() {
    name=$1
    shift
    (
        # A program that was stopped may ignore its own timeouts.
        answer=$(timeout 10 "$@")
        status=$?
        flock 9
        printf '\n== %s\nstatus %s\n%s\n' "$name" "$status" "$answer"
    ) 9</etc &
}

etcd() {
    name=$1
    shift
    ask "$name" etcdctl --dial-timeout=2s --command-timeout=3s -w json "$@"
}

# api NAME SERVER ARGUMENT…
api() {
    name=$1
    server=$2
    shift 2
    ask "$name" kubectl --kubeconfig="$config" --server="https://$server" --request-timeout=3s "$@"
}

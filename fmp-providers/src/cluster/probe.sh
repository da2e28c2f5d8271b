# Asks etcd and the API through this main's own programs, all at once. The caller adds one `ask` a question.
#
# Each answer is a section: what the program printed, then its status. Only one is written at a time.

set -uf
export HOME=/root
config=/etc/kubernetes/super-admin.conf
# Before its binding is applied, the administrator of admin.conf may see nothing.
[ -f "$config" ] || config=/etc/kubernetes/admin.conf

# ask NAME PROGRAM ARGUMENT…: what it complains of goes out by its name.
ask() {
    name=$1
    shift
    (
        answer=$(
            exec 8>&1
            {
                # A program that was stopped may ignore its own timeouts.
                timeout 10 "$@" >&8 2>&7
                printf '\nstatus %s\n' $? >&8
            } 7>&1 | sed "s/^/$name: /" >&2
        )
        flock 9
        printf '\n== %s\n%s\n' "$name" "$answer"
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

# hidden NAME SERVER ARGUMENT…: the same for Secrets, without what they hold. kubectl writes a key and its value a line.
hidden() {
    name=$1
    server=$2
    shift 2
    # shellcheck disable=SC2016
    ask "$name" sh -c '
        answer=$(kubectl "$@") || exit
        printf "%s\n" "$answer" | sed \
            -e "/^ *\"data\": {\$/,/^ *}/s/: \"[^\"]*\"/: \"hidden\"/" \
            -e "s/^\( *\"kubectl.kubernetes.io\/last-applied-configuration\": \).*[^,]\(,\{0,1\}\)\$/\1\"hidden\"\2/"
    ' hidden --kubeconfig="$config" --server="https://$server" --request-timeout=3s "$@"
}

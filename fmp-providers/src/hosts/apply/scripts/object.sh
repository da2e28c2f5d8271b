# Objects of the API, applied by the server with our own field manager, the manifest on standard input:
#   node NODE TAINT…                    a Node object, with these taints beside others
#   apply KEY, take KEY                 any object; what others hold is left to them, or taken
#   delete KEY KIND NAMESPACE NAME DIGEST   one that was made from the manifest of that digest
# A key is KIND/NAMESPACE/NAME.

how=$1 what=$2
shift 2
config=/etc/kubernetes/super-admin.conf
# Before its binding is applied, the administrator of admin.conf may do nothing.
[ -f "$config" ] || config=/etc/kubernetes/admin.conf
export HOME=/root
crd=CustomResourceDefinition//

api() { kubectl --kubeconfig="$config" --server=https://127.0.0.1:6443 --request-timeout=10s "$@"; }

# The manifest on standard input, with the cluster's id where it asks for it: only hosts know it. A Secret gets random content
# where it asks for that; what the API has for such a key stays. Nothing of it is in an argument: the shell itself prints it.
read_manifest() {
    manifest=$(sed "s/@cluster-id@/$cluster/") || exit 1
    case $what in Secret/*) fill ;; esac
}

fill() {
    name=${what#Secret/}
    while :; do
        case $manifest in *'"@random '*) ;; *) return ;; esac
        rest=${manifest#*\"@random }
        key=${rest%%@*}
        value=$(api get secret "${name#*/}" --namespace="${name%/*}" --ignore-not-found -o "jsonpath={.data.$key}") || exit 1
        [ -n "$value" ] || value=$(od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n' | base64 -w0)
        [ -n "$value" ] || exit 1
        manifest=${manifest%%\"@random *}\"$value${rest#*@}
    done
}

# Applies; where somebody else holds a field that this would change, says which and changes nothing.
apply() {
    read_manifest
    complaint=$(printf '%s' "$manifest" | api apply --server-side --field-manager=fmp --validate=false "$@" -f - 2>&1 >/dev/null) && return
    case $complaint in
        *'conflict with "'* | *'conflicts with "'* | *'Apply failed with '*conflict*)
            answer stale "$what" 'no field in other hands' "$(printf '%s' "$complaint" | tr '\n\t' '  ')" ;;
    esac
    # What the API can't read it may quote.
    case $what$complaint in
        Secret/*base64* | Secret/*decod*) complaint="the API can't read the manifest of $what" ;;
    esac
    printf '%s\n' "$complaint" >&2
    exit 1
}

lock
[ -s ./var/lib/fmp/cluster-id ] || stale /var/lib/fmp/cluster-id "the cluster's id" absent
read -r cluster <./var/lib/fmp/cluster-id
case $how in
    node)
        apply
        [ $# -eq 0 ] || api taint node "$what" "$@" --overwrite >/dev/null || exit 1
        ;;
    apply) apply ;;
    take) apply --force-conflicts ;;
    delete)
        namespace=${2:+--namespace=$2}
        # shellcheck disable=SC2086
        found=$(api get "$1" "$3" $namespace --ignore-not-found -o 'jsonpath={.metadata.annotations.fmp\.io/digest}') || exit 1
        [ -n "$found" ] || answer already-done
        [ "$found" = "$4" ] || stale "$what" "$4" "$found"
        begin
        # It is gone when its finalizers have run; who waits longer than this has another one to ask.
        # shellcheck disable=SC2086
        kubectl --kubeconfig="$config" --server=https://127.0.0.1:6443 delete "$1" "$3" $namespace --ignore-not-found \
            --timeout=60s >/dev/null || exit 1
        ;;
esac
# The kind is there for others when the API says so.
case $how$what in
    apply"$crd"* | take"$crd"*)
        kubectl --kubeconfig="$config" --server=https://127.0.0.1:6443 wait --for=condition=Established --timeout=30s \
            "customresourcedefinition/${what#"$crd"}" >/dev/null || exit 1
        ;;
esac
answer done

# Membership of etcd, by peer URL: `HOW PEER_URL ID`; HOW is `remove`, `add` or `promote`; `remove-answering` removes one that
# hears of it, and is stale where it does not answer. Run on any main whose member answers.

how=$1
peer_url=$2
id=$3

etcd() { etcdctl --dial-timeout=2s --command-timeout=10s "$@"; }

# at URL …: asks that member alone. etcdctl refuses `--endpoints` beside the variable that our wrapper sets.
at() {
    endpoint=$1
    shift
    env ETCDCTL_ENDPOINTS="$endpoint" etcdctl --dial-timeout=2s --command-timeout=10s "$@"
}

lock
list=$(etcd member list) || answer no-answer
found=absent
present=
client_url=
other=
while IFS=, read -r member state _ peers clients learner; do
    case "$peers," in
        " $peer_url,"*)
            present=$member
            client_url=${clients# }
            found="voter $member"
            [ "$learner" != " true" ] || found="learner $member"
            ;;
        *) [ "$state$learner" != " started false" ] || other=$member ;;
    esac
done <<LIST
$list
LIST
case $how:$found in
    remove-answering:absent) answer already-done ;;
    remove-answering:*)
        [ "$present" = "$id" ] || stale "etcd member $peer_url" "$id" "$found"
        at "$client_url" endpoint health >/dev/null 2>&1 ||
            stale "etcd member $peer_url" "it answers" "it does not"
        ;;
    remove:absent) answer already-done ;;
    remove:*) [ "$present" = "$id" ] || stale "etcd member $peer_url" "$id" "$found" ;;
    add:absent) ;;
    add:learner*) answer already-done ;;
    promote:voter*) answer already-done ;;
    promote:learner*) ;;
    *) stale "etcd member $peer_url" "$how" "$found" ;;
esac
begin
case $how in
    remove-answering)
        # A leader that goes leaves an election behind, so it hands its part over first. Who does not lead says so.
        [ -z "$other" ] || at "$client_url" move-leader "$other" >/dev/null 2>&1
        etcd member remove "$present" >/dev/null
        ;;
    remove) etcd member remove "$present" >/dev/null ;;
    add) etcd member add fmp --learner --peer-urls="$peer_url" >/dev/null ;;
    promote) etcd member promote "$present" >/dev/null ;;
esac || exit 1
answer done

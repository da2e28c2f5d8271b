# Membership of etcd, by peer URL: `HOW PEER_URL ID`; HOW is `remove`, `add` or `promote`. Run on any main whose member
# answers.

how=$1
peer_url=$2
id=$3

etcd() { etcdctl --dial-timeout=2s --command-timeout=10s "$@"; }

lock
list=$(etcd member list) || answer no-answer
found=absent
present=
while IFS=, read -r member _ _ peers _ learner; do
    case "$peers," in
        " $peer_url,"*)
            present=$member
            found="voter $member"
            [ "$learner" != " true" ] || found="learner $member"
            ;;
    esac
done <<LIST
$list
LIST
case $how:$found in
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
    remove) etcd member remove "$present" >/dev/null ;;
    add) etcd member add fmp --learner --peer-urls="$peer_url" >/dev/null ;;
    promote) etcd member promote "$present" >/dev/null ;;
esac || exit 1
answer done

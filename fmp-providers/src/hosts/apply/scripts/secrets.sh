# Keys and certificates: `RUN`, which run this is, `FROM`, when what was signed begins to be valid (seconds since 1970), and
# `NAME KIND HOW PART MODE BYTES PATH` for each file, the contents one after the other on standard input. HOW is `create`
# (nothing may lie there), `copy` (what lies there may only be the same) or `replace`. PART is the ledger's word: `file` or
# `secret`. No digest of a secret is ever taken here.

run=$1
from=$2
shift 2

# By the clock of this host, as whoever uses it here will judge: it would take the place of one that is valid.
is_valid_already() {
    now=$(date +%s) || exit 1
    [ "$now" -ge "$from" ] || stale 'the clock' 'a time at which a new certificate is valid' "one $((from - now)) s before that"
}

each() {
    call=$1
    shift
    while [ $# -gt 0 ]; do
        "$call" "$1" "$2" "$3" "$4" "$5" "$6" "$7"
        shift 7
    done
}

# What this very run made and did not finish, it makes anew: nobody can have copied it yet. Two runs that began before there
# was a main to hold a lease on have one epoch, so that alone does not tell.
is_of_this_run() {
    entry=./var/lib/fmp/ledger/$1
    [ -s "$entry" ] && grep -qx "epoch $epoch" "$entry" && grep -qxF "run $run" "$entry"
}

# Whoever takes the cluster's id notes which machine it is: the copy of a disk has the one and is not the other.
machine=
is_pinned() {
    [ ! -s ./etc/machine-id ] || read -r machine <./etc/machine-id
    pinned=
    [ ! -s ./var/lib/fmp/machine-id ] || read -r pinned <./var/lib/fmp/machine-id
    [ -z "$machine" ] || [ "$machine" = "$pinned" ]
}

# Of a pair that we began and of which a half is missing nobody has anything either: whoever planned this saw that nothing
# was signed. `halves` are the names of such.
halves=$nl
look_for_half() {
    [ -e ".$7" ] || [ ! -s "./var/lib/fmp/ledger/$1" ] || halves=$halves$1$nl
}

is_half() {
    case $halves in *"$nl$1$nl"*) return 0 ;; *) return 1 ;; esac
}

judge() {
    [ "$3" != create ] || [ ! -e ".$7" ] || is_of_this_run "$1" || is_half "$1" || stale "$7" absent "a file"
}

number=0
bytes=0
receive() {
    number=$((number + 1))
    bytes=$((bytes + $6))
    folder=.${7%/*}
    [ -d "$folder" ] || mkdir -p "$folder" || exit 1
    room "$bytes" ".$7"
    temp=$folder/.fmp-tmp-$number
    temps=$temps$nl$temp
    (umask 077 && head -c "$6" >"$temp") || answer no-room "$7" "$6"
    [ "$(stat -c %s "$temp")" = "$6" ] || answer torn
    chmod "$5" "$temp" || exit 1
}

compare() {
    number=$((number + 1))
    if [ "$3" != copy ] || [ ! -e ".$7" ]; then
        differing=$((differing + 1))
    elif ! cmp -s ".$7" ".${7%/*}/.fmp-tmp-$number"; then
        stale "$7" "absent or the same as its holders'" "another content"
    elif [ "$7" = /var/lib/fmp/cluster-id ] && ! is_pinned; then
        differing=$((differing + 1))
    fi
}

note_each() {
    previous=absent
    [ ! -e ".$7" ] || previous=present
    case $3 in
        create) note "$1" "$2" "$previous" "$4 $7" "run $run" ;;
        *) note "$1" "$2" "$previous" "$4 $7" ;;
    esac
}

place() {
    number=$((number + 1))
    # Before the id: a host that has it is pinned.
    [ "$7" != /var/lib/fmp/cluster-id ] || is_pinned || replace ./var/lib/fmp/machine-id "$machine" || exit 1
    mv -fT ".${7%/*}/.fmp-tmp-$number" ".$7" || exit 1
    folders=$folders$nl.${7%/*}
    restore_labels ".$7"
}

lock
is_valid_already
each look_for_half "$@"
each judge "$@"
each receive "$@"
number=0
differing=0
each compare "$@"
[ $differing -gt 0 ] || answer already-done
begin
each note_each "$@"
keep_notes
IFS=$nl
# shellcheck disable=SC2086
sync $temps || exit 1
unset IFS
number=0
folders=
each place "$@"
IFS=$nl
# shellcheck disable=SC2086
sync $folders
answer done

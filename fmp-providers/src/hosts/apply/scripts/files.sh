# Text files: `PATH MODE BYTES HEX BEFORE NAME` for each to write, `--`, then `PATH HEX` for each to remove. BEFORE is
# `absent` or a digest; NAME is the ledger's. The contents follow each other on standard input.

# each_write FUNCTION ARGUMENT…: calls it with the six words of each file.
each_write() {
    call=$1
    shift
    while [ "$1" != -- ]; do
        "$call" "$1" "$2" "$3" "$4" "$5" "$6"
        shift 6
    done
}

each_removal() {
    call=$1
    shift
    while [ "$1" != -- ]; do shift 6; done
    shift
    while [ $# -gt 0 ]; do
        "$call" "$1" "$2"
        shift 2
    done
}

listed=./run/fmp/lock
list() {
    [ ! -f ".$1" ] || listed=$listed$nl.$1
}

# found PATH: what lies there: `absent`, a digest, or `other`; and in $mode its mode and owner.
found() {
    found=absent
    mode=
    if [ -f ".$1" ]; then
        found=${digests%%"  .$1$nl"*}
        found=${found##*"$nl"}
        mode=${modes%%" .$1$nl"*}
        mode=${mode##*"$nl"}
        [ ! -L ".$1" ] || mode=link
    elif [ -e ".$1" ] || [ -L ".$1" ]; then
        found=other
    fi
}

is_same() { [ "$found" = "$4" ] && [ "$mode" = "$2 $owner" ]; }

bytes=0
folder=
judge() {
    found "$1"
    is_same "$@" && return
    [ "$found" = "$5" ] || [ "$found" = "$4" ] || stale "$1" "$5" "$found"
    bytes=$((bytes + $3))
    writes=$((writes + 1))
}

judge_removal() {
    found "$1"
    [ "$found" != absent ] || return 0
    [ "$found" = "$2" ] || stale "$1" "$2" "$found"
    removals=$((removals + 1))
}

# Once for each folder, as long as the files come in order.
prepare() {
    [ "${1%/*}" != "$folder" ] || return 0
    folder=${1%/*}
    room "$bytes" ".$1"
    sweep ".$folder"
}

note_write() {
    found "$1"
    is_same "$@" || note "$6" file "$5" "file $1"
}

sums=
number=0
receive() {
    found "$1"
    if is_same "$@"; then
        head -c "$3" >/dev/null
        return
    fi
    number=$((number + 1))
    folder=.${1%/*}
    [ -d "$folder" ] || mkdir -p "$folder" || exit 1
    temp=$folder/.fmp-tmp-$number
    temps=$temps$nl$temp
    head -c "$3" >"$temp" || answer no-room "$1" $(($3 + $3 / 5))
    chmod "$2" "$temp" || exit 1
    sums="$sums$4  $temp$nl"
}

number_placed=0
place() {
    found "$1"
    is_same "$@" && return
    number_placed=$((number_placed + 1))
    mv -fT ".${1%/*}/.fmp-tmp-$number_placed" ".$1" || exit 1
    placed=$placed$nl.$1
    folders=$folders$nl.${1%/*}
}

remove() {
    [ -e ".$1" ] || return 0
    rm -f ".$1" || exit 1
    placed=$placed$nl.$1
    folders=$folders$nl.${1%/*}
}

tidy_folder() {
    case $1 in *.d/*) rmdir ".${1%/*}" 2>/dev/null ;; esac
}

lock
writes=0
removals=0
each_write list "$@"
each_removal list "$@"
IFS=$nl
# shellcheck disable=SC2086
digests=$nl$(sha256sum -- $listed)$nl
# shellcheck disable=SC2086
modes=$nl$(stat -c '%a %u:%g %n' -- $listed)$nl
unset IFS
owner=${modes%%" ./run/fmp/lock$nl"*}
owner=${owner##* }
each_write judge "$@"
each_removal judge_removal "$@"
[ $((writes + removals)) -gt 0 ] || answer already-done
each_write prepare "$@"
begin
each_write note_write "$@"
keep_notes
each_write receive "$@"
IFS=$nl
if [ -n "$sums" ]; then
    printf '%s' "$sums" | sha256sum -c --status || answer torn
    # shellcheck disable=SC2086
    sync $temps || answer no-room "$1" "$bytes"
fi
unset IFS
placed=
folders=
each_write place "$@"
each_removal remove "$@"
IFS=$nl
# shellcheck disable=SC2086
sync $folders
# shellcheck disable=SC2086
[ $writes -eq 0 ] || restore_labels $placed
unset IFS
each_removal tidy_folder "$@"
case $placed in
    *"./etc/systemd/system/"*) systemctl daemon-reload || exit 1 ;;
esac
answer done

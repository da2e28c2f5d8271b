# Packages: `MANAGER FROM`, which are `dpkg` or `rpm`, and `repository` or `bundle`; then `NAME UNITS` for each package,
# UNITS joined by commas, `-` for none; `--`; then `NAME BYTES HEX` for each file. Files follow each other on standard input.
#
# The package manager runs as a unit of its own: it ends, or is seen to run, whatever happens to the connection. The ledger
# says what was begun before it runs, and what was ended after it: what a run began that was cut off, the next one ends.

manager=$1
from=$2
shift 2
entry=./var/lib/fmp/ledger/packages
names=
units=
while [ "$1" != -- ]; do
    names="$names $1"
    [ "$2" = - ] || units="$units $1:$2"
    shift 2
done
shift

# state NAME: how far a package is there: a word of dpkg's, nothing where nothing of it is.
state() {
    case $manager in
        dpkg) seen=$(dpkg-query --show --showformat='${db:Status-Status}\n' "$1" 2>/dev/null) ;;
        rpm) seen=$(rpm --query --queryformat='installed\n' "$1" 2>/dev/null) || seen= ;;
    esac
    seen=${seen%%"$nl"*}
}

is_there() {
    state "$1"
    case $seen in
        installed | triggers-*) return 0 ;;
    esac
    return 1
}

is_partly_there() {
    state "$1"
    case $seen in
        '' | not-installed | config-files | installed | triggers-*) return 1 ;;
    esac
}

# is_begun NAME: whether a run began to install it and none has ended that.
is_begun() {
    [ -s "$entry" ] || return 1
    [ "$(grep -xF -e "begun $1" -e "installed $1" "$entry" | tail -n 1)" = "begun $1" ]
}

# What is not there, or was begun and not ended.
judge() {
    missing=
    for name in $names; do
        if is_begun "$name" || ! is_there "$name"; then
            missing="$missing $name"
        fi
    done
    [ -n "$missing" ] || answer already-done
}

# Units of what is not there yet: nobody else can have wanted them.
quiet() {
    for pair in $units; do
        case " $missing " in
            *" ${pair%%:*} "*) printf '%s\n' "${pair#*:}" | tr , "$nl" ;;
        esac
    done
}

case $manager in
    dpkg) program=dpkg-query kind=deb ;;
    rpm) program=rpm kind=rpm ;;
esac
command -v "$program" >/dev/null || stale "the package manager" "$manager" none
lock
judge
! systemctl --quiet is-active "$command.service" || answer busy
how=new
for name in $missing; do
    ! is_partly_there "$name" || how=begun
done
bytes=0
# weigh NAME BYTES HEX…: what comes, and whether some of it is there by half.
weigh() {
    while [ $# -gt 0 ]; do
        ! is_partly_there "$1" || how=begun
        bytes=$((bytes + $2))
        shift 3
    done
}
weigh "$@"
folder=./var/lib/fmp/.fmp-tmp-packages-$$
sweep ./var/lib/fmp
# What a file holds is packed to about a quarter.
room $((bytes * 5)) ./var/lib/fmp/packages
begin
note packages packages absent
for name in $missing; do printf 'begun %s\n' "$name" >>"$entry" || exit 1; done
keep_notes
unlock

temps=$folder
mkdir -p "$folder" || exit 1
while [ $# -gt 0 ]; do
    file=$folder/$1.$kind
    head -c "$2" >"$file" || room $((bytes * 5)) "$file"
    [ "$(sum "$file")" = "$3" ] || answer torn
    # One that came meanwhile stays as it is.
    ! is_there "$1" || is_begun "$1" || rm -f "$file"
    shift 3
done

# What a package starts by itself is started by nobody: not now, and not by a machine that boots in between and is looked at
# again.
off=$(quiet)
# shellcheck disable=SC2086
[ -z "$off" ] || systemctl --quiet --runtime mask $off || exit 1
# As a file: systemd would put values of its own in place of what looks like variables among arguments.
printf '%s\n' "$install" >"$folder/install" || exit 1
place=${PWD%/}${folder#.}
# shellcheck disable=SC2086
systemd-run --quiet --collect --wait --unit="$command" --property=RuntimeMaxSec=1800 -- \
    sh "$place/install" "$manager" "$from" "$how" "$place" $missing
status=$?
# shellcheck disable=SC2086
[ -z "$off" ] || systemctl --quiet --runtime unmask $off
if [ $status -eq 75 ]; then
    answer held "$manager"
fi
for name in $missing; do
    is_there "$name" || { tail -n 20 "$folder/log" >&2; exit 1; }
done

lock
if [ -n "$off" ]; then
    # shellcheck disable=SC2086
    systemctl --quiet disable $off 2>/dev/null
    # shellcheck disable=SC2086
    systemctl --quiet stop $off || exit 1
fi
for name in $missing; do printf 'installed %s\n' "$name" >>"$entry" || exit 1; done
sync "$entry" || exit 1
answer done

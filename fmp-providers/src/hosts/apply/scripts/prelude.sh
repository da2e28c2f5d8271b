# What every change on a host begins with. Run as `sh -c EPOCH+PRELUDE+SCRIPT fmp EPOCH NAME ARGUMENT…`; contents and secrets
# come over standard input, never as arguments.
#
# The last line of the output is the answer: `fmp<tab>WORD` and what belongs to it. `begun` stands before it once
# something may have changed. Paths are absolute and are found below $FMP_ROOT, the root where it is not set.

set -u
umask 022
nl='
'
tab=$(printf '\t')
cd "${FMP_ROOT:-/}" || exit 1
epoch=$1
command=$2
shift 2

# answer WORD FIELD…: ends the script.
answer() {
    printf 'fmp\t%s' "$1"
    shift
    [ $# -eq 0 ] || printf '\t%s' "$@"
    printf '\n'
    exit 0
}

# stale WHAT EXPECTED FOUND
stale() { answer stale "$@"; }

begin() { printf 'begun\n'; }

# replace FILE TEXT: a small file of our own, whole or not at all.
replace() {
    printf '%s\n' "$2" >"$1.new" && sync "$1.new" && mv -f "$1.new" "$1"
}

# lock: one change at a time, and none by a run that a newer one has replaced.
lock() {
    exec 9>./run/fmp/lock
    flock -w 60 9 || answer busy
    stands=$(raise_epoch ./var/lib/fmp ./run/fmp/epoch.lock "$epoch" '') || exit 1
    [ "${stands%% *}" -le "$epoch" ] || answer fenced "${stands%% *}"
}

unlock() { exec 9>&-; }

# note NAME KIND PREVIOUS PART…: the ledger's entry for a resource, before it is made. What an entry says stays; parts
# that it lacks are added.
note() {
    entry=./var/lib/fmp/ledger/$1
    if [ ! -s "$entry" ]; then
        cluster=-
        [ ! -s ./var/lib/fmp/cluster-id ] || read -r cluster <./var/lib/fmp/cluster-id
        printf 'kind %s\ncluster %s\nprevious %s\nepoch %s\n' "$2" "$cluster" "$3" "$epoch" >"$entry" || exit 1
    fi
    noted=$noted$nl$entry
    lines=$nl$(cat "$entry")$nl
    shift 3
    for part; do
        case $lines in
            *"$nl$part$nl"*) ;;
            *) printf '%s\n' "$part" >>"$entry" || exit 1 ;;
        esac
    done
}

# Every noted entry survives a power cut before its effect begins.
noted=
keep_notes() {
    [ -z "$noted" ] || (
        IFS=$nl
        # shellcheck disable=SC2086
        sync $noted ./var/lib/fmp/ledger
    ) || exit 1
}

# room BYTES PATH: whether a fifth more than BYTES is free where PATH goes.
room() {
    needed=$(($1 + $1 / 5))
    above=${2%/*}
    until [ -d "$above" ]; do above=${above%/*}; done
    free=$(stat -f -c '%a * %S' "$above") || exit 1
    # shellcheck disable=SC2004
    [ $(($free)) -ge "$needed" ] || answer no-room "${2#.}" "$needed"
}

# What a run that was killed left in a folder. What streams without the lock keeps its own as long as it lives.
sweep() {
    for left in "$1"/.fmp-tmp-*; do
        case $left in
            *-upload-* | *-image-* | *-packages-*) [ ! -d "/proc/${left##*-}" ] || continue ;;
        esac
        [ ! -e "$left" ] || rm -rf "$left"
    done
}

# sum [FILE]: the digest of a file, or of what comes, by the system's library where that knows the processor's own
# instructions.
sum() {
    if command -v openssl >/dev/null; then
        line=$(openssl dgst -sha256 -r "$@")
    else
        line=$(sha256sum "$@")
    fi && printf '%s\n' "${line%% *}"
}

# restore_labels PATH…: what SELinux, where it is on, expects of a new file.
restore_labels() {
    [ ! -e /sys/fs/selinux/enforce ] || restorecon -F "$@"
}

# Files that must not outlive the script: temporary ones, and the one by which whoever looks sees what runs here. That is
# locked as long as this process and those that it starts live.
temps=
running=./run/fmp/running/$command.$$
trap 'IFS=$nl; rm -rf $temps "$running"' EXIT

mkdir -p ./run/fmp/running ./var/lib/fmp/ledger || exit 1
exec 8>"$running"
flock 8

# What older runs still do on this host comes to its end: `SECONDS` to wait for it. From the moment that the lock is ours
# none of their commands begins a change any more; transient units ask nobody, so they are waited for.

limit=$1

# others: the commands and transient units of other runs, a name a line. A command's file is locked as long as it runs.
others() {
    for left in ./run/fmp/running/fmp-*; do
        name=${left##*/}
        case $name in
            "fmp-$epoch-"* | 'fmp-*') continue ;;
        esac
        if flock -n "$left" true; then
            rm -f "$left"
        else
            printf '%s\n' "${name%.*}"
        fi
    done
    systemctl list-units --all --plain --no-legend 'fmp-[0-9]*' 2>/dev/null | while read -r unit _ active _; do
        case $unit:$active in
            "fmp-$epoch-"* | *:inactive | *:failed) ;;
            *) printf '%s\n' "${unit%.service}" ;;
        esac
    done
}

seconds() {
    read -r seconds _ </proc/uptime
    seconds=${seconds%.*}
}

still() {
    # shellcheck disable=SC2086
    answer still $(printf '%s\n' "$1" | sort -u)
}

seconds
end=$((seconds + limit))
exec 9>./run/fmp/lock
if ! flock -w "$limit" 9; then
    left=$(others)
    still "${left:-whoever-holds-/run/fmp/lock}"
fi
unlock
lock
unlock
while :; do
    left=$(others)
    # An image that its own unit went on to import is there: no later step would sweep its archive.
    [ -n "$left" ] || { sweep ./var/lib/fmp; answer quiet; }
    seconds
    [ "$seconds" -lt "$end" ] || still "$left"
    sleep 0.2
done

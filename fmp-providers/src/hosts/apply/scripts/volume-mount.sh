# A volume is mounted: `UNIT DIRECTORY` for each place, first the volume itself. A directory that holds anything is left as it
# is: a mount would hide it.

directories=
collect() { directories=$directories$nl$2; }
each 2 collect "$@"
volume=$2
look() {
    seen=$(
        IFS=$nl
        # shellcheck disable=SC2086
        volume_facts "$disk" '' "$filesystem" $directories
    )
}
folder() { if [ "$1" = "$volume" ]; then printf /; else printf %s "$1"; fi; }
is_mounted() { is directory "$1${tab}ours$tab$(folder "$1")"; }
left=0
judge() {
    if is_mounted "$2"; then
        [ "$(systemctl is-enabled -- "$1" 2>/dev/null)" = enabled ] && systemctl --quiet is-active -- "$1" ||
            left=$((left + 1))
    else
        is directory "$2${tab}free$tab" || stale "$2" empty "$(told "directory$tab$2" | tr "$tab" ' ')"
        left=$((left + 1))
    fi
}
begin_one() {
    systemctl --quiet enable -- "$1" || exit 1
    if [ "$2" != "$volume" ]; then
        mkdir -p ".$volume$2" || exit 1
        restore_labels ".$volume$2"
    fi
    systemctl start -- "$1" || exit 1
    [ "$2" != "$volume" ] || restore_labels ".$2"
}
noted_units=
note_unit() { noted_units="$noted_units${nl}mount $1"; }

lock
look
made_here
each 2 judge "$@"
[ "$left" -gt 0 ] || answer already-done
begin
each 2 note_unit "$@"
note_volume "$noted_units"
each 2 begin_one "$@"
look
confirm() { is_mounted "$2" || { echo "$1 runs, and the volume is not mounted at $2" >&2; exit 1; }; }
each 2 confirm "$@"
answer done

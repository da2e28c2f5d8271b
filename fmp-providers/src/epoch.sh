# The newest epoch that this host has heard of, in the file `epoch` of a folder. Whoever takes a lease raises it, and so does
# whoever changes something; both do it here, under a lock of its own that nobody keeps: a change may keep the host's for
# minutes, and a renewal can't wait for that.

# raise_epoch FOLDER LOCK EPOCH BY: what stands afterwards, `EPOCH BY`. It never goes back.
raise_epoch() (
    exec 7>"$2" || exit 1
    flock 7
    stands=0
    by=
    [ ! -s "$1/epoch" ] || read -r stands by <"$1/epoch" || exit 1
    if [ "$stands" -lt "$3" ]; then
        # It is on the disk before anybody relies on it.
        printf '%s\n' "$3${4:+ $4}" >"$1/epoch.new" || exit 1
        { sync "$1/epoch.new" && mv -f "$1/epoch.new" "$1/epoch" && sync "$1"; } || exit 1
        stands=$3
        by=$4
    fi
    printf '%s %s\n' "$stands" "$by"
)

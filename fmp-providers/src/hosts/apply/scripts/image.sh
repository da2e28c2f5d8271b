# An image: `REFERENCE BYTES HEX NAME UNPACK`; its archive, packed as UNPACK undoes it, on standard input. The import is
# a unit of its own: it ends, or is seen to run, whatever happens to the connection.

bytes=$2
hex=$3
name=$4
unpack=$5

temp=./var/lib/fmp/.fmp-tmp-image-$$
sweep ./var/lib/fmp
room "$bytes" "$temp"
begin
note "$name" image absent
keep_notes
unlock
temps=$temp
if ! $unpack >"$temp" 2>/dev/null; then
    [ "$(stat -c %s "$temp")" = "$bytes" ] || room "$bytes" "$temp"
    answer torn
fi
[ "$(sum "$temp")" = "$hex" ] || answer torn

lock
# Unpacking is left to the runtime, which knows its snapshotter.
systemd-run --quiet --collect --wait --unit="$command" -- "${PWD%/}$ctr" -n k8s.io images import --no-unpack "${PWD%/}${temp#.}" || exit 1
pin
answer done

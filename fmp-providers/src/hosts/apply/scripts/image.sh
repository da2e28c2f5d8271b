# An image: `REFERENCE BYTES HEX NAME UNPACK`; its archive, packed as UNPACK undoes it, on standard input. The import is
# a unit of its own: it ends, or is seen to run, whatever happens to the connection.

reference=$1
bytes=$2
hex=$3
name=$4
unpack=$5

ctr=$(sed -n 's/^program //p' ./var/lib/fmp/ledger/artifact%2Fctr 2>/dev/null | tail -n 1)
[ -x ".$ctr" ] || stale ctr "the runtime's client" absent
images() { ".$ctr" -n k8s.io images "$@"; }

pin() { images label "$reference" io.cri-containerd.image=managed io.cri-containerd.pinned=pinned >/dev/null || exit 1; }

lock
held=$(images ls -q "name==$reference") || exit 1
if [ -n "$held" ]; then
    pin
    answer already-done
fi
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
sum=$(sha256sum "$temp")
[ "${sum%% *}" = "$hex" ] || answer torn

lock
# Unpacking is left to the runtime, which knows its snapshotter.
systemd-run --quiet --collect --wait --unit="$command" -- "${PWD%/}$ctr" -n k8s.io images import --no-unpack "${PWD%/}${temp#.}" || exit 1
pin
answer done

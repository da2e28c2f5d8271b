# A program: `PATH BYTES HEX BEFORE NAME UNPACK`; its content, packed as UNPACK undoes it, on standard input.
#
# The lock is free while the content comes: other steps on this host don't wait for a slow wire.

path=$1
bytes=$2
hex=$3
before=$4
name=$5
unpack=$6

judge() {
    found=absent
    if [ -f ".$path" ]; then
        found=$(sum ".$path") || exit 1
        [ "$found:$(stat -c %a ".$path")" != "$hex:755" ] || answer already-done
    elif [ -e ".$path" ]; then
        found=other
    fi
    [ "$found" = "$before" ] || [ "$found" = "$hex" ] || stale "$path" "$before" "$found"
}

folder=.${path%/*}
temp=$folder/.fmp-tmp-upload-$$
lock
judge
sweep "$folder"
room "$bytes" ".$path"
begin
note "$name" artifact "$before" "program $path"
keep_notes
unlock

mkdir -p "$folder" || exit 1
temps=$temp
if ! $unpack >"$temp" 2>/dev/null; then
    # Either there is no room left, or what came was cut short.
    [ "$(stat -c %s "$temp")" = "$bytes" ] || room "$bytes" ".$path"
    answer torn
fi
[ "$(sum "$temp")" = "$hex" ] || answer torn
chmod 755 "$temp" || exit 1
# What takes a file's place is on the disk first. A new one is named by its content and known by its size until it is
# there: a power cut leaves a shorter file, which the next observation finds. Its writing begins now, and the end of the
# run waits for it (`settle`).
[ "$before" = absent ] || sync "$temp" || answer no-room "$path" $((bytes + bytes / 5))

lock
judge
mv -fT "$temp" ".$path" || exit 1
if [ "$before" = absent ]; then
    sync ".$path" "$folder" </dev/null >/dev/null 2>&1 8>&- 9>&- &
else
    sync "$folder" || exit 1
fi
restore_labels ".$path"
printf '%s\t.%s\t%s\n' "$(stat -c '%d %i %s %.9Y %.9Z' ".$path")" "$path" "$hex" >>./var/lib/fmp/digests
answer done

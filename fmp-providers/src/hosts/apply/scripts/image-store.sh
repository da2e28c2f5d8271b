# An image for the registry on this machine: `BYTES HEX MANIFEST PATH BEFORE NAME UNPACK`; its archive, an OCI layout packed
# as UNPACK undoes it, on standard input.
#
# The registry reads files, and these are put where it looks for them. Content lies under its own digest and is compared
# before it is put there. What says which manifest the tag is, at PATH, comes last: what broke off before is no image yet,
# and what lies there already is used by the next run.

bytes=$1
hex=$2
manifest=$3
path=$4
before=$5
name=$6
unpack=$7

storage=.${path%/docker/registry/v2/*}
blobs=.${path%/repositories/*}/blobs/sha256
repository=.${path%/_manifests/*}
tag=.${path%/current/link}
temp=$storage/.fmp-tmp-image-$$
piece=$storage/.fmp-tmp-image-part-$$

# link FOLDER HEX: a file that names content. It holds no line break.
link() {
    mkdir -p "$1" && printf 'sha256:%s' "$2" >"$1/link.$$" && sync "$1/link.$$" && mv -f "$1/link.$$" "$1/link"
}

wanted=$(printf 'sha256:%s' "$manifest" | sum) || exit 1
judge() {
    found=absent
    if [ -f ".$path" ]; then
        found=$(sum ".$path") || exit 1
        [ "$found" != "$wanted" ] || answer already-done
    elif [ -e ".$path" ]; then
        found=other
    fi
    [ "$found" = "$before" ] || stale "$path" "$before" "$found"
}

# put HEX MEMBER: content of the archive, where the registry looks for it, unless it is there whole.
put() {
    data=$blobs/$(printf '%.2s' "$1")/$1/data
    if [ -f "$data" ]; then
        there=$(sum "$data") || exit 1
        [ "$there" != "$1" ] || return 0
    fi
    tar -xOf "$temp" "$2" >"$piece" || room "$bytes" "$piece"
    taken=$(sum "$piece") || exit 1
    [ "$taken" = "$1" ] || answer torn
    mkdir -p "${data%/*}" && mv -f "$piece" "$data" || exit 1
}

lock
judge
mkdir -p "$storage" || exit 1
sweep "$storage"
# The archive, and what is taken out of it.
room $((bytes * 2)) "$temp"
begin
note "$name" stored-image "$before" "file $path"
keep_notes
unlock

temps=$temp$nl$piece
if ! $unpack >"$temp" 2>/dev/null; then
    [ "$(stat -c %s "$temp")" = "$bytes" ] || room "$bytes" "$temp"
    answer torn
fi
taken=$(sum "$temp") || exit 1
[ "$taken" = "$hex" ] || answer torn
members=$(tar -tf "$temp" | grep -xE 'blobs/sha256/[0-9a-f]{64}') || exit 1
case $nl$members$nl in
    *"$nl"blobs/sha256/"$manifest$nl"*) ;;
    *)
        echo "the archive lacks its manifest sha256:$manifest" >&2
        exit 1
        ;;
esac
for member in $members; do
    content=${member##*/}
    put "$content" "$member"
    [ "$content" = "$manifest" ] || link "$repository/_layers/sha256/$content" "$content" || exit 1
done
link "$repository/_manifests/revisions/sha256/$manifest" "$manifest" || exit 1
link "$tag/index/sha256/$manifest" "$manifest" || exit 1
# All of it is on the disk before anything says that it is there.
sync -f "$storage" || exit 1
# Once it is stored, no run of this step comes by that would sweep.
rm -f "$temp" "$piece"

lock
judge
link "$tag/current" "$manifest" || exit 1
sync "$tag/current" || exit 1
answer done

# The archive of the platform's stand-in, as a folder: target/platform. What is there already stays.
#
# Images come from packages of Debian and a Go module, as fixtures/platform/bundle.toml says, by way of the same store as
# everything else. As root on Debian 12 what is missing is installed.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
. scripts/lib/prerequisites.sh

source=fixtures/platform
archive=$target/platform
lock=$target/platform.lock
# As Weaviate's go.mod says.
go_needed=1.25
# From empty caches on two processors it takes a quarter of an hour.
minutes=120

# FILE NAME: the image NAME of the bundle as FILE of the archive.
image() {
    local digest
    digest=$(awk -v name="$2" '$1 == name { sub(/^sha256:/, "", $3); print $3 }' <<<"$listed")
    [[ -n $digest ]] || die "the bundle has no $2"
    cp --reflink=auto "$store/blobs/$digest" "$archive.new/images/$1"
    chmod 644 "$archive.new/images/$1"
}

# What the archive is made of: the images by digest, and the files here.
made_of() {
    echo "$listed"
    find "$source" "$0" -type f -print0 | LC_ALL=C sort --zero-terminated | xargs --null sha256sum
}

need_builders
say "building the program"
cargo build --quiet --bin fmp
say "filling the store"
# Whatever Debian has mended since is taken: nothing but tests runs these.
timeout --kill-after=30 "${minutes}m" "$target/debug/fmp" --lock "$lock" --store "$store" \
    bundle build --manifest "$source/bundle.toml" --update
listed=$("$target/debug/fmp" --lock "$lock" --store "$store" bundle list)
made_of >"$archive.now"
if cmp --silent "$archive.now" "$archive.from" && [[ -e $archive/SHA256SUMS ]]; then
    say "$archive is there"
    exit
fi
say "putting the archive together"
rm --recursive --force "$archive.new" "$archive.from" "$archive"
mkdir --parents "$archive.new/images"
cp --recursive "$source/platform.toml" "$source/manifests" "$archive.new/"
image postgres.tar standin-postgres-image
image redis.tar standin-redis-image
image search.tar standin-search-image
(
    cd "$archive.new"
    find . -type f ! -name SHA256SUMS -printf '%P\0' | LC_ALL=C sort --zero-terminated | xargs --null sha256sum >SHA256SUMS
)
mv "$archive.new" "$archive"
mv "$archive.now" "$archive.from"
say "$archive is there"

# Sourced by every script: where the project is, and lines with times.

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
project=$PWD
target=${CARGO_TARGET_DIR:-target}
store=${XDG_CACHE_HOME:-$HOME/.cache}/fmp/store
# Where the usual installers put Rust and Go, in case nobody told this shell.
PATH=$PATH:$HOME/.cargo/bin:/usr/local/go/bin:/usr/sbin:/sbin

# A line of progress, with the seconds since the script began.
say() { printf '[%4d s] %s\n' "$SECONDS" "$*"; }

die() {
    say "$*" >&2
    exit 1
}

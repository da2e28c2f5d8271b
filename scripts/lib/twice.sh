# Brings the local cluster up, and again, which must find nothing to do. Takes it away, unless it was there before.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

machines=/var/lib/fmp-local/fmp-local/machines
was_there=$(compgen -G "$machines/*/address" || true)
./scripts/local-cluster
./scripts/local-cluster | tee "$target/second-time.log"
tail -n 1 "$target/second-time.log" | grep --quiet 'in sync'
[[ -n $was_there ]] || ./scripts/local-cluster --destroy

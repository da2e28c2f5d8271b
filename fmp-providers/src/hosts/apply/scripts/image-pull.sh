# An image of the storage: `REFERENCE PINNED MANIFEST NAME`; PINNED is the reference by digest. The pull is a unit of its own:
# it ends, or is seen to run, whatever happens to the connection.

pinned=$2
manifest=$3
name=$4

# What a node waits for at most: gigabytes over a slow wire.
limit=1800

begin
note "$name" image absent
keep_notes
unlock

# Unpacking is left to the runtime, which knows its snapshotter. Content is compared with its digest as it comes.
systemd-run --quiet --collect --wait --pipe --property=RuntimeMaxSec=$limit --unit="$command" -- \
    "${PWD%/}$ctr" -n k8s.io content fetch --hosts-dir "${PWD%/}/etc/containerd/certs.d" "$pinned" </dev/null >/dev/null ||
    answer not-pulled

lock
images tag --force "$pinned" "$reference" >/dev/null || exit 1
case $(images ls "name==$reference") in
    *"sha256:$manifest"*) ;;
    *)
        images rm "$reference" >/dev/null
        echo "$reference is another manifest than sha256:$manifest" >&2
        exit 1
        ;;
esac
pin
# It is known by its name from here on.
images rm "$pinned" >/dev/null || exit 1
answer done

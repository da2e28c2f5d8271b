# What the steps of an image in the runtime share: `REFERENCE …`. One that is there is pinned, and that is all.

reference=$1

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

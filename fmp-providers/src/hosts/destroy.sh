# Takes everything that the ledger names off this host: `CLUSTER ETCD KUBELET CONTAINERD`, the cluster's id and where those
# keep their data. Nothing else is touched; a host of another cluster is left as it is. Where something stays mounted, units
# are stopped and no file is removed.

cluster=$1
etcd=$2
kubelet=$3
containerd=$4
kept_by=./var/lib/fmp/ledger

# is_ours: goes on where it is; where nothing of anybody's ledger is here, there is nothing to take.
is_ours() {
    found=none
    [ ! -s ./var/lib/fmp/cluster-id ] || read -r found <./var/lib/fmp/cluster-id
    [ "$found" != "$cluster" ] || return 0
    [ "$found" != none ] || [ -n "$(ls ./var/lib/fmp/ledger)" ] || answer already-done
    stale "the cluster of this host" "$cluster" "$found"
}

# Before the lock as well, which notes this run's epoch: not even that is done to somebody else's host.
is_ours
lock
is_ours

parts() { sed -n "s/^$1 //p" "$kept_by"/* 2>/dev/null; }
of_kind() { grep -lx "kind $1" "$kept_by"/* 2>/dev/null; }
mounts() { cut -d ' ' -f 5 /proc/self/mountinfo | below "$kubelet" "$containerd" /run/containerd | sort -r; }

# below FOLDER…: the lines that lie below one of them.
below() {
    while IFS= read -r path; do
        for folder; do
            case $path in "$folder"/*) printf '%s\n' "$path" ;; esac
        done
    done
}

# forget_folder FOLDER: it and those above it, as long as they are empty and were made for us.
forget_folder() {
    case $1 in
        ./etc/fmp* | ./etc/kubernetes* | ./opt/fmp*) rmdir "$1" 2>/dev/null && forget_folder "${1%/*}" ;;
    esac
}

begin
units=$(parts unit)
if [ -n "$units" ]; then
    # What an apiserver owes its clients at an orderly end would take minutes, and nobody needs it any more.
    # shellcheck disable=SC2086
    systemctl --quiet disable $units && systemctl --no-block stop $units || exit 1
    # shellcheck disable=SC2086
    systemctl kill --signal=KILL $units 2>/dev/null
    # shellcheck disable=SC2086
    systemctl stop $units || exit 1
    # They were killed, which is no failure that anybody should still see.
    # shellcheck disable=SC2086
    systemctl reset-failed $units 2>/dev/null
fi

# Pods and their shims outlive the runtime by design.
for processes in $(find /sys/fs/cgroup -name cgroup.procs \( -path '*kubepods*' -o -path '*/containerd.service/*' \) 2>/dev/null); do
    while read -r process; do
        # Those of another host on the same kernel are shown as 0, which would be ourselves.
        [ "$process" = 0 ] || kill -9 "$process" 2>/dev/null
    done <"$processes"
done
for mount in $(mounts); do umount "$mount" 2>/dev/null; done
left=$(mounts | head -n 1)
if [ -n "$left" ]; then
    echo "$left stays mounted, so that no file was removed; units are stopped: unmount it and run this again" >&2
    exit 1
fi
# The volume's disk stays as it is: only nothing of it is mounted any more.
volume=$(parts mount)
if [ -n "$volume" ]; then
    # shellcheck disable=SC2086
    systemctl --quiet disable $volume && systemctl stop $volume || exit 1
    rmdir ./srv/fmp 2>/dev/null
fi
# Networks of pods that are gone: with each goes the host's end of its cable.
for space in /run/netns/cni-*; do
    [ ! -e "$space" ] || { umount "$space" 2>/dev/null; rm -f "$space"; }
done
for link in cni0 flannel.1; do ip link delete "$link" 2>/dev/null; done

# Content of images, of which the ledger knows the tags alone.
[ -z "$(of_kind stored-image)" ] || rm -rf --one-file-system ./var/lib/fmp-registry || exit 1

# What runs goes before what it reads, and what says whose it is goes last.
for kind in image stored-image etcd-member unit certificate file artifact volume trust; do
    for entry in $(of_kind "$kind"); do
        for path in $(sed -n 's/^\(file\|program\|secret\) //p' "$entry"); do
            [ "$path" != /var/lib/fmp/cluster-id ] || continue
            rm -f ".$path" || exit 1
            forget_folder ".${path%/*}"
        done
        rm -f "$entry"
    done
done
rm -rf --one-file-system ".$etcd/member" ".$kubelet" ".$containerd" ./run/containerd ./var/lib/cni \
    ./etc/systemd/logind.conf.d/99-kubelet.conf || exit 1
systemctl daemon-reload
rm -rf --one-file-system ./run/fmp/stamp ./run/fmp/etcd-permit.env
# The epoch stays: what an older run still has to say is refused here even now, and a run after this one has a newer epoch.
# What says whose host it is goes last: it is how whoever was cut off before goes on.
find ./var/lib/fmp/ -xdev -mindepth 1 -depth ! -name epoch ! -name cluster-id -delete || exit 1
rm -f ./var/lib/fmp/cluster-id || exit 1
answer done

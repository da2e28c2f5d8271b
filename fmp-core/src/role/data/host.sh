#!/bin/sh
# Prepares the kernel and the resolver's file for Kubernetes: at each boot, and whenever what it reads changes.
set -u
failed=0

# A module may be built in, or belong to a kernel that others share: what is really missing shows below.
while read -r module; do
    case $module in '' | '#'*) continue ;; esac
    modprobe -q "$module" 2>/dev/null || [ -d "/sys/module/$module" ] ||
        echo "module $module can't be loaded, and is taken as built in"
done </etc/modules-load.d/fmp.conf

while IFS=' =' read -r key value; do
    case $key in '' | '#'*) continue ;; esac
    path=/proc/sys
    rest=$key.
    while [ -n "$rest" ]; do
        path=$path/${rest%%.*}
        rest=${rest#*.}
    done
    # The shell's own read asks byte by byte, and a sysctl answers the first byte only.
    if ! now=$(cat "$path" 2>/dev/null); then
        echo "the kernel has no $key" >&2
        failed=1
        continue
    fi
    [ "$now" = "$value" ] && continue
    # A limit is raised, never lowered, and a kernel that is shared may keep its own.
    case $key in
    *.max_*)
        [ "$now" -ge "$value" ] || echo "$value" 2>/dev/null >"$path" || echo "$key stays at $now" >&2
        ;;
    *)
        if ! echo "$value" 2>/dev/null >"$path"; then
            echo "$key stays at $now instead of $value" >&2
            failed=1
        fi
        ;;
    esac
done </etc/sysctl.d/90-fmp.conf

# Pods with the node's resolver must not be sent to a stub on the node's loopback, which they can't reach.
mkdir -p /run/fmp
resolver=/etc/resolv.conf
if grep -qs '^nameserver 127\.0\.0\.53' /etc/resolv.conf && [ -e /run/systemd/resolve/resolv.conf ]; then
    resolver=/run/systemd/resolve/resolv.conf
fi
if grep -qs '^nameserver' "$resolver"; then
    ln -sfn "$resolver" /run/fmp/resolv.conf
else
    # What every resolver takes an empty file for. CoreDNS wants it said.
    rm -f /run/fmp/resolv.conf
    echo 'nameserver 127.0.0.1' >/run/fmp/resolv.conf
fi
exit $failed

#!/bin/sh
# entrance-link.sh start|reload|stop: what keepalived needs before it starts and leaves behind when it is killed.
#
# The link is the one that has the node's own address, so that no file has to name it.
set -eu
what=$1
config=/etc/fmp/keepalived.conf
rendered=/run/fmp/keepalived.conf

# What this start or reload reads is noted already. A reload that fails has read nothing, and the start's note goes with it.
if [ "$what" = reload ]; then
    trap '[ $? -eq 0 ] || rm -f /run/fmp/stamp/fmp-entrance.service' EXIT
fi
link=$(ip -4 -o address show to "$NODE_IP/32" | while read -r _ name _; do
    printf '%s\n' "$name"
    break
done)
if [ -z "$link" ]; then
    echo "no link has the address $NODE_IP" >&2
    exit 1
fi
# What it may have added, by what it read last and by what it is to read now.
if [ "$what" != reload ]; then
    has=$(ip -4 -o address show dev "$link")
    sed -n 's|^ *\([0-9.]*\)/32 dev .*|\1|p' "$rendered" "$config" 2>/dev/null | sort -u | while read -r address; do
        case $has in
            *" $address/32 "*) ip address del "$address/32" dev "$link" ;;
        esac
    done
fi
if [ "$what" != stop ]; then
    sed "s/@LINK@/$link/" "$config" >"$rendered"
fi

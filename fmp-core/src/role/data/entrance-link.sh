#!/bin/sh
# entrance-link.sh start|reload|stop ADDRESS: what keepalived needs before it starts and leaves behind when it is killed.
#
# The link is the one that has the node's own address, so that no file has to name it.
set -eu
what=$1
address=$2

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
if [ "$what" != reload ] && ip -4 -o address show dev "$link" to "$address/32" | grep -q .; then
    ip address del "$address/32" dev "$link"
fi
if [ "$what" != stop ]; then
    sed "s/@LINK@/$link/" /etc/fmp/keepalived.conf >/run/fmp/keepalived.conf
fi

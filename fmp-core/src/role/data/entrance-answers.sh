#!/bin/bash
# entrance-ready.sh ADDRESS PORT...: whether this node, asked at its own address, answers at each of these ports.
#
# keepalived runs it every second, as nobody. bash, because it speaks TCP by itself.
address=$1
shift
for port; do
    # In a shell of its own, with which the connection ends.
    (exec 3<>"/dev/tcp/$address/$port") 2>/dev/null || exit 1
done

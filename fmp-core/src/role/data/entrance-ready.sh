#!/bin/bash
# entrance-ready.sh PORT: whether the balancer, asked at this port of loopback, reaches a ready apiserver.
#
# keepalived runs it every second, as nobody. bash, because it speaks TCP by itself.
exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3
read -r -t 1 _ status _ <&3
[ "$status" = 200 ]

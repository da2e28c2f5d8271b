# How a host feels, for those who ask: lines `WORD<tab>VALUE`. Sent before the probe, and only where it is asked.
#
# bash speaks TCP and UDP by itself, so no program is needed that hosts don't have. Where it is missing, three questions have
# no answer.

# $1: address, $2: port. HTTP/1.0: who answers closes the connection.
ask_metrics() {
    timeout 5 bash -c 'exec 3<>"/dev/tcp/$1/$2" && printf "GET /metrics HTTP/1.0\r\n\r\n" >&3 && cat <&3' bash "$1" "$2" 2>/dev/null
}

# $1: address, $2: port, $3: the question as printf writes it. Not by the printf of bash: it would send a line at a time, and
# the byte that ends a line stands before names of ten letters.
ask_name() {
    timeout 5 bash -c 'exec 3<>"/dev/udp/$1/$2" || exit 9
        env printf "$3" >&3 2>/dev/null && timeout 2 dd bs=4096 count=1 <&3 2>/dev/null | od -An -v -tx1' bash "$1" "$2" "$3" 2>&1
}

# $1: HOST:PORT. Whether somebody takes a connection there.
ask_entrance() {
    if timeout 3 bash -c 'exec 3<>"/dev/tcp/$1/$2"' bash "${1%:*}" "${1##*:}" 2>/dev/null; then
        printf 'entrance\t%s open\n' "$1"
    else
        printf 'entrance\t%s closed\n' "$1"
    fi
}

health_facts() {
    # shellcheck disable=SC2086
    stat -f -c "room$tab%n$tab%i %S %b %a %c %d" -- . $health_directories 2>/dev/null
    ip -o link show up 2>/dev/null | sed "s/^/link$tab/"
    ip -4 route show 2>/dev/null | sed "s/^/route$tab/"
    if ! command -v bash >/dev/null; then
        printf 'bash\tmissing\n'
        return
    fi
    if [ -n "$etcd_metrics" ]; then
        # shellcheck disable=SC2086
        ask_metrics $etcd_metrics | tr -d '\r' | sed -n "s/^etcd_disk_wal_fsync_duration_seconds_/fsync$tab/p"
    fi
    # All at once: each that is silent takes its time.
    for entrance in $health_entrances; do
        ask_entrance "$entrance" &
    done
    wait
    [ -n "$name_server" ] || return 0
    # A datagram may get lost; two in a row hardly do.
    for _ in first second; do
        # shellcheck disable=SC2086
        answer=$(ask_name $name_server "$name_question" | tr '\n' ' ')
        case $answer in
            *[!\ ]*) break ;;
        esac
    done
    printf 'name\t%s\n' "$answer"
}

# Waits until a unit is active: `UNIT PORT SECONDS`; PORT, in hexadecimal or `-`, is one that must have a listener.
#
# A port is looked up without asking systemd: twenty of these waits at once must not keep the host from starting what
# they wait for.

set -u
cd "${FMP_ROOT:-/}" || exit 1
unit=$1
port=$2
limit=$3
nl='
'

seconds() {
    read -r seconds _ </proc/uptime
    seconds=${seconds%.*}
}

listens() { [ "$port" = - ] || grep -qE ":$port [0-9A-F]+:0000 0A" /proc/net/tcp /proc/net/tcp6 2>/dev/null; }

look() {
    state=$nl$(systemctl show -p ActiveState,SubState,Result,Job,Type,InvocationID,ConditionResult -- "$unit")$nl
}

is() { case $state in *"$nl$1$nl"*) return 0 ;; *) return 1 ;; esac }

value() {
    value=${state#*"$nl$1="}
    value=${value%%"$nl"*}
}

answer() {
    printf 'fmp\t%s\n' "$1"
    exit 0
}

# A program that says when it is ready is believed; another one must stay for a second.
stays() {
    ! is Type=notify && ! is Type=oneshot && [ "$port" = - ] || return 0
    value InvocationID
    if [ "$value" != "$invocation" ]; then
        invocation=$value
        since=$seconds
    fi
    [ $((seconds - since)) -ge 2 ]
}

invocation=
since=0
seconds
end=$((seconds + limit))
while :; do
    if listens; then
        look
        # A job that waits belongs to the start or restart that is awaited: what runs now is the old process.
        if is ActiveState=active && is Job= && stays; then
            [ "$unit" != etcd.service ] || rm -f ./run/fmp/etcd-permit.env
            answer holds
        fi
        if is ActiveState=inactive && is Job= && is ConditionResult=no; then
            answer "a condition in its file kept it from starting"
        fi
    fi
    seconds
    if [ "$seconds" -ge "$end" ]; then
        look
        value ActiveState
        last=$value
        value SubState
        last="$last ($value)"
        value Result
        [ "$value" = success ] || last="$last, its last end: $value"
        listens || last="$last, nothing listens on the port"
        answer "$last"
    fi
    sleep 0.2
done

# A unit: `HOW UNIT NAME`; HOW is `start`, `restart`, `reload` or `enable`; `restart-starting` restarts one that is still on
# its way up: where it has arrived, others may rest on it, and nobody judged whether they can spare it. Nothing waits
# here: that is the watch's work, and the first of three members of etcd is ready only when another one runs.

how=$1
unit=$2
name=$3

lock
state=$nl$(systemctl show -p LoadState,ActiveState,NeedDaemonReload -- "$unit")$nl
# Not a property of the above: systemd keeps the first answer to that one until it reads its units again.
enabled=$(systemctl is-enabled -- "$unit" 2>/dev/null)
is() { case $state in *"$nl$1$nl"*) return 0 ;; *) return 1 ;; esac }
! is LoadState=not-found || stale "$unit" "a unit file" none
if [ "$how" = restart-starting ]; then
    ! is ActiveState=active || stale "$unit" "not active" active
    ! is ActiveState=reloading || stale "$unit" "not active" reloading
    how=restart
fi
if [ "$enabled" = enabled ] && is NeedDaemonReload=no; then
    case $how in
        enable) answer already-done ;;
        start) ! is ActiveState=active || answer already-done ;;
    esac
fi
begin
note "$name" unit absent "unit $unit"
keep_notes
! is NeedDaemonReload=yes || systemctl daemon-reload || exit 1
if [ "$enabled" != enabled ]; then
    # A reload costs as much as all else here; a unit that is not loaded is read anew anyway.
    reload=
    ! is ActiveState=inactive || reload=--no-reload
    systemctl --quiet enable $reload -- "$unit" || exit 1
fi
case $how in
    enable) answer done ;;
    start) ! is ActiveState=failed || systemctl reset-failed -- "$unit" ;;
esac
systemctl --no-block "$how" -- "$unit" || exit 1
answer done

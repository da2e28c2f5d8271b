# A unit: `HOW UNIT NAME`; HOW is `start`, `restart`, `reload` or `enable`. Nothing waits here: that is the watch's work,
# and the first of three members of etcd is ready only when another one runs.

how=$1
unit=$2
name=$3

lock
state=$nl$(systemctl show -p LoadState,ActiveState,UnitFileState,NeedDaemonReload -- "$unit")$nl
is() { case $state in *"$nl$1$nl"*) return 0 ;; *) return 1 ;; esac }
! is LoadState=not-found || stale "$unit" "a unit file" none
if is UnitFileState=enabled && is NeedDaemonReload=no; then
    case $how in
        enable) answer already-done ;;
        start) ! is ActiveState=active || answer already-done ;;
    esac
fi
begin
note "$name" unit absent "unit $unit"
keep_notes
! is NeedDaemonReload=yes || systemctl daemon-reload || exit 1
systemctl --quiet enable --no-reload -- "$unit" || exit 1
case $how in
    enable) answer done ;;
    start) ! is ActiveState=failed || systemctl reset-failed -- "$unit" ;;
esac
systemctl --no-block "$how" -- "$unit" || exit 1
answer done

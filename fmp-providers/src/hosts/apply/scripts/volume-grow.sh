# A file system takes all of its disk: `DIRECTORY SLACK`: where it is mounted, and the bytes that it may leave.

directory=$1
slack=$2

lock
mounted_at "$directory"
[ $(($(told bytes) - size)) -ge "$slack" ] || answer already-done
begin
grow "$directory" || exit 1
answer done

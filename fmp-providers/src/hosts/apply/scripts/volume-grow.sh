# A file system takes all of its disk: `DIRECTORY SLACK`: where it is mounted, and the bytes that it may leave.

directory=$1
slack=$2

lock
seen=$(volume_facts "$disk" '' "$filesystem" "$directory")
made_here
is directory "$directory${tab}ours$tab/" || stale "$directory" "the volume" "$(told "directory$tab$directory" | tr "$tab" ' ')"
size=$(told filesystem)
[ -n "$size" ] || { echo "the size of the file system at $directory can't be told" >&2; exit 1; }
[ $(($(told bytes) - size)) -ge "$slack" ] || answer already-done
begin
grow "$directory" || exit 1
answer done

# One main's part of the lease: glance | take | release, under a lock. POSIX sh, flock of util-linux. Begins with `epoch.sh`.
# $1 verb, $2 directory of the lease, $3 directory of the epoch, $4 seconds until it runs out;
# take and release: $5 epoch, $6 process, $7 since, $8 host, $9 holder, ${10} instance.
set -eu
umask 077
mkdir -p "$2" "$3"
exec 9>"$2/lease.lock"
flock -w 5 9
now=$(cut -d. -f1 /proc/uptime)

newest=0
if [ -r "$3/epoch" ]; then
	read -r newest _ <"$3/epoch"
fi

held=
taken=$now
if [ -r "$2/lease" ]; then
	{ read -r epoch; read -r first; read -r last; read -r pid; read -r since; read -r host; read -r holder; read -r instance || instance=-; } <"$2/lease"
	if [ $((now - last)) -lt "$4" ]; then
		held=other
		# Two containers may have one name and one number for their processes.
		if [ "$1" != glance ] && [ "$epoch $pid $host $instance" = "$5 $6 $8 ${10}" ]; then
			held=own
			taken=$first
		fi
	fi
fi

case $1:$held in
*:other)
	printf 'held\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' \
		"$epoch" $((now - first)) "$pid" "$since" "$host" "$holder" "$instance"
	;;
glance:)
	printf 'free\t%s\n' "$newest"
	;;
take:*)
	heard=$(raise_epoch "$3" "$2/epoch.lock" "$5" "$6 $8")
	if [ "$heard" != "$5 $6 $8" ]; then
		printf 'overtaken\t%s\n' "${heard%% *}"
		exit 0
	fi
	printf '%s\n' "$5" "$taken" "$now" "$6" "$7" "$8" "$9" "${10}" >"$2/lease.new"
	mv "$2/lease.new" "$2/lease"
	printf 'granted\n'
	;;
release:own)
	rm -f "$2/lease"
	printf 'free\t%s\n' "$newest"
	;;
release:)
	printf 'free\t%s\n' "$newest"
	;;
esac

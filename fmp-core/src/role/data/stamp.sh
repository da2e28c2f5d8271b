#!/bin/sh
# stamp.sh UNIT PATH...: notes what a unit reads, in the very moment it starts or reloads.
#
# /run/fmp/stamp/UNIT then holds `invocation ID` and, for each path, `PATH<tab>VALUE`: `sha256:` and the digest of a
# small file; `stat:` and device, inode, size, mtime, ctime of a large one or a secret, whose digest is never taken.
# A path that is not there has no line.
# At a start the unit's own file and its drop-ins are noted too. A reload has the same invocation: what it names is
# noted again, the other lines stay.
set -u
unit=$1
shift
note=/run/fmp/stamp/$unit
tab=$(printf '\t')
nl='
'
umask 022

named=$nl
for path; do named=$named$path$nl; done
kept=
if [ -e "$note" ] && IFS= read -r first <"$note" && [ "$first" = "invocation $INVOCATION_ID" ]; then
    while IFS=$tab read -r path value; do
        case $named in *"$nl$path$nl"*) continue ;; esac
        [ -z "$value" ] || kept=$kept$path$tab$value$nl
    done <"$note"
else
    for path in "/etc/systemd/system/$unit" "/etc/systemd/system/$unit.d"/*.conf; do
        [ ! -e "$path" ] || set -- "$@" "$path"
    done
fi

# One stat for all, one sha256sum for all: a start must not wait for a fork a file.
seen=$(stat -L -c '%s %d %i %s %.9Y %.9Z %n' -- "$@" 2>/dev/null)
set --
while read -r size device inode bytes mtime ctime path; do
    case $path in '') continue ;; *.key | */encryption.yaml) size=secret ;; esac
    if [ "$size" != secret ] && [ "$size" -le 1048576 ]; then
        set -- "$@" "$path"
    else
        kept="$kept$path${tab}stat:$device $inode $bytes $mtime $ctime$nl"
    fi
done <<SEEN
$seen
SEEN

[ -d /run/fmp/stamp ] || mkdir -p /run/fmp/stamp
{
    printf 'invocation %s\n%s' "$INVOCATION_ID" "$kept"
    [ $# -eq 0 ] || sha256sum -- "$@" | while read -r digest path; do
        printf '%s\tsha256:%s\n' "$path" "$digest"
    done
} >"$note.new" && mv -f "$note.new" "$note"

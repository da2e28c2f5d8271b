# What the steps of a volume on a volume group share: `GROUP VOLUME` and, for each of its disks, `DISK ID BYTES IDENTITY`: the id
# that it has or gets within LVM, and what it was when it was seen, `- -` where it was not, or belongs to the group already.
#
# Everything that LVM writes bears ids that stood in the ledger before. Nothing of somebody else is wiped: LVM asks before it
# does, and gets no answer.

export LVM_SUPPRESS_FD_WARNINGS=1
group=$1
logical=$2
shift 2

# in_group WORD: whether that line, or the beginning of one, was seen of the group.
in_group() { case $nl$grouped$nl in *"$nl$1$nl"* | *"$nl$1$tab"*) return 0 ;; *) return 1 ;; esac }
# of_group WORD KEY FIELD: that field of the first such line.
of_group() { printf '%s\n' "$grouped" | awk -F '\t' -v word="$1" -v key="$2" -v field="$3" '$1 == word && $2 == key { print $field; exit }'; }
look_at_group() { grouped=$(group_facts "$group"); }

# The group, where there is one, is of disks that the ledger names.
our_group() {
    ! in_group "group${tab}unreadable" || { echo "what LVM has can't be read: \`vgs\` fails" >&2; exit 1; }
    for id in $(printf '%s\n' "$grouped" | sed -n "s/^pv$tab\([^$tab]*\)$tab.*/\1/p"); do
        grep -qx -- "member .* $id" "$entry" 2>/dev/null || stale "the volume group $group" "one of ours" "one with the disk $id"
    done
}

# A disk that is in the group is there; another one is free for it.
judge_disk() {
    if in_group "pv$tab$2"; then
        [ -e ".$1" ] || stale "$1" "a disk of the group" none
        return
    fi
    seen=$(volume_facts "$1" unnamed "$filesystem")
    free_disk "$1" "$3" "$4"
    if has "member $1 $2"; then
        half_made "$1" LVM2_member "$2"
    else
        empty_disk "$1"
    fi
}

noted_members=
note_member() { noted_members="$noted_members${nl}member $1 $2"; }
# note_disks DISK ID BYTES IDENTITY…: the ledger names them all before the first one is written.
note_disks() {
    each 4 note_member "$@"
    note_volume "disk $disk${nl}uuid $uuid$noted_members"
}

# make_member DISK ID: the whole disk becomes a physical volume of that id.
make_member() {
    in_group "pv$tab$2" && return
    seen=$(volume_facts "$1" '' "$filesystem")
    if ! { is signature LVM2_member && is uuid "$2"; }; then
        pvcreate --quiet --norestorefile --uuid "$2" "$(device "$1")" >&2 </dev/null || exit 1
    fi
    sync "$(device "$1")" || exit 1
    joining="$joining $(device "$1")"
}
# join DISK ID BYTES IDENTITY…: all of them belong to the group.
join() {
    joining=
    each 4 make_member "$@"
    [ -n "$joining" ] || return 0
    if in_group "group${tab}present"; then
        # shellcheck disable=SC2086
        vgextend --quiet "$group" $joining >&2 </dev/null || exit 1
    else
        # shellcheck disable=SC2086
        vgcreate --quiet "$group" $joining >&2 </dev/null || exit 1
    fi
    look_at_group
}

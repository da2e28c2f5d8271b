# Room on the disks of this computer, before a run begins: in the middle of one there would be half a cluster and no log.
#
# Figures are those of a run from empty caches, in GB and rounded up; what lies there already is not written again.

# written [machines]: `GB PLACE` for each place that a run writes to.
written() {
    # Every test is a program of its own, and so is every crate for the linter.
    echo "10 $target"
    [[ ${1-} == machines ]] || return 0
    echo "3 $(go env GOCACHE 2>/dev/null || echo "$HOME/.cache/go-build")"
    echo "4 $(go env GOMODCACHE 2>/dev/null || echo "$HOME/go/pkg/mod")"
    echo "2 $store"
    # Two clusters of seven at once, and each machine unpacks each layer of each image into a folder of its own.
    echo "16 /var/lib/fmp-local"
}

# need_room [machines]: dies with figures where a file system has less room than what is still to be written to it.
need_room() {
    local -A needed=() places=()
    local gb place disk free
    while read -r gb place; do
        disk=$(disk_of "$place")
        needed[$disk]=$((${needed[$disk]:-0} + $(left_of "$gb" "$place")))
        places[$disk]+=" $place"
    done < <(written "$@")
    for disk in "${!needed[@]}"; do
        free=$(df --output=avail --block-size=1G "$disk" | tail -n 1)
        [[ ${free// /} -ge ${needed[$disk]} ]] ||
            die "no room: ${needed[$disk]} GB are still to be written to $disk, ${free// /} GB are free there:${places[$disk]}"
    done
}

# disk_of PLACE: where the file system is mounted that it lies on, or will.
disk_of() {
    local place=$1
    until [[ -e $place ]]; do place=$(dirname "$place"); done
    df --output=target "$place" | tail -n 1
}

# left_of GB PLACE: what is still to come.
left_of() {
    local there=0
    [[ ! -d $2 ]] || there=$(du --summarize --block-size=1G "$2" 2>/dev/null | cut -f 1)
    echo $(($1 > there ? $1 - there : 0))
}

# Runs as a unit of its own: `MANAGER FROM HOW FOLDER NAME…`, HOW is `begun` where something is there by half, else `new`.
# Nobody is asked anything, files of persons stay as they are, and nothing is installed that is only recommended. Ends with 75
# where somebody else kept the package manager busy.

manager=$1
from=$2
how=$3
folder=$4
shift 4
log=$folder/log
export LC_ALL=C DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
# Where these are there, they would restart services, or show news to somebody.
export NEEDRESTART_SUSPEND=1 APT_LISTCHANGES_FRONTEND=none
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# patiently PROGRAM ARGUMENT…: again while somebody else has the lock, which is of a kind that nothing in a shell waits for.
patiently() {
    until=$(($(date +%s) + ${FMP_PATIENCE_S:-600}))
    until "$@" >"$log" 2>&1 </dev/null; do
        grep -qE 'lock(ed)? (was locked )?by another process|Could not get lock|Unable to (acquire|lock) ' "$log" || return 1
        [ "$(date +%s)" -lt "$until" ] || exit 75
        sleep 1
    done
}

# Without a list of repositories apt takes what it is given, or says what is lacking, before anything is touched.
no_repository='-o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=/dev/null -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache='

case $manager-$from in
    dpkg-bundle)
        if [ "$how" = new ] && command -v apt-get >/dev/null; then
            # shellcheck disable=SC2086
            apt-get $no_repository -o Debug::NoLocking=1 --simulate --no-install-recommends --no-remove install \
                "$folder"/*.deb >"$log" 2>&1 </dev/null || exit 1
        fi
        patiently dpkg --force-confold --force-confdef --install "$folder"/*.deb
        ;;
    dpkg-repository)
        # What was cut off is ended first. Where that lacks something, it comes with what follows.
        [ "$how" = new ] || patiently dpkg --force-confold --force-confdef --configure --pending
        # An older list may do: that it can't be had is told by what comes next.
        patiently apt-get --quiet update
        fix=
        [ "$how" = new ] || fix=--fix-broken
        patiently apt-get --quiet --yes --no-install-recommends --no-remove $fix \
            -o Dpkg::Options::=--force-confold -o Dpkg::Options::=--force-confdef install "$@"
        ;;
    rpm-bundle)
        # dnf and rpm wait for each other's lock by themselves.
        if command -v dnf >/dev/null; then
            dnf --quiet --assumeyes --setopt=install_weak_deps=False --disablerepo='*' install "$folder"/*.rpm >"$log" 2>&1 </dev/null
        else
            rpm --upgrade "$folder"/*.rpm >"$log" 2>&1 </dev/null
        fi
        ;;
    rpm-repository)
        dnf --quiet --assumeyes --setopt=install_weak_deps=False install "$@" >"$log" 2>&1 </dev/null
        ;;
esac

# What this computer must have: to build, and to make machines of its own. On Debian what is missing is installed.

# The oldest Go that builds the newest of the modules in bundle.toml (etcd's say so in their go.mod).
go_needed=1.23

# Programs and the packages of Debian that bring them.
build_programs=(cc:gcc git:git)
machine_programs=(debootstrap:debootstrap ip:iproute2 mount:mount nsenter:util-linux systemd-nspawn:systemd-container)

need_rust() {
    command -v cargo >/dev/null || die "there is no Rust toolchain: install Rust 1.95 or later from https://rustup.rs"
}

# needs PROGRAM:PACKAGE…: what is missing and can't be installed here, as a reason; nothing where nothing is.
needs() {
    local missing
    missing=$(packages_for "$@" | paste -sd ' ')
    [[ -z $missing ]] || can_install || echo "needs $missing"
}

# Whether packages of Debian can be installed.
can_install() { [[ $EUID -eq 0 ]] && command -v apt-get >/dev/null; }

# Installs what is missing, or says what it is.
need_builders() {
    need_rust
    install_packages $(packages_for "${build_programs[@]}")
    # Static programs need the C library's archive, which is in a package of its own.
    [[ -e $(cc -print-file-name=libc.a) ]] || install_packages libc6-dev
    has_go || install_go
    # What comes out of a package of Debian needs apt's lists, which a computer may not have yet.
    apt-cache show busybox-static >/dev/null 2>&1 || apt-get update --quiet=2
}

# What virtual machines take besides, which only scripts/full makes: a hundred megabytes.
vm_programs=(debugfs:e2fsprogs mkfs.ext4:e2fsprogs qemu-system-x86_64:qemu-system-x86)
need_virtual_machines() { install_packages $(packages_for "${vm_programs[@]}"); }

# The same for machines: systemd-nspawn, and the kernel modules that the machines can't load themselves.
need_machines() {
    [[ $EUID -eq 0 ]] || die "machines of this computer need root: run this with sudo"
    install_packages $(packages_for "${machine_programs[@]}")
    local module
    for module in br_netfilter nf_conntrack overlay; do
        # One that is built in can't be loaded; what is really missing is named by `fmp check`.
        modprobe --quiet "$module" 2>/dev/null || true
    done
}

# Packages of the programs, as PROGRAM:PACKAGE, that are not there.
packages_for() {
    local pair
    for pair; do
        command -v "${pair%%:*}" >/dev/null || echo "${pair#*:}"
    done
}

install_packages() {
    [[ $# -gt 0 ]] || return 0
    [[ $EUID -eq 0 ]] || die "missing: $* (install them, or run this with sudo)"
    command -v apt-get >/dev/null || die "missing: $* (as Debian calls them; this system has no apt-get)"
    say "installing $*"
    apt-get update --quiet=2
    DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends "$@" >/dev/null
}

# Whether the version $1 is $2 or later.
is_at_least() { [[ $(printf '%s\n' "$2" "$1" | sort --version-sort | head -n 1) == "$2" ]]; }

has_go() {
    local version
    version=$(go env GOVERSION 2>/dev/null) && is_at_least "${version#go}" "$go_needed"
}

# Debian's own Go where that is new enough, else the one of its backports, from the mirror that this computer uses.
install_go() {
    [[ $EUID -eq 0 ]] && command -v apt-get >/dev/null || die "missing: Go $go_needed or later, from https://go.dev/dl"
    apt-get update --quiet=2
    local candidate
    candidate=$(LC_ALL=C apt-cache policy golang-go | sed -n 's/^ *Candidate: \([0-9]*:\)\?//p')
    if is_at_least "${candidate:-0}" "$go_needed"; then
        install_packages golang-go
    else
        install_go_from_backports
    fi
    hash -r
    has_go || die "missing: Go $go_needed or later, from https://go.dev/dl"
}

install_go_from_backports() {
    local codename mirror
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' "Codename: $codename" |
        head -n 1)
    [[ -n $mirror ]] || die "missing: Go $go_needed or later, from https://go.dev/dl"
    say "taking Go from $codename-backports"
    printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s-backports main\n' "$mirror" "$codename" \
        >/etc/apt/sources.list.d/fmp-backports.list
    install_packages "golang-go/$codename-backports" "golang-src/$codename-backports"
}

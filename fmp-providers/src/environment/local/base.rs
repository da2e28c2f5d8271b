//! The file system that all local machines begin with.
//!
//! Built once by debootstrap and kept by the digest of its recipe: another recipe is another folder. Virtual machines have
//! one of their own, with a kernel in it.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use fmp_core::Digest;

use super::{
    EnvironmentError, Turn,
    error::file,
    locked, mounts,
    tool::{self, arg},
};

/// How long debootstrap may take: 2 min on a good line, ten times that on a bad one.
const BUILD: Duration = Duration::from_mins(20);

/// Debian's release.
const RELEASE: &str = "bookworm";

/// What a host of FMP needs from its distribution. containerd, CNI and all of Kubernetes come from the bundle.
pub(super) const PACKAGES: &[&str] = &[
    "ca-certificates",
    "conntrack",
    "dbus",
    "e2fsprogs",
    "ebtables",
    "ethtool",
    "haproxy",
    "iproute2",
    "ipset",
    "iptables",
    "keepalived",
    "kmod",
    "mount",
    "openssh-server",
    "procps",
    "runc",
    "socat",
    "sudo",
    "systemd",
    "systemd-sysv",
    "util-linux",
];

/// The unit that gives a machine its address: in a container it prepares mounts and control groups, too.
pub(super) const UNIT: &str = "etc/systemd/system/fmp-machine.service";

/// Files that make a Debian a machine of ours.
pub(super) const FILES: &[(&str, &str)] = &[
    // The operator's key is the only way in.
    ("etc/ssh/sshd_config.d/fmp.conf", "PasswordAuthentication no\nUseDNS no\nMaxStartups 100\n"),
    // Empty: systemd writes a new one at the first start, so every machine has its own. It would take D-Bus's, if that
    // package had left one.
    ("etc/machine-id", ""),
    ("var/lib/dbus/machine-id", ""),
    ("etc/fstab", ""),
];

/// Units that are masked: devices are the computer's own and stay untouched, the cluster brings its own haproxy, and
/// what cleans up at night would make a machine differ from day to day.
const MASKED: &[&str] = &[
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "console-getty.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "haproxy.service",
    "systemd-networkd.service",
    "systemd-udev-settle.service",
    "systemd-udev-trigger.service",
    "systemd-udevd-control.socket",
    "systemd-udevd-kernel.socket",
    "systemd-udevd.service",
];

/// The folder of the base in `cache`, built if it is not there.
pub(super) async fn ensure(cache: &Path) -> Result<PathBuf, EnvironmentError> {
    let files: Vec<_> = [(UNIT, include_str!("fmp-machine.service"))].iter().chain(FILES).copied().collect();
    let system = System { packages: PACKAGES.to_vec(), masked: MASKED.to_vec(), files };
    kept(cache, "base", system.key(), async |partial| {
        tracing::info!(folder = %partial.display(), "building the base of local machines, once");
        system.build(partial).await
    })
    .await
}

/// The folder of this name and of what is made by the recipe that `key` is the digest of, made by `build` if it is not
/// there. One that `build` did not finish is made anew.
pub(super) async fn kept(
    cache: &Path,
    name: &str,
    key: Digest,
    build: impl AsyncFnOnce(&Path) -> Result<(), EnvironmentError>,
) -> Result<PathBuf, EnvironmentError> {
    let done = cache.join(format!("{name}-{}", key.short()));
    if done.exists() {
        return Ok(done);
    }
    fs::create_dir_all(cache).map_err(file("creating", cache))?;
    let _lock = locked(&cache.join(format!("{name}.lock")), Turn::Alone).await?;
    if !done.exists() {
        let partial = done.with_extension("partial");
        // What a build that was killed left behind, its mounts included.
        mounts::remove(&partial).await?;
        build(&partial).await?;
        fs::rename(&partial, &done).map_err(file("renaming", &partial))?;
    }
    Ok(done)
}

/// The recipe of a Debian that machines begin with.
pub(super) struct System {
    /// What is installed, besides what every Debian has.
    pub(super) packages: Vec<&'static str>,
    /// Units that never run.
    pub(super) masked: Vec<&'static str>,
    /// Files, by path, and what is in them.
    pub(super) files: Vec<(&'static str, &'static str)>,
}

impl System {
    /// The recipe's digest.
    pub(super) fn key(&self) -> Digest {
        let lists =
            [self.packages.join(" "), self.masked.join(" "), RELEASE.to_owned(), std::env::consts::ARCH.to_owned()];
        let files = self.files.iter().flat_map(|&(path, content)| [path.to_owned(), content.to_owned()]);
        Digest::of(lists.into_iter().chain(files).collect::<Vec<_>>().join("\n"))
    }

    /// Makes it in the folder `root`.
    pub(super) async fn build(&self, root: &Path) -> Result<(), EnvironmentError> {
        let include = format!("--include={}", self.packages.join(","));
        tool::run("debootstrap", &["--variant=minbase", &include, RELEASE, arg(root)], BUILD).await?;
        configure(root, &self.files, &self.masked)
    }
}

fn configure(root: &Path, files: &[(&str, &str)], masked: &[&str]) -> Result<(), EnvironmentError> {
    for (path, content) in files {
        let path = root.join(path);
        fs::write(&path, content).map_err(file("writing", &path))?;
    }
    let units = root.join("etc/systemd/system");
    let wanted = units.join("multi-user.target.wants/fmp-machine.service");
    symlink("../fmp-machine.service", &wanted).map_err(file("linking", &wanted))?;
    for unit in masked {
        let path = units.join(unit);
        let _ = fs::remove_file(&path);
        symlink("/dev/null", &path).map_err(file("masking", &path))?;
    }
    // Host keys belong to a machine; a package archive is of no use without a network.
    for kind in ["rsa", "ecdsa", "ed25519"] {
        for end in ["", ".pub"] {
            let _ = fs::remove_file(root.join(format!("etc/ssh/ssh_host_{kind}_key{end}")));
        }
    }
    let archives = root.join("var/cache/apt/archives");
    for entry in fs::read_dir(&archives).into_iter().flatten().flatten() {
        let _ = fs::remove_file(entry.path());
    }
    Ok(())
}

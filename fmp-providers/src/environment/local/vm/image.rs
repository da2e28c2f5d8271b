//! The image that all virtual machines begin with: a file system, a kernel, and what the kernel begins with.
//!
//! Built once and kept by the digest of its recipe, as the base of other machines is.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use super::super::{
    EnvironmentError,
    base::{self, System},
    error::file,
    mounts,
    tool::{self, arg},
};

/// In a machine's folder: the image that it was made of.
pub(super) const LINK: &str = "image";

/// In the image's folder: what goes on the system's disk, the kernel, and what loads the disk's driver.
pub(super) const DISK: &str = "system.raw";
pub(super) const KERNEL: &str = "vmlinuz";
pub(super) const INITRD: &str = "initrd.img";

/// Besides what every host of FMP needs of its distribution: a kernel, devices, and what makes volumes.
const PACKAGES: &[&str] = &["initramfs-tools", "linux-image-cloud-amd64", "lvm2", "udev", "xfsprogs"];

/// Units that never run: what cleans up at night would make a machine differ from day to day, the cluster brings its own
/// haproxy, and nobody sits at the console.
const MASKED: &[&str] = &[
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty@tty1.service",
    "haproxy.service",
    "serial-getty@ttyS0.service",
    "systemd-networkd.service",
];

/// A processor that is emulated computes AES-GCM at half the speed of what is made for processors without help.
const CIPHERS: (&str, &str) =
    ("etc/ssh/sshd_config.d/emulated.conf", "Ciphers chacha20-poly1305@openssh.com,aes128-ctr,aes256-ctr\n");

/// Size of the system's disk: programs, logs and, where a node has no disks besides, images. What is not written takes no
/// room.
const SIZE: &str = "8G";

/// How long the file system may take to be made: a minute on a slow disk.
const MAKE: Duration = Duration::from_mins(10);

/// The image's folder in `cache`, made if it is not there.
pub(in super::super) async fn ensure(cache: &Path) -> Result<PathBuf, EnvironmentError> {
    let own = [(base::UNIT, include_str!("fmp-machine.service")), CIPHERS];
    let system = System {
        packages: base::PACKAGES.iter().chain(PACKAGES).copied().collect(),
        masked: MASKED.to_vec(),
        files: own.iter().chain(base::FILES).copied().collect(),
    };
    base::kept(cache, "vm", system.key(), async |partial| {
        tracing::info!(folder = %partial.display(), "building the image of virtual machines, once");
        build(&system, partial).await
    })
    .await
}

async fn build(system: &System, folder: &Path) -> Result<(), EnvironmentError> {
    let root = folder.join("root");
    fs::create_dir_all(&root).map_err(file("creating", &root))?;
    system.build(&root).await?;
    // Debian's links to the newest kernel and what belongs to it.
    for name in [KERNEL, INITRD] {
        let to = folder.join(name);
        fs::copy(root.join(name), &to).map_err(file("copying", to))?;
    }
    // Written by each machine's maker, who would find them in the way.
    for path in ["etc/hostname", "etc/hosts", "etc/resolv.conf"] {
        let _ = fs::remove_file(root.join(path));
    }
    // Whoever writes into an image finds every folder there.
    let ssh = root.join("root/.ssh");
    fs::create_dir_all(&ssh).map_err(file("creating", ssh))?;
    let disk = folder.join(DISK);
    tool::run("mkfs.ext4", &["-q", "-F", "-d", arg(&root), arg(&disk), SIZE], MAKE).await?;
    mounts::remove(&root).await
}

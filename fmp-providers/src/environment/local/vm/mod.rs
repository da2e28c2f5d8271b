//! Virtual machines: QEMU without acceleration, so that one can be had on any computer, with a kernel and disks of its own.
//!
//! Owns what differs from a machine that shares the computer's kernel: its image, its disks, its command. Its folder,
//! its network and its life are those of any [`Machine`](super::machine::Machine).

mod disks;
mod image;

use std::{net::Ipv4Addr, path::Path, time::Duration};

pub(super) use self::{disks::create, image::ensure};
use super::{EnvironmentError, tool::arg};

/// How long one may take from its start until its SSH server answers: half a minute on an idle computer, two on one whose
/// processors compile, and its firmware, kernel and initial file system come first.
pub(super) const BOOT: Duration = Duration::from_mins(8);

/// Programs that it takes besides.
pub(super) const PROGRAMS: &[&str] = &["debugfs", "mkfs.ext4", QEMU];

const QEMU: &str = "qemu-system-x86_64";

/// Processors and memory in MiB, as the profile `local-vm` asks for.
const CPUS: &str = "2";
const MEMORY: &str = "2048";

/// Whether the machine in `folder` is one.
pub(super) fn is(folder: &Path) -> bool {
    folder.join(image::LINK).is_symlink()
}

/// The command that is the machine, begun in its folder: the path of the socket `monitor`, by which root may attach a disk
/// while it runs, must be short.
pub(super) fn command(folder: &Path, cable: &str, address: Ipv4Addr) -> Result<Vec<String>, EnvironmentError> {
    let image = folder.join(image::LINK);
    // What several machines of one link must not share; unique as their addresses are.
    let [a, b, c, d] = address.octets();
    let plain = [
        QEMU,
        "-accel",
        "tcg,thread=multi",
        "-cpu",
        "max",
        "-smp",
        CPUS,
        "-m",
        MEMORY,
        "-no-user-config",
        "-nodefaults",
        "-display",
        "none",
        "-serial",
        "stdio",
        "-device",
        "virtio-rng-pci",
    ];
    let own = [
        "-kernel".to_owned(),
        arg(&image.join(image::KERNEL)).to_owned(),
        "-initrd".to_owned(),
        arg(&image.join(image::INITRD)).to_owned(),
        "-append".to_owned(),
        format!("root={} rw console=ttyS0 net.ifnames=0 panic=10", disks::system().disk()),
        "-netdev".to_owned(),
        format!("tap,id=net,ifname={cable},script=no,downscript=no"),
        "-device".to_owned(),
        format!("virtio-net-pci,netdev=net,mac=02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}"),
        "-qmp".to_owned(),
        "unix:monitor,server=on,wait=off".to_owned(),
    ];
    Ok(plain.into_iter().map(str::to_owned).chain(own).chain(disks::arguments(folder)?).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_of_one_link_have_no_address_in_common() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("disks")).unwrap();
        let of = |last| command(folder.path(), "vb-vm-1", Ipv4Addr::new(198, 18, 0, last)).unwrap().join(" ");
        assert!(of(31).contains("mac=02:00:c6:12:00:1f") && of(32).contains("mac=02:00:c6:12:00:20"), "{}", of(31));
        assert!(of(31).contains("ifname=vb-vm-1,script=no"));
    }
}

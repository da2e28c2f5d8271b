//! A node's volume: a file system on a disk of its own, mounted where programs keep their data.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    Text,
    lvm::{self, LogicalVolume, VolumeGroup},
};
use crate::{Digest, NodeName, os::Need};

/// One file system on a disk or on a volume group, mounted at a place of its own and from there at each data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// What the file system is made on: the disk's stable name, `/dev/disk/by-id/…`, or the device of the logical volume.
    pub disk: Arc<str>,
    /// The disks beneath a logical volume. None: the disk itself holds the file system.
    pub group: Option<VolumeGroup>,
    /// What is made on it.
    pub filesystem: Filesystem,
    /// The file system's own id: chosen before there is one, so that a run that was cut off knows its work again.
    pub uuid: Uuid,
    /// Where it is mounted: first itself, then the data directories, in order of their paths.
    pub mounts: Arc<[Mount]>,
}

/// One place where a volume is mounted, by a systemd unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The unit's full name: `var-lib-kubelet.mount`.
    pub unit: Arc<str>,
    /// Where it mounts.
    pub directory: Arc<str>,
    /// Path of the unit's file.
    pub path: Arc<str>,
    /// What the unit's file holds.
    pub content: Text,
}

/// A kind of file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filesystem {
    /// Every system of ours can make it.
    Ext4,
    /// Better with large files and many writers; `xfsprogs` makes it.
    Xfs,
}

/// Programs that a host must have for a volume, each with what brings it; LVM's where it lies on a volume group.
pub fn programs(
    filesystem: Filesystem,
    on: Option<&LogicalVolume>,
) -> impl Iterator<Item = (&'static str, Need)> + use<> {
    let of_lvm = on.map(|_| lvm::PROGRAMS.map(|program| (program, lvm::NEED)));
    let need = filesystem.need();
    of_lvm.into_iter().flatten().chain(filesystem.programs().map(move |program| (program, need)))
}

impl Filesystem {
    /// The word in files and on hosts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
        }
    }

    /// Programs that make it, look at it and let it grow.
    pub const fn programs(self) -> [&'static str; 4] {
        match self {
            Self::Ext4 => ["mkfs.ext4", "e2fsck", "dumpe2fs", "resize2fs"],
            Self::Xfs => ["mkfs.xfs", "xfs_repair", "xfs_info", "xfs_growfs"],
        }
    }

    /// What brings them.
    pub const fn need(self) -> Need {
        match self {
            Self::Ext4 => Need::E2fsprogs,
            Self::Xfs => Need::Xfsprogs,
        }
    }
}

impl fmt::Display for Filesystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The id of a file system, as `blkid` writes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Uuid(Arc<str>);

/// Why a text is no id of a file system.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no UUID: 32 lower-case hexadecimal digits in groups of 8, 4, 4, 4 and 12")]
pub struct BadUuid(String);

impl Uuid {
    /// The id of the volume that `node` of the cluster called `cluster` has on `disk` (its name, or the device of its logical
    /// volume): the same whenever it is asked for, another one for whatever differs (version 8 of [RFC 9562](https://www.rfc-editor.org/rfc/rfc9562#section-5.8)).
    pub fn of_volume(cluster: &str, node: &NodeName, disk: &str) -> Self {
        let hex = Digest::of(format!("volume\n{cluster}\n{node}\n{disk}\n")).hex();
        let (first, second, last) = (&hex[..8], &hex[8..12], &hex[20..32]);
        Self(format!("{first}-{second}-8{}-8{}-{last}", &hex[13..16], &hex[17..20]).into())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Uuid {
    type Error = BadUuid;

    fn try_from(text: String) -> Result<Self, BadUuid> {
        let digits = |part: &str| part.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
        let lengths: Vec<usize> = text.split('-').map(str::len).collect();
        if lengths == [8, 4, 4, 4, 12] && text.split('-').all(digits) {
            Ok(Self(text.into()))
        } else {
            Err(BadUuid(text))
        }
    }
}

impl From<Uuid> for String {
    fn from(uuid: Uuid) -> Self {
        uuid.0.to_string()
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_same_each_time_and_another_one_for_whatever_differs() {
        let of = |cluster, node: &str, disk| Uuid::of_volume(cluster, &node.parse().unwrap(), disk);
        let one = of("fmp", "work-1", "/dev/disk/by-id/a");
        assert_eq!(one, of("fmp", "work-1", "/dev/disk/by-id/a"));
        for other in [
            of("other", "work-1", "/dev/disk/by-id/a"),
            of("fmp", "work-2", "/dev/disk/by-id/a"),
            of("fmp", "work-1", "/dev/disk/by-id/b"),
        ] {
            assert_ne!(one, other);
        }
        assert_eq!(Uuid::try_from(one.to_string()).as_ref(), Ok(&one));
        assert_eq!((&one.as_str()[14..15], &one.as_str()[19..20]), ("8", "8"), "{one}");
    }

    #[test]
    fn what_is_no_id_is_none() {
        for text in ["", "0123", "01234567-0123-0123-0123-0123456789aG", "01234567-0123-0123-0123-0123456789AB"] {
            assert_eq!(Uuid::try_from(text.to_owned()), Err(BadUuid(text.to_owned())));
        }
    }
}

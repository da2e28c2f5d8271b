//! A node's volume group: disks that are joined by LVM, and the one logical volume on all of them.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{Digest, NodeName, os::Need};

/// Programs of LVM that make a volume group, look at it and let it grow. [`NEED`] brings them.
pub const PROGRAMS: [&str; 10] =
    ["lvchange", "lvcreate", "lvextend", "lvs", "pvcreate", "pvresize", "pvs", "vgcreate", "vgextend", "vgs"];

/// What brings LVM's programs.
pub const NEED: Need = Need::Lvm2;

/// A volume group with one logical volume that takes all of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogicalVolume {
    /// The group's name.
    pub group: Arc<str>,
    /// The logical volume's name.
    pub volume: Arc<str>,
}

impl LogicalVolume {
    /// The device that the kernel makes of it: `/dev/fmp/data`.
    pub fn device(&self) -> String {
        format!("/dev/{}/{}", self.group, self.volume)
    }
}

/// Disks joined by LVM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeGroup {
    /// What is made of them.
    pub logical: LogicalVolume,
    /// Every disk, as a whole a physical volume, in order of their names.
    pub disks: Arc<[PhysicalVolume]>,
}

/// A disk that belongs to a volume group as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhysicalVolume {
    /// The disk's stable name: `/dev/disk/by-id/…`.
    pub disk: Arc<str>,
    /// Its id within LVM: chosen before there is one, so that a run that was cut off knows its work again.
    pub id: LvmId,
}

/// The id of a physical volume, as LVM writes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LvmId(Arc<str>);

/// Why a text is no id of LVM.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no id of LVM: 32 letters and digits in groups of 6, 4, 4, 4, 4, 4 and 6")]
pub struct BadLvmId(String);

/// How long each group of an id is ([`lvm2_format`](https://man7.org/linux/man-pages/man8/pvcreate.8.html), `--uuid`).
const GROUPS: [usize; 7] = [6, 4, 4, 4, 4, 4, 6];

impl LvmId {
    /// The id of the physical volume that `node` of the cluster called `cluster` has on `disk`: the same whenever it is
    /// asked for, another one for whatever differs.
    pub fn of_disk(cluster: &str, node: &NodeName, disk: &str) -> Self {
        let hex = Digest::of(format!("physical volume\n{cluster}\n{node}\n{disk}\n")).hex();
        let mut left = hex.as_str();
        let groups = GROUPS.map(|length| {
            let (group, rest) = left.split_at(length);
            left = rest;
            group
        });
        Self(groups.join("-").into())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for LvmId {
    type Error = BadLvmId;

    fn try_from(text: String) -> Result<Self, BadLvmId> {
        let plain = |part: &str| part.bytes().all(|c| c.is_ascii_alphanumeric());
        let lengths: Vec<usize> = text.split('-').map(str::len).collect();
        if lengths == GROUPS && text.split('-').all(plain) { Ok(Self(text.into())) } else { Err(BadLvmId(text)) }
    }
}

impl From<LvmId> for String {
    fn from(id: LvmId) -> Self {
        id.0.to_string()
    }
}

impl fmt::Display for LvmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_same_each_time_and_another_one_for_whatever_differs() {
        let of = |cluster, node: &str, disk| LvmId::of_disk(cluster, &node.parse().unwrap(), disk);
        let one = of("fmp", "work-1", "/dev/disk/by-id/a");
        assert_eq!(one, of("fmp", "work-1", "/dev/disk/by-id/a"));
        for other in [
            of("other", "work-1", "/dev/disk/by-id/a"),
            of("fmp", "work-2", "/dev/disk/by-id/a"),
            of("fmp", "work-1", "/dev/disk/by-id/b"),
        ] {
            assert_ne!(one, other);
        }
        assert_eq!(LvmId::try_from(one.to_string()).as_ref(), Ok(&one));
    }

    #[test]
    fn what_is_no_id_is_none() {
        for text in ["", "abc", "01234567-0123-0123-0123-0123456789ab", "abcdef-0123-4567-89ab-cdef-0123-45678_"] {
            assert_eq!(LvmId::try_from(text.to_owned()), Err(BadLvmId(text.to_owned())));
        }
    }
}

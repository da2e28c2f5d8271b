//! A host's volume: the disks that were named for it, what the ledger says of it, the directories where it is mounted.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Fact;

/// What was seen of a volume that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeSeen {
    /// The disk that has the name, or the logical volume. Absent: there is no such device.
    pub disk: Fact<DiskSeen>,
    /// What lies beneath a logical volume. None: the file system is to lie on a disk itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupSeen>,
    /// What the ledger says. None: the disk was never touched by FMP.
    pub note: Option<VolumeNote>,
    /// Every directory that was asked for, by its path.
    pub directories: BTreeMap<String, DirectorySeen>,
}

/// What the ledger says of a volume: written before its disk is touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeNote {
    /// The disk's stable name, or the device of the logical volume.
    pub disk: String,
    /// The file system's id.
    pub uuid: String,
    /// Disks beneath a logical volume, each with the id that it has, or was to get, within LVM.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub members: BTreeMap<String, String>,
    /// Whether it was finished. What was begun and not finished is half-made by us.
    pub made: bool,
}

/// What lies beneath a logical volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupSeen {
    /// Every disk that was asked for, by its stable name.
    pub disks: BTreeMap<String, Fact<DiskSeen>>,
    /// The volume group. Absent: there is none of that name.
    pub group: Fact<VolumeGroupSeen>,
}

/// A volume group, as LVM tells of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumeGroupSeen {
    /// Its physical volumes, by their ids.
    pub members: BTreeMap<String, MemberSeen>,
    /// Its logical volumes with their sizes in bytes.
    pub volumes: BTreeMap<String, u64>,
    /// What no logical volume has, in bytes.
    pub free_bytes: u64,
}

/// A physical volume of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberSeen {
    /// Where LVM finds it: `/dev/sdb`, or what it says of one that is missing.
    pub device: String,
    /// What LVM uses of it, in bytes.
    pub bytes: u64,
}

impl MemberSeen {
    /// Whether LVM looks for it and does not find it.
    pub fn is_missing(&self) -> bool {
        !self.device.starts_with('/')
    }
}

/// A disk, as the kernel and the programs for it describe it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskSeen {
    /// What the kernel calls it now: `sdb`. Volatile: the next boot may call it otherwise.
    pub device: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Its world-wide id or serial number, as the kernel says it; empty where it has none.
    pub identity: String,
    /// Other devices of this host with the same identity.
    pub twins: BTreeSet<String>,
    /// What else it is than a whole disk that can be written: see [`DiskTrait`].
    pub traits: BTreeSet<DiskTrait>,
    /// What lies on it, as `wipefs` and `blkid` call it: `ext4`, `gpt`, `LVM2_member`, `linux_raid_member`,
    /// `crypto_LUKS`, `swap`.
    pub signatures: BTreeSet<String>,
    /// The id of the file system on it; empty where there is none.
    pub uuid: String,
    /// Where it, or a part of it, is mounted.
    pub mounted: BTreeSet<String>,
    /// Whether its first and last 16 MiB hold zeros only. None: not looked at, since the volume was finished, or since what
    /// lies on it has a name.
    pub blank: Option<bool>,
    /// Size of our file system on it in bytes, where it is mounted and could be asked.
    pub filesystem_bytes: Option<u64>,
}

/// What a device is that should be a whole disk, free to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskTrait {
    /// No block device at all.
    NoDevice,
    /// A part of a disk.
    Partition,
    /// A layer over other disks: device mapper, software RAID, multipath.
    Layer,
    /// It can't be written.
    ReadOnly,
    /// The system runs from it.
    System,
    /// It is swapped to.
    Swap,
    /// It has partitions.
    Partitioned,
    /// Something stands on it: device mapper, RAID, multipath.
    Held,
    /// What lies on it could not be read.
    Unreadable,
}

/// A directory that is to be a mount point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DirectorySeen {
    /// It is not there, or empty.
    Free,
    /// Something lies in it: the name of one entry; `.` where it is itself no directory.
    Holds(String),
    /// The volume is mounted there, from this folder of it.
    Ours(String),
    /// Something else is mounted there: from where.
    Others(String),
}

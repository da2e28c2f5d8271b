//! Disks: which one may be written.
//!
//! A disk is written when it is empty, or when a run of ours that was cut off has begun it. Nothing is ever wiped, and
//! what can't be seen is not empty. Owns the reasons and their words; the command that makes the file system looks again,
//! on the host, just before.

use std::{collections::BTreeSet, fmt};

use fmp_core::{
    NodeName,
    observed::{DiskSeen, DiskTrait, Fact, Host, Observed, VolumeSeen},
    resource::{Volume, lvm::LogicalVolume},
};

mod group;

/// What is not written, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// A disk, or a volume group.
    pub(crate) what: String,
    /// Why.
    pub(crate) why: Refused,
}

/// Why a disk is not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// There is no disk of that name.
    Missing,
    /// It can't be seen.
    Unseen(String),
    /// It is no whole disk that is free.
    Is(DiskTrait),
    /// It, or a part of it, is mounted there.
    Mounted(String),
    /// It holds these.
    Holds(BTreeSet<String>),
    /// Nothing knows what it holds, but its first or last 16 MiB are not all zeros.
    NotBlank,
    /// Its own id is nothing but zeros, as that of others may be.
    NoIdentity(String),
    /// These devices of the same host have its id: several ways to one disk, or a copied id.
    Twins(BTreeSet<String>),
    /// A disk with the same id is seen on this node: one disk, or a copied id.
    SeenOn(NodeName),
    /// The ledger says that the volume is on another disk.
    MadeOn(String),
    /// The ledger says that the volume's file system has another id: the cluster or the node was called otherwise.
    MadeAs(String),
    /// It belongs to the volume, and the file names it no more.
    LeftOut,
    /// A volume group of that name has a disk that no ledger names.
    GroupOfOthers {
        /// Where LVM finds it.
        device: String,
        /// Its id within LVM.
        id: String,
    },
    /// A volume group that is half made has a logical volume that is not its own.
    HasVolume(String),
    /// A disk of the volume group is gone.
    Incomplete(String),
    /// The logical volume is there, and the kernel was not told of it.
    Inactive(LogicalVolume),
    /// The volume was finished, and what is on the disk now is not it.
    Lost(String),
    /// The disk is smaller than the file system on it.
    Shrunk {
        /// The disk, in bytes.
        disk: u64,
        /// The file system, in bytes.
        filesystem: u64,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WIPE: &str = "if nothing on it is needed, empty it by hand (`wipefs --all`, then `blkdiscard --zeroout`)";
        match self {
            Self::Missing => f.write_str("there is no such disk: attach it, or name another one"),
            Self::Unseen(why) => write!(f, "it can't be looked at: {why}"),
            Self::Is(what) => f.write_str(told(*what)),
            Self::Mounted(place) => write!(f, "it is mounted at {place}: unmount it, and {WIPE}"),
            Self::Holds(what) => {
                write!(f, "it holds {}: {WIPE}", what.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
            }
            Self::NotBlank => write!(f, "its first or last 16 MiB are not empty: {WIPE}"),
            Self::NoIdentity(id) => write!(f, "its own id is {id}, as that of others may be: give it a serial number"),
            Self::Twins(devices) => {
                let devices = devices.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                write!(f, "{devices} of the same host has the same id: several ways to one disk are not supported")
            }
            Self::SeenOn(node) => {
                write!(f, "{node} sees a disk with the same id: a disk that two machines see is written by both")
            }
            Self::MadeOn(disk) => {
                write!(f, "this node's volume is on {disk}: name that one, or retire the node and let it join anew")
            }
            Self::MadeAs(uuid) => write!(
                f,
                "its file system was made as {uuid}, under another name of the cluster: retire the node and let it join anew"
            ),
            Self::LeftOut => f.write_str(
                "it belongs to this node's volume: name it again, or retire the node and let it join anew; data is not moved \
                 off a disk",
            ),
            Self::GroupOfOthers { device, id } => write!(
                f,
                "there is one of that name with {device} ({id}), which is not ours: write another name as `group` under \
                 [storage]"
            ),
            Self::HasVolume(volume) => write!(f, "`{volume}` is in it besides: remove that by hand if it is not needed"),
            Self::Incomplete(disk) => write!(
                f,
                "{disk} is missing in it: bring the disk back, or retire the node and let it join anew"
            ),
            Self::Inactive(LogicalVolume { group, volume }) => write!(
                f,
                "its volume is not active: `lvchange --activate y {group}/{volume}` on the host says why"
            ),
            Self::Lost(found) => write!(
                f,
                "the volume was made on it, and now it holds {found}: bring the disk back, or retire the node and let it \
                 join anew"
            ),
            Self::Shrunk { disk, filesystem } => {
                write!(f, "it has {disk} bytes and the file system on it {filesystem}: give the disk its size back")
            }
        }
    }
}

/// What is wrong with a device that is no free whole disk, and what to do.
const fn told(what: DiskTrait) -> &'static str {
    match what {
        DiskTrait::NoDevice => "it is no block device: name a disk under /dev/disk/by-id",
        DiskTrait::Partition => "it is a partition: name the whole disk",
        DiskTrait::Layer => "it is a layer over other disks (LVM, RAID, multipath): name a disk itself",
        DiskTrait::ReadOnly => "it can't be written: make it writable, or name another one",
        DiskTrait::System => "the system runs from it: name another one",
        DiskTrait::Swap => "it is swapped to: name another one, or end that",
        DiskTrait::Partitioned => "it has partitions: remove them by hand if nothing on them is needed",
        DiskTrait::Held => "something stands on it (LVM, RAID, multipath): name another one, or take that apart",
        DiskTrait::Unreadable => "what it holds can't be read: see the kernel's log",
    }
}

/// Why `node`'s volume can't be made on its disks, or used there; `None` where it can.
pub(crate) fn refused(observed: &Observed, node: &NodeName, wanted: &Volume, seen: &VolumeSeen) -> Option<Refusal> {
    let itself = |why| Refusal { what: wanted.disk.to_string(), why };
    if let Some(why) = noted_otherwise(wanted, seen) {
        return Some(itself(why));
    }
    match &wanted.group {
        Some(group) => group::refused(observed, node, (wanted, group), seen),
        None => of_disk(observed, node, wanted, seen).map(itself),
    }
}

/// The ledger has the volume elsewhere, or as another one.
fn noted_otherwise(wanted: &Volume, seen: &VolumeSeen) -> Option<Refused> {
    if let Some(noted) = &seen.note {
        if noted.disk != *wanted.disk {
            return Some(Refused::MadeOn(noted.disk.clone()));
        }
        if noted.uuid != wanted.uuid.as_str() {
            return Some(Refused::MadeAs(noted.uuid.clone()));
        }
    }
    None
}

fn of_disk(observed: &Observed, node: &NodeName, wanted: &Volume, seen: &VolumeSeen) -> Option<Refused> {
    let (kind, uuid) = (wanted.filesystem.as_str(), wanted.uuid.as_str());
    let disk = match &seen.disk {
        Fact::Known(disk) => disk,
        Fact::Absent => return Some(Refused::Missing),
        Fact::Unknown(why) => return Some(Refused::Unseen(why.clone())),
    };
    match &seen.note {
        Some(noted) if noted.made => lost(disk, wanted),
        Some(_) => not_a_disk(disk).or_else(|| elsewhere(observed, node, disk)).or_else(|| half_made(disk, kind, uuid)),
        None => not_a_disk(disk).or_else(|| elsewhere(observed, node, disk)).or_else(|| not_empty(disk)),
    }
}

/// A volume that was finished: its file system is on the disk, and fits.
fn lost(disk: &DiskSeen, wanted: &Volume) -> Option<Refused> {
    if disk.uuid != wanted.uuid.as_str() {
        let found = disk.signatures.iter().next().map_or("nothing of it", String::as_str);
        return Some(Refused::Lost(found.to_owned()));
    }
    let filesystem = disk.filesystem_bytes.filter(|filesystem| *filesystem > disk.bytes)?;
    Some(Refused::Shrunk { disk: disk.bytes, filesystem })
}

fn not_a_disk(disk: &DiskSeen) -> Option<Refused> {
    let mounted = || disk.mounted.iter().next().map(|place| Refused::Mounted(place.clone()));
    let identity = || (is_zero(&disk.identity)).then(|| Refused::NoIdentity(disk.identity.clone()));
    let twins = || (!disk.twins.is_empty()).then(|| Refused::Twins(disk.twins.clone()));
    let first = disk.traits.iter().next().map(|what| Refused::Is(*what));
    first.or_else(mounted).or_else(identity).or_else(twins)
}

fn not_empty(disk: &DiskSeen) -> Option<Refused> {
    if !disk.signatures.is_empty() {
        return Some(Refused::Holds(disk.signatures.clone()));
    }
    (disk.blank != Some(true)).then_some(Refused::NotBlank)
}

/// What a run of ours left that was cut off: nothing yet, or the beginning of just what is made there, of this kind and id.
fn half_made(disk: &DiskSeen, kind: &str, id: &str) -> Option<Refused> {
    let ours = disk.uuid == id;
    let others: BTreeSet<String> = disk.signatures.iter().filter(|found| !(ours && **found == kind)).cloned().collect();
    (!others.is_empty()).then_some(Refused::Holds(others))
}

/// A disk with the same id on another node.
fn elsewhere(observed: &Observed, node: &NodeName, disk: &DiskSeen) -> Option<Refused> {
    if disk.identity.is_empty() {
        return None;
    }
    let same = |other: &NodeName| {
        let seen = observed.host(other).into_iter().flat_map(disks_of);
        seen.into_iter().any(|other| other.identity == disk.identity)
    };
    observed.hosts.keys().find(|other| *other != node && same(other)).map(|other| Refused::SeenOn(other.clone()))
}

/// Every disk that is seen of a host for its volume.
fn disks_of(host: &Host) -> impl Iterator<Item = &DiskSeen> {
    let volume = host.volume.iter();
    volume.flat_map(|seen| {
        let beneath = seen.group.iter().flat_map(|group| group.disks.values());
        [&seen.disk].into_iter().chain(beneath).filter_map(Fact::known)
    })
}

/// `naa.0000000000000000` and the like.
fn is_zero(identity: &str) -> bool {
    let id = identity.rsplit_once('.').map_or(identity, |(_, id)| id);
    let id = id.strip_prefix("0x").unwrap_or(id);
    !id.is_empty() && id.bytes().all(|c| c == b'0')
}

#[cfg(test)]
mod tests;

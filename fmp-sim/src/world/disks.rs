//! Disks for volumes: what is on each, and where it is mounted.
//!
//! A disk is mounted where a unit that runs says so. What lies below a directory lies on the disk once its volume was
//! made: before that a mount would hide it.

use std::collections::{BTreeMap, BTreeSet};

use fmp_core::{
    Digest, NodeName,
    observed::{DirectorySeen, DiskSeen, DiskTrait, Fact, VolumeNote, VolumeSeen},
    resource::Filesystem,
    role::paths::{VOLUME, mount_unit},
};
use fmp_exec::provider::VolumeQuestion;
use serde::{Deserialize, Serialize};

use super::{World, host::Host};

/// What a disk has that nobody said more of: 500 GB.
const BYTES: u64 = 500_000_000_000;

/// What no file system uses of a disk: it is made of whole groups of blocks.
const ROUNDED: u64 = 4 << 20;

/// A disk of its own, by its stable name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Disk {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) identity: String,
    pub(crate) content: DiskContent,
}

/// What is on a disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum DiskContent {
    /// Nothing but zeros.
    Nothing,
    /// Something of somebody else: its signature.
    Others(String),
    /// The beginning of a file system: no signature yet.
    Half,
    /// A file system.
    Made { filesystem: Filesystem, uuid: String, bytes: u64 },
}

impl Disk {
    /// An empty disk in this bay of a machine.
    pub(crate) fn empty(name: &str, machine: u64) -> Self {
        let identity = format!("naa.{}", &Digest::of(format!("{name} {machine}")).hex()[..16]);
        Self { name: name.to_owned(), bytes: BYTES, identity, content: DiskContent::Nothing }
    }

    /// A disk as it was seen.
    pub(crate) fn mirrored(name: String, seen: &DiskSeen, note: Option<&VolumeNote>) -> Self {
        let usable = seen.bytes.saturating_sub(ROUNDED);
        let kind = [Filesystem::Ext4, Filesystem::Xfs].into_iter().find(|kind| seen.signatures.contains(kind.as_str()));
        let ours = note.is_some_and(|note| note.uuid == seen.uuid);
        let content = match (kind, seen.signatures.first(), seen.blank) {
            (Some(filesystem), ..) if ours => {
                let bytes = seen.filesystem_bytes.unwrap_or(usable);
                DiskContent::Made { filesystem, uuid: seen.uuid.clone(), bytes }
            }
            (_, Some(signature), _) => DiskContent::Others(signature.clone()),
            (_, None, Some(true)) => DiskContent::Nothing,
            (_, None, Some(false)) if note.is_none() => DiskContent::Others("something".to_owned()),
            (_, None, Some(false) | None) => DiskContent::Half,
        };
        Self { name, bytes: seen.bytes, identity: seen.identity.clone(), content }
    }

    /// What a file system can have of it.
    pub(crate) const fn usable(&self) -> u64 {
        self.bytes.saturating_sub(ROUNDED)
    }

    fn seen(&self, mounted: BTreeSet<String>, is_made: bool) -> DiskSeen {
        let (signatures, uuid, filesystem) = match &self.content {
            DiskContent::Nothing | DiskContent::Half => (BTreeSet::new(), String::new(), None),
            DiskContent::Others(what) => ([what.clone()].into(), String::new(), None),
            DiskContent::Made { filesystem, uuid, bytes } => {
                ([filesystem.as_str().to_owned()].into(), uuid.clone(), Some(*bytes))
            }
        };
        DiskSeen {
            device: "sdb".to_owned(),
            bytes: self.bytes,
            identity: self.identity.clone(),
            twins: BTreeSet::new(),
            traits: BTreeSet::<DiskTrait>::new(),
            signatures,
            uuid,
            blank: (!is_made).then_some(self.content == DiskContent::Nothing),
            filesystem_bytes: filesystem.filter(|_| mounted.contains(VOLUME)),
            mounted,
        }
    }
}

impl Host {
    /// What an observation sees of its volume.
    pub(crate) fn volume_seen(&self, ask: &VolumeQuestion) -> VolumeSeen {
        let directories: BTreeMap<String, DirectorySeen> =
            ask.directories.iter().map(|directory| (directory.to_string(), self.directory(directory))).collect();
        let mounted = directories.iter().filter(|(_, state)| matches!(state, DirectorySeen::Ours(_)));
        let mounted: BTreeSet<String> = mounted.map(|(directory, _)| directory.clone()).collect();
        let disk = self.disk.as_ref().filter(|disk| disk.name == *ask.disk);
        let is_made = self.volume.as_ref().is_some_and(|note| note.made);
        VolumeSeen {
            disk: disk.map_or(Fact::Absent, |disk| Fact::Known(disk.seen(mounted, is_made))),
            note: self.volume.clone(),
            directories,
        }
    }

    /// What is at a directory that is, or will be, a mount point.
    pub(crate) fn directory(&self, directory: &str) -> DirectorySeen {
        if self.runs(&mount_unit(directory)) {
            let folder = if directory == VOLUME { "/" } else { directory };
            return DirectorySeen::Ours(folder.to_owned());
        }
        if self.volume.as_ref().is_some_and(|note| note.made) {
            return DirectorySeen::Free;
        }
        let below = format!("{directory}/");
        let first = self.files.range(below.clone()..).next().and_then(|(path, _)| path.strip_prefix(&below));
        let entry = first.map(|rest| rest.split('/').next().unwrap_or(rest).to_owned());
        entry.map_or(DirectorySeen::Free, DirectorySeen::Holds)
    }
}

impl World {
    /// Disks that a file names: a machine that has none of that name gets an empty one.
    pub(crate) fn plug_in(&mut self, bays: &BTreeMap<NodeName, String>) {
        self.bays.clone_from(bays);
        for (node, name) in bays {
            let Some(host) = self.hosts.get_mut(node) else { continue };
            if host.disk.as_ref().is_none_or(|disk| disk.name != *name) {
                host.disk = Some(Disk::empty(name, host.machine));
            }
        }
    }

    /// Somebody uses a disk for something else.
    pub fn use_disk(&mut self, node: &NodeName, signature: &str) {
        self.change(node, |host| {
            if let Some(disk) = &mut host.disk {
                disk.content = DiskContent::Others(signature.to_owned());
            }
        });
    }

    /// A disk is emptied by hand.
    pub fn empty_disk(&mut self, node: &NodeName) {
        self.change(node, |host| {
            if let Some(disk) = &mut host.disk {
                disk.content = DiskContent::Nothing;
            }
        });
    }

    /// A disk is enlarged by whoever provides it, by so many GB of 10^9 bytes.
    pub fn enlarge_disk(&mut self, node: &NodeName, gb: u32) {
        self.change(node, |host| {
            if let Some(disk) = &mut host.disk {
                disk.bytes += u64::from(gb) * 1_000_000_000;
            }
        });
    }
}

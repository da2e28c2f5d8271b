//! Disks for volumes: what is on each, and where it is mounted.
//!
//! A disk is mounted where a unit that runs says so. What lies below a directory lies on the disk once its volume was
//! made: before that a mount would hide it.

use std::collections::{BTreeMap, BTreeSet};

use fmp_core::{
    Digest, NodeName,
    observed::{
        DirectorySeen, DiskSeen, DiskTrait, Fact, GroupSeen, MemberSeen, VolumeGroupSeen, VolumeNote, VolumeSeen,
    },
    resource::Filesystem,
    role::paths::{VOLUME, mount_unit},
};
use fmp_exec::provider::{GroupQuestion, VolumeQuestion};
use serde::{Deserialize, Serialize};

use super::{World, host::Host};

/// What a disk has that nobody said more of: 500 GB.
const BYTES: u64 = 500_000_000_000;

/// What neither a file system nor LVM uses of a disk: they are made of whole groups of blocks.
pub(crate) const ROUNDED: u64 = 4 << 20;

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
    /// A physical volume of LVM, with its id.
    Member(String),
    /// A file system.
    Made { filesystem: Filesystem, uuid: String, bytes: u64 },
}

/// A volume group over disks of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) name: String,
    /// Its physical volumes by their ids, with what LVM uses of each in bytes.
    pub(crate) members: BTreeMap<String, u64>,
    pub(crate) logical: Option<Logical>,
}

/// A logical volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Logical {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) content: DiskContent,
}

impl Group {
    /// What no logical volume has, in bytes.
    pub(crate) fn free(&self) -> u64 {
        let used = self.logical.as_ref().map_or(0, |logical| logical.bytes);
        self.members.values().sum::<u64>().saturating_sub(used)
    }

    /// A group as it was seen.
    pub(crate) fn mirrored(name: &str, seen: &VolumeSeen) -> Option<Self> {
        let group = seen.group.as_ref()?.group.known()?;
        let logical = group.volumes.first_key_value().map(|(name, bytes)| Logical {
            name: name.clone(),
            bytes: *bytes,
            content: seen.disk.known().map_or(DiskContent::Nothing, |disk| content(disk, seen.note.as_ref(), None)),
        });
        let members = group.members.iter().map(|(id, member)| (id.clone(), member.bytes)).collect();
        Some(Self { name: name.to_owned(), members, logical })
    }
}

/// What lies on a device that was seen. `id`: what it was to get within LVM.
fn content(seen: &DiskSeen, note: Option<&VolumeNote>, id: Option<&str>) -> DiskContent {
    let usable = seen.bytes.saturating_sub(ROUNDED);
    let kind = [Filesystem::Ext4, Filesystem::Xfs].into_iter().find(|kind| seen.signatures.contains(kind.as_str()));
    let ours = note.is_some_and(|note| note.uuid == seen.uuid);
    match (kind, seen.signatures.first(), seen.blank) {
        (Some(filesystem), ..) if ours => {
            let bytes = seen.filesystem_bytes.unwrap_or(usable);
            DiskContent::Made { filesystem, uuid: seen.uuid.clone(), bytes }
        }
        (_, Some(_), _) if id.is_some_and(|id| id == seen.uuid) => DiskContent::Member(seen.uuid.clone()),
        (_, Some(signature), _) => DiskContent::Others(signature.clone()),
        (_, None, Some(true)) => DiskContent::Nothing,
        (_, None, Some(false)) if note.is_none() => DiskContent::Others("something".to_owned()),
        (_, None, Some(false) | None) => DiskContent::Half,
    }
}

impl Disk {
    /// An empty disk in this bay of a machine.
    pub(crate) fn empty(name: &str, machine: u64) -> Self {
        let identity = format!("naa.{}", &Digest::of(format!("{name} {machine}")).hex()[..16]);
        Self { name: name.to_owned(), bytes: BYTES, identity, content: DiskContent::Nothing }
    }

    /// A disk as it was seen.
    pub(crate) fn mirrored(name: String, seen: &DiskSeen, note: Option<&VolumeNote>) -> Self {
        let id = note.and_then(|note| note.members.get(&name)).map(String::as_str);
        let content = content(seen, note, id);
        Self { name, bytes: seen.bytes, identity: seen.identity.clone(), content }
    }

    /// What a file system can have of it.
    pub(crate) const fn usable(&self) -> u64 {
        self.bytes.saturating_sub(ROUNDED)
    }

    fn seen(&self, mounted: BTreeSet<String>, is_made: bool) -> DiskSeen {
        let (bytes, identity) = (self.bytes, self.identity.clone());
        DiskSeen { bytes, identity, ..self.content.seen(mounted, is_made) }
    }
}

impl DiskContent {
    /// A device that holds this.
    fn seen(&self, mounted: BTreeSet<String>, is_made: bool) -> DiskSeen {
        let (signatures, uuid, filesystem) = match self {
            Self::Nothing | Self::Half => (BTreeSet::new(), String::new(), None),
            Self::Others(what) => ([what.clone()].into(), String::new(), None),
            Self::Member(id) => (["LVM2_member".to_owned()].into(), id.clone(), None),
            Self::Made { filesystem, uuid, bytes } => {
                ([filesystem.as_str().to_owned()].into(), uuid.clone(), Some(*bytes))
            }
        };
        DiskSeen {
            device: "sdb".to_owned(),
            bytes: 0,
            identity: String::new(),
            twins: BTreeSet::new(),
            traits: BTreeSet::<DiskTrait>::new(),
            signatures,
            uuid,
            blank: (!is_made).then_some(*self == Self::Nothing),
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
        let is_made = self.volume.as_ref().is_some_and(|note| note.made);
        let (disk, group) = match &ask.group {
            None => (self.disk(&ask.disk).map(|disk| disk.seen(mounted, is_made)), None),
            Some(ask) => {
                let logical = self.group.as_ref().and_then(|group| group.logical.as_ref());
                let seen = logical.map(|logical| DiskSeen {
                    device: "dm-0".to_owned(),
                    bytes: logical.bytes,
                    traits: [DiskTrait::Layer].into(),
                    ..logical.content.seen(mounted, true)
                });
                (seen, Some(self.group_seen(ask)))
            }
        };
        VolumeSeen { disk: disk.map_or(Fact::Absent, Fact::Known), group, note: self.volume.clone(), directories }
    }

    fn group_seen(&self, ask: &GroupQuestion) -> GroupSeen {
        let group = self.group.as_ref().filter(|group| group.name == *ask.name);
        let is_used = |content: &DiskContent| match content {
            DiskContent::Member(id) => {
                group.is_some_and(|group| group.logical.is_some() && group.members.contains_key(id))
            }
            DiskContent::Nothing | DiskContent::Half | DiskContent::Made { .. } | DiskContent::Others(_) => false,
        };
        let seen = |disk: &Disk| {
            let has_name = !matches!(disk.content, DiskContent::Nothing | DiskContent::Half);
            let traits = is_used(&disk.content).then_some(DiskTrait::Held).into_iter().collect();
            DiskSeen { traits, ..disk.seen(BTreeSet::new(), has_name) }
        };
        let disks = ask
            .disks
            .iter()
            .map(|name| (name.to_string(), self.disk(name).map_or(Fact::Absent, |disk| Fact::Known(seen(disk)))));
        let group = group.map(|group| VolumeGroupSeen {
            members: group.members.iter().map(|(id, bytes)| (id.clone(), self.member_seen(id, *bytes))).collect(),
            volumes: group.logical.iter().map(|logical| (logical.name.clone(), logical.bytes)).collect(),
            free_bytes: group.free(),
        });
        GroupSeen { disks: disks.collect(), group: group.map_or(Fact::Absent, Fact::Known) }
    }

    /// A physical volume, as LVM tells of it: one whose disk is gone is missing.
    fn member_seen(&self, id: &str, bytes: u64) -> MemberSeen {
        let is_there = self.disks.iter().any(|disk| matches!(&disk.content, DiskContent::Member(own) if own == id));
        MemberSeen { device: if is_there { "/dev/sdb" } else { "[unknown]" }.to_owned(), bytes }
    }

    /// Its disk of this name.
    pub(crate) fn disk(&self, name: &str) -> Option<&Disk> {
        self.disks.iter().find(|disk| disk.name == name)
    }

    pub(crate) fn disk_mut(&mut self, name: &str) -> Option<&mut Disk> {
        self.disks.iter_mut().find(|disk| disk.name == name)
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
    pub(crate) fn plug_in(&mut self, bays: &BTreeMap<NodeName, BTreeSet<String>>) {
        self.bays.clone_from(bays);
        for (node, names) in bays {
            let Some(host) = self.hosts.get_mut(node) else { continue };
            for name in names {
                if host.disk(name).is_none() {
                    host.disks.push(Disk::empty(name, host.machine));
                }
            }
        }
    }

    /// Somebody uses a host's first disk for something else.
    pub fn use_disk(&mut self, node: &NodeName, signature: &str) {
        self.change(node, |host| {
            if let Some(disk) = host.disks.first_mut() {
                disk.content = DiskContent::Others(signature.to_owned());
            }
        });
    }

    /// A host's first disk is emptied by hand.
    pub fn empty_disk(&mut self, node: &NodeName) {
        self.change(node, |host| {
            if let Some(disk) = host.disks.first_mut() {
                disk.content = DiskContent::Nothing;
            }
        });
    }

    /// A host's first disk is enlarged by whoever provides it, by so many GB of 10^9 bytes.
    pub fn enlarge_disk(&mut self, node: &NodeName, gb: u32) {
        self.change(node, |host| {
            if let Some(disk) = host.disks.first_mut() {
                disk.bytes += u64::from(gb) * 1_000_000_000;
            }
        });
    }
}

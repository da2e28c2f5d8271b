//! Volume groups: disks joined, one logical volume over all of them, and its file system.

use fmp_core::{
    NodeName,
    observed::VolumeNote,
    resource::{Filesystem, Uuid},
    role::paths::key,
};
use fmp_exec::{Applied, Failure};
use fmp_plan::action::{GROWTH_BYTES, GroupWrite, MemberWrite};

use super::{stale, volumes::is_made};
use crate::world::{
    World,
    disks::{Disk, DiskContent, Group, Logical, ROUNDED},
    host::Host,
};

impl World {
    pub(crate) fn make_group(
        &mut self,
        node: &NodeName,
        disk: &str,
        (filesystem, uuid): (Filesystem, &Uuid),
        write: &GroupWrite,
    ) -> Result<Applied, Failure> {
        let host = self.running(node)?;
        let ours = |noted: &VolumeNote| noted.disk == disk && noted.uuid == uuid.as_str();
        if let Some(noted) = host.volume.as_ref().filter(|noted| !ours(noted)) {
            return Ok(stale(format!("{node}: volume"), disk, noted.disk.clone()));
        }
        if host.volume.as_ref().is_some_and(|noted| noted.made) {
            let found = if is_made(host, uuid) {
                Applied::AlreadyDone
            } else {
                stale(disk.to_owned(), uuid.to_string(), "none")
            };
            return Ok(found);
        }
        if let Some(refused) = refused(node, host, write) {
            return Ok(refused);
        }
        if host.volume.is_none() {
            let begun = VolumeNote { disk: disk.into(), uuid: uuid.to_string(), members: [].into(), made: false };
            host.note(key::VOLUME.to_owned(), "volume", |_| "absent".to_owned());
            self.stroke_on(node, |host| host.volume = Some(begun))?;
        }
        self.join(node, write)?;
        self.stroke_on(node, |host| {
            let Some(group) = &mut host.group else { return };
            let bytes = group.free();
            let name = write.logical.volume.to_string();
            group.logical.get_or_insert(Logical { name, bytes, content: DiskContent::Nothing });
        })?;
        for content in [DiskContent::Half, DiskContent::Nothing] {
            // The second time it is finished.
            self.stroke_on(node, |host| {
                let Some(logical) = host.group.as_mut().and_then(|group| group.logical.as_mut()) else { return };
                let bytes = logical.bytes.saturating_sub(ROUNDED);
                let is_whole = matches!(logical.content, DiskContent::Made { .. });
                if content == DiskContent::Half {
                    if !is_whole {
                        logical.content = DiskContent::Half;
                    }
                } else if !is_whole {
                    logical.content = DiskContent::Made { filesystem, uuid: uuid.to_string(), bytes };
                }
            })?;
        }
        self.stroke_on(node, |host| host.volume.iter_mut().for_each(|noted| noted.made = true))?;
        Ok(Applied::Done)
    }

    pub(crate) fn grow_group(&mut self, node: &NodeName, uuid: &Uuid, write: &GroupWrite) -> Result<Applied, Failure> {
        let host = self.running(node)?;
        if !is_made(host, uuid) {
            return Ok(stale(format!("{node}: volume"), uuid.to_string(), "none"));
        }
        if let Some(refused) = refused(node, host, write) {
            return Ok(refused);
        }
        if is_whole(host, write) {
            return Ok(Applied::AlreadyDone);
        }
        self.join(node, write)?;
        for member in &write.disks {
            self.stroke_on(node, |host| {
                let usable = host.disk(&member.disk).map(Disk::usable);
                if let (Some(usable), Some(group)) = (usable, &mut host.group) {
                    group.members.insert(member.id.to_string(), usable);
                }
            })?;
        }
        self.stroke_on(node, |host| {
            let Some(group) = &mut host.group else { return };
            let free = group.free();
            group.logical.iter_mut().for_each(|logical| logical.bytes += free);
        })?;
        self.stroke_on(node, |host| {
            let logical = host.group.as_mut().and_then(|group| group.logical.as_mut());
            if let Some(Logical { bytes: all, content: DiskContent::Made { bytes, .. }, .. }) = logical {
                *bytes = all.saturating_sub(ROUNDED);
            }
        })?;
        Ok(Applied::Done)
    }

    /// Every disk becomes a physical volume, and all of them belong to the group.
    fn join(&mut self, node: &NodeName, write: &GroupWrite) -> Result<(), Failure> {
        let outside = |host: &Host| {
            let is_in = |id: &str| host.group.as_ref().is_some_and(|group| group.members.contains_key(id));
            write.disks.iter().filter(|member| !is_in(member.id.as_str())).cloned().collect::<Vec<MemberWrite>>()
        };
        let joining = outside(self.running(node)?);
        self.stroke_on(node, |host| {
            let members = joining.iter().map(|member| (member.disk.to_string(), member.id.to_string()));
            host.volume.iter_mut().for_each(|noted| noted.members.extend(members.clone()));
        })?;
        for member in &joining {
            let made = DiskContent::Member(member.id.to_string());
            let set = |content: DiskContent, made: DiskContent| {
                move |host: &mut Host| {
                    if let Some(disk) = host.disk_mut(&member.disk)
                        && disk.content != made
                    {
                        disk.content = content;
                    }
                }
            };
            self.stroke_on(node, set(DiskContent::Half, made.clone()))?;
            self.stroke_on(node, set(made.clone(), made))?;
        }
        self.stroke_on(node, |host| {
            let all: Vec<(String, u64)> = joining
                .iter()
                .filter_map(|member| Some((member.id.to_string(), host.disk(&member.disk)?.usable())))
                .collect();
            let name = write.logical.group.to_string();
            let group = host.group.get_or_insert_with(|| Group { name, members: [].into(), logical: None });
            group.members.extend(all);
        })
    }
}

/// Why the disks can't be joined.
fn refused(node: &NodeName, host: &Host, write: &GroupWrite) -> Option<Applied> {
    let noted = |id: &str| host.volume.as_ref().is_some_and(|noted| noted.members.values().any(|own| own == id));
    let group = host.group.as_ref().filter(|group| group.name == *write.logical.group);
    if let Some(theirs) = group.and_then(|group| group.members.keys().find(|id| !noted(id))) {
        return Some(stale(format!("{node}: {}", write.logical.group), "a group of ours", theirs.clone()));
    }
    for member in &write.disks {
        let is_in = group.is_some_and(|group| group.members.contains_key(member.id.as_str()));
        let what = || format!("{node}: {}", member.disk);
        let Some(disk) = host.disk(&member.disk) else { return Some(stale(what(), "a disk", "none")) };
        if is_in {
            continue;
        }
        let before = member.before.as_ref();
        if before.is_some_and(|before| before.bytes != disk.bytes || before.identity != disk.identity) {
            return Some(stale(what(), "the disk that was seen", "another one"));
        }
        let is_free = match &disk.content {
            DiskContent::Nothing => true,
            DiskContent::Half => noted(member.id.as_str()),
            DiskContent::Member(id) => id == member.id.as_str() && noted(id),
            DiskContent::Made { .. } | DiskContent::Others(_) => false,
        };
        if !is_free {
            return Some(stale(what(), "empty", "not empty"));
        }
    }
    None
}

/// Whether there is nothing for the group to grow into.
fn is_whole(host: &Host, write: &GroupWrite) -> bool {
    let Some(group) = &host.group else { return true };
    let used = write.disks.iter().all(|member| {
        let bytes = host.disk(&member.disk).map_or(0, |disk| disk.bytes);
        group.members.get(member.id.as_str()).is_some_and(|used| bytes < used + GROWTH_BYTES)
    });
    let filled = group.logical.as_ref().is_none_or(|logical| match &logical.content {
        DiskContent::Made { bytes, .. } => logical.bytes < bytes + GROWTH_BYTES,
        DiskContent::Nothing | DiskContent::Half | DiskContent::Member(_) | DiskContent::Others(_) => true,
    });
    used && filled && group.free() < GROWTH_BYTES
}

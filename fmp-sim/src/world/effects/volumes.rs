//! Volumes: a file system on a disk, mounted, grown.

use std::collections::BTreeMap;

use fmp_core::{
    NodeName,
    observed::{DirectorySeen, VolumeNote},
    resource::{Filesystem, Uuid},
    role::paths::key,
};
use fmp_exec::{Applied, Failure};
use fmp_plan::action::{DiskBefore, MountPoint};

use super::stale;
use crate::world::{World, disks::DiskContent, host::Host};

impl World {
    pub(crate) fn make_volume(
        &mut self,
        node: &NodeName,
        disk: &str,
        (filesystem, uuid): (Filesystem, &Uuid),
        before: Option<&DiskBefore>,
    ) -> Result<Applied, Failure> {
        let host = self.running(node)?;
        let Some(there) = host.disk(disk).cloned() else {
            return Ok(stale(format!("{node}: {disk}"), "a disk", "none"));
        };
        let ours = |noted: &VolumeNote| noted.disk == disk && noted.uuid == uuid.as_str();
        if let Some(noted) = host.volume.as_ref().filter(|noted| !ours(noted)) {
            return Ok(stale(format!("{node}: volume"), disk, noted.disk.clone()));
        }
        let as_before = |before: &DiskBefore| before.bytes == there.bytes && before.identity == there.identity;
        let is_ours = matches!(&there.content, DiskContent::Made { uuid: found, .. } if found == uuid.as_str());
        let begun = host.volume.is_some();
        match &there.content {
            DiskContent::Made { .. } if begun && is_ours && host.volume.as_ref().is_some_and(|noted| noted.made) => {
                return Ok(Applied::AlreadyDone);
            }
            _ if before.is_some_and(|before| !as_before(before)) => {
                return Ok(stale(format!("{node}: {disk}"), "the disk that was seen", "another one"));
            }
            _ if host.volume.as_ref().is_some_and(|noted| noted.made) => {
                return Ok(stale(format!("{node}: {disk}"), "the volume", "something else"));
            }
            DiskContent::Nothing => {}
            DiskContent::Half | DiskContent::Made { .. }
                if begun && (is_ours || there.content == DiskContent::Half) => {}
            DiskContent::Half | DiskContent::Member(_) | DiskContent::Made { .. } | DiskContent::Others(_) => {
                return Ok(stale(format!("{node}: {disk}"), "empty", "not empty"));
            }
        }
        let bytes = there.usable();
        let made = DiskContent::Made { filesystem, uuid: uuid.to_string(), bytes };
        let begun = VolumeNote { disk: disk.to_owned(), uuid: uuid.to_string(), members: BTreeMap::new(), made: false };
        self.running(node)?.note(key::VOLUME.to_owned(), "volume", |_| "absent".to_owned());
        let set = |content: DiskContent| {
            move |host: &mut Host| host.disk_mut(disk).into_iter().for_each(|disk| disk.content = content.clone())
        };
        self.stroke_on(node, |host| host.volume = Some(begun))?;
        self.stroke_on(node, set(DiskContent::Half))?;
        self.stroke_on(node, set(made))?;
        self.stroke_on(node, |host| host.volume.iter_mut().for_each(|noted| noted.made = true))?;
        Ok(Applied::Done)
    }

    pub(crate) fn mount_volume(
        &mut self,
        node: &NodeName,
        uuid: &Uuid,
        mounts: &[MountPoint],
    ) -> Result<Applied, Failure> {
        let host = self.running(node)?;
        if !is_made(host, uuid) {
            return Ok(stale(format!("{node}: volume"), uuid.to_string(), "none"));
        }
        for mount in mounts {
            if let DirectorySeen::Holds(name) = host.directory(&mount.directory) {
                return Ok(stale(format!("{node}: {}", mount.directory), "empty", name));
            }
        }
        let is_up = |host: &Host, unit: &str| host.runs(unit) && host.units.get(unit).is_some_and(|unit| unit.enabled);
        if mounts.iter().all(|mount| is_up(host, &mount.unit)) {
            return Ok(Applied::AlreadyDone);
        }
        for mount in mounts {
            if !self.running(node)?.has_unit(&mount.unit) {
                return Ok(stale(format!("{node}: {}", mount.unit), "a unit file", "none"));
            }
            self.stroke_on(node, |host| _ = host.enable(&mount.unit))?;
            self.stroke_on(node, |host| {
                if !host.runs(&mount.unit) {
                    _ = host.start(&mount.unit);
                }
            })?;
        }
        Ok(Applied::Done)
    }

    pub(crate) fn grow_volume(&mut self, node: &NodeName, disk: &str, uuid: &Uuid) -> Result<Applied, Failure> {
        let host = self.running(node)?;
        if !is_made(host, uuid) {
            return Ok(stale(format!("{node}: volume"), uuid.to_string(), "none"));
        }
        let Some(disk) = host.disk_mut(disk) else { return Ok(Applied::AlreadyDone) };
        let usable = disk.usable();
        match &mut disk.content {
            DiskContent::Made { bytes, .. } if *bytes < usable => {
                *bytes = usable;
                Ok(Applied::Done)
            }
            DiskContent::Made { .. }
            | DiskContent::Nothing
            | DiskContent::Half
            | DiskContent::Member(_)
            | DiskContent::Others(_) => Ok(Applied::AlreadyDone),
        }
    }

    /// One more change on a host, unless the step under way is broken off before it.
    pub(super) fn stroke_on(&mut self, node: &NodeName, change: impl FnOnce(&mut Host)) -> Result<(), Failure> {
        if self.stroke() {
            change(self.running(node)?);
        }
        Ok(())
    }
}

/// Whether the volume was finished, and is on the disk.
pub(super) fn is_made(host: &Host, uuid: &Uuid) -> bool {
    let logical = host.group.iter().filter_map(|group| group.logical.as_ref());
    let mut held = host.disks.iter().map(|disk| &disk.content).chain(logical.map(|logical| &logical.content));
    let is_there = held.any(|held| matches!(held, DiskContent::Made { uuid: found, .. } if found == uuid.as_str()));
    is_there && host.volume.as_ref().is_some_and(|note| note.made)
}

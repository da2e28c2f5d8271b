//! Volumes: whether a node's disk has its file system, is mounted where it should be, and has its disk's size.

use std::{fmt, sync::Arc};

use fmp_core::{
    NodeName,
    observed::{DirectorySeen, DiskSeen, Fact, Host, VolumeSeen},
    os,
    resource::{File, Mount, Volume},
    role::paths,
    spec::Packages,
};

use super::{Delta, HostView, NOT_ASKED, Sides, Task, Work, file};
use crate::{
    action::{Action, Before, DiskBefore, FileWrite, GROWTH_BYTES, MountPoint},
    fact::FactKey,
    plan::Verb,
    safety,
};

/// Steps of a volume, each with the last part of its name.
const MAKE: &str = "make";
const UNITS: &str = "units";
const MOUNT: &str = "mount";
const GROW: &str = "grow";

pub(super) fn delta(sides: Sides<'_>, host: &HostView<'_>, wanted: &Volume) -> Delta {
    match host.state {
        Fact::Unknown(why) => Delta::blocked(host.until("its disk", why)),
        // Nobody has seen the disk: whoever makes the file system looks at it first.
        Fact::Absent => {
            let links = vec![(MAKE, make(wanted, None)), (UNITS, units(all_units(wanted))), (MOUNT, mount(wanted))];
            let facts = vec![FactKey::Volume { node: host.name.clone() }];
            work(Verb::Create, links, facts, vec![format!("{} on {}", wanted.filesystem, wanted.disk)])
        }
        Fact::Known(seen) => match &seen.volume {
            None => Delta::blocked(host.until("its disk", NOT_ASKED)),
            Some(volume) => of_seen(sides, host, seen, volume, wanted),
        },
    }
}

fn of_seen(sides: Sides<'_>, host: &HostView<'_>, on: &Host, seen: &VolumeSeen, wanted: &Volume) -> Delta {
    if let Some(refused) = safety::disk_refused(sides.observed, host.name, wanted, seen) {
        return Delta::blocked(format!("{} of {} can be used: {refused}", wanted.disk, host.name));
    }
    // Where FMP installs packages, this one comes first.
    let is_missing = |program: &&str| match sides.spec.packages {
        Packages::None => !on.facts.programs.contains_key(*program),
        Packages::Repository | Packages::Bundle => false,
    };
    if let Some(program) = wanted.filesystem.programs().into_iter().find(is_missing) {
        let install =
            os::install(&on.facts, program).unwrap_or_else(|| format!("install {}", wanted.filesystem.need()));
        return Delta::blocked(format!("{} has `{program}`: `{install}` there", host.name));
    }
    if let Some(until) = wanted.mounts.iter().find_map(|mount| taken(host.name, seen, &mount.directory)) {
        return Delta::blocked(until);
    }
    let made = seen.note.as_ref().is_some_and(|note| note.made);
    let (mut links, mut why) = (Vec::new(), Vec::new());
    // Also on a bare host: that it is bare says nothing of a disk.
    let mut facts = vec![FactKey::Volume { node: host.name.clone() }];
    if let (false, Some(disk)) = (made, seen.disk.known()) {
        links.push((MAKE, make(wanted, Some(disk))));
        why.push(format!("{} on {} with {}", wanted.filesystem, wanted.disk, Gb(disk.bytes)));
    }
    match differing_units(host, wanted) {
        Err(blocked) => return *blocked,
        Ok((files, _)) if files.is_empty() => {}
        Ok((files, rest_on)) => {
            facts.extend(rest_on);
            why.extend(files.iter().filter(|_| made).map(|file| format!("{} differs", file.path)));
            links.push((UNITS, units(files)));
        }
    }
    let unmounted: Vec<&str> = not_up(on, seen, wanted).collect();
    if !unmounted.is_empty() {
        why.push(format!("not mounted at {}", unmounted.join(", ")));
        links.push((MOUNT, mount(wanted)));
    }
    if let Some(disk) = seen.disk.known().filter(|disk| made && has_grown(disk)) {
        why.push(format!("its disk has grown to {}", Gb(disk.bytes)));
        links.push((GROW, grow(wanted, disk)));
    }
    if links.is_empty() {
        return Delta::InSync;
    }
    work(if made { Verb::Update } else { Verb::Create }, links, facts, why)
}

fn work(verb: Verb, links: Vec<(&'static str, Action)>, facts: Vec<FactKey>, why: Vec<String>) -> Delta {
    Delta::from(Work::new(verb, Task::Chain(links), facts).because(why))
}

fn make(wanted: &Volume, seen: Option<&DiskSeen>) -> Action {
    Action::MakeVolume {
        disk: wanted.disk.clone(),
        filesystem: wanted.filesystem,
        uuid: wanted.uuid.clone(),
        before: seen.map(|disk| DiskBefore { bytes: disk.bytes, identity: disk.identity.clone() }),
    }
}

fn units(files: Vec<FileWrite>) -> Action {
    Action::WriteFiles { files, remove: Vec::new() }
}

fn mount(wanted: &Volume) -> Action {
    let point = |mount: &Mount| MountPoint { unit: mount.unit.clone(), directory: mount.directory.clone() };
    Action::MountVolume {
        disk: wanted.disk.clone(),
        filesystem: wanted.filesystem,
        uuid: wanted.uuid.clone(),
        mounts: wanted.mounts.iter().map(point).collect(),
    }
}

fn grow(wanted: &Volume, disk: &DiskSeen) -> Action {
    Action::GrowVolume {
        disk: wanted.disk.clone(),
        filesystem: wanted.filesystem,
        uuid: wanted.uuid.clone(),
        directory: paths::VOLUME.into(),
        bytes: disk.bytes,
    }
}

fn has_grown(disk: &DiskSeen) -> bool {
    disk.filesystem_bytes.is_some_and(|filesystem| disk.bytes >= filesystem.saturating_add(GROWTH_BYTES))
}

/// What has to be done before a directory can become a mount point.
fn taken(node: &NodeName, seen: &VolumeSeen, directory: &str) -> Option<String> {
    let otherwise = |what: &str| {
        Some(format!("{directory} on {node} is free: {what} is mounted there; unmount it, and remove what mounts it"))
    };
    match seen.directories.get(directory) {
        Some(DirectorySeen::Free) => None,
        Some(DirectorySeen::Ours(folder)) if folder == folder_of(directory) => None,
        Some(DirectorySeen::Ours(folder)) => otherwise(&format!("{folder} of the volume")),
        Some(DirectorySeen::Others(from)) => otherwise(from),
        Some(DirectorySeen::Holds(name)) => Some(format!(
            "{directory} on {node} is empty: it holds `{name}`, which a mount would hide; stop whoever uses it and move its \
             content away"
        )),
        None => Some(format!("{node} says what {directory} holds: {NOT_ASKED}")),
    }
}

/// Which folder of the volume belongs at a directory.
fn folder_of(directory: &str) -> &str {
    if directory == paths::VOLUME { "/" } else { directory }
}

/// Directories that are not mounted, or would not be after a boot.
fn not_up<'w>(on: &Host, seen: &VolumeSeen, wanted: &'w Volume) -> impl Iterator<Item = &'w str> {
    let up = |unit: &str, directory: &str| {
        let mounted = matches!(seen.directories.get(directory), Some(DirectorySeen::Ours(_)));
        let unit = on.units.get(unit).and_then(Fact::known);
        mounted && unit.is_some_and(|unit| unit.enabled == "enabled" && unit.active == "active")
    };
    let down: Vec<&str> = wanted
        .mounts
        .iter()
        .filter(|mount| !up(&mount.unit, &mount.directory))
        .map(|mount| &*mount.directory)
        .collect();
    down.into_iter()
}

fn all_units(wanted: &Volume) -> Vec<FileWrite> {
    let write = |mount: &Mount| {
        let File { path, mode, content } = unit_file(mount);
        FileWrite { path, mode, content: content.digest, before: Before::Absent }
    };
    wanted.mounts.iter().map(write).collect()
}

/// Unit files that are not as wanted, and what that rests on; what can't be decided otherwise.
fn differing_units(host: &HostView<'_>, wanted: &Volume) -> Result<(Vec<FileWrite>, Vec<FactKey>), Box<Delta>> {
    let (mut files, mut facts) = (Vec::new(), Vec::new());
    for mount in &*wanted.mounts {
        match file::text(host, &unit_file(mount)) {
            Delta::InSync => {}
            blocked @ Delta::Blocked { .. } => return Err(Box::new(blocked)),
            Delta::Work(work) => {
                facts.extend(work.facts);
                if let Task::Write(write) = work.task {
                    files.push(write);
                }
            }
        }
    }
    Ok((files, facts))
}

fn unit_file(mount: &Mount) -> File {
    File { path: Arc::clone(&mount.path), mode: 0o644, content: mount.content.clone() }
}

/// Bytes in GB of 10^9, as disks are sold, cut to a tenth.
struct Gb(u64);

impl fmt::Display for Gb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.0 / 100_000_000;
        write!(f, "{}.{} GB", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests;

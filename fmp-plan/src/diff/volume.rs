//! Volumes: whether a node's disk, or its volume group, has its file system, is mounted where it should be, and has all of its
//! disks' size.

use std::{fmt, sync::Arc};

use fmp_core::{
    NodeName,
    observed::{DirectorySeen, DiskSeen, Fact, Host, VolumeSeen},
    os::{self, Need},
    resource::{File, Mount, Volume, programs},
    role::paths,
    spec::Packages,
};

use super::{Delta, HostView, NOT_ASKED, Sides, Task, Work, file};
use crate::{
    action::{Action, Before, DiskBefore, FileWrite, GROWTH_BYTES, GroupWrite, MountPoint},
    fact::FactKey,
    plan::Verb,
    safety,
};

mod group;

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
            let unseen = wanted.group.as_ref().map(|group| group::write(group, None));
            let links =
                vec![(MAKE, make(wanted, None, unseen)), (UNITS, units(all_units(wanted))), (MOUNT, mount(wanted))];
            let facts = vec![FactKey::Volume { node: host.name.clone() }];
            work(Verb::Create, links, facts, vec![format!("{} on {}", wanted.filesystem, beneath(wanted))])
        }
        Fact::Known(seen) => match &seen.volume {
            None => Delta::blocked(host.until("its disk", NOT_ASKED)),
            Some(volume) => of_seen(sides, host, seen, volume, wanted),
        },
    }
}

fn of_seen(sides: Sides<'_>, host: &HostView<'_>, on: &Host, seen: &VolumeSeen, wanted: &Volume) -> Delta {
    let logical = wanted.group.as_ref().map(|group| &group.logical);
    let missing = match sides.spec.packages {
        Packages::None => {
            programs(wanted.filesystem, logical).find(|(program, _)| !on.facts.programs.contains_key(*program))
        }
        // Their packages come first.
        Packages::Repository | Packages::Bundle => None,
    };
    // Without them nobody can tell what LVM has.
    if let (Some(missing), true) = (missing, wanted.group.is_some()) {
        return without(host.name, on, missing);
    }
    if let Some(refused) = safety::disk_refused(sides.observed, host.name, wanted, seen) {
        return Delta::blocked(format!("{} of {} can be used: {}", refused.what, host.name, refused.why));
    }
    if let Some(missing) = missing {
        return without(host.name, on, missing);
    }
    if let Some(until) = wanted.mounts.iter().find_map(|mount| taken(host.name, seen, &mount.directory)) {
        return Delta::blocked(until);
    }
    let made = seen.note.as_ref().is_some_and(|note| note.made);
    let (mut links, mut why) = (Vec::new(), Vec::new());
    // Also on a bare host: that it is bare says nothing of a disk.
    let mut facts = vec![FactKey::Volume { node: host.name.clone() }];
    if !made && let Some((bytes, action)) = first_made(wanted, seen) {
        links.push((MAKE, action));
        why.push(format!("{} on {} with {}", wanted.filesystem, beneath(wanted), Gb(bytes)));
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
    if made && let Some((because, action)) = growth(wanted, seen) {
        why.extend(because);
        links.push((GROW, action));
    }
    if links.is_empty() {
        return Delta::InSync;
    }
    work(if made { Verb::Update } else { Verb::Create }, links, facts, why)
}

/// Waits for a program that is missing.
fn without(node: &NodeName, on: &Host, (program, need): (&str, Need)) -> Delta {
    let install = os::install(&on.facts, program).unwrap_or_else(|| format!("install {need}"));
    Delta::blocked(format!("{node} has `{program}`: `{install}` there"))
}

fn work(verb: Verb, links: Vec<(&'static str, Action)>, facts: Vec<FactKey>, why: Vec<String>) -> Delta {
    Delta::from(Work::new(verb, Task::Chain(links), facts).because(why))
}

/// What the file system lies on, for people.
fn beneath(wanted: &Volume) -> String {
    match &wanted.group {
        None => wanted.disk.to_string(),
        Some(group) => format!("{} over {}", wanted.disk, group::listed(group)),
    }
}

/// How a volume is made that was not finished, and the size of its disks; `None` where they can't be seen.
fn first_made(wanted: &Volume, seen: &VolumeSeen) -> Option<(u64, Action)> {
    match (&wanted.group, &seen.group) {
        (Some(group), beneath) => {
            let beneath = beneath.as_ref()?;
            Some((group::bytes(group, beneath), make(wanted, None, Some(group::write(group, Some(beneath))))))
        }
        (None, _) => seen.disk.known().map(|disk| (disk.bytes, make(wanted, Some(before(disk)), None))),
    }
}

/// How a finished volume takes what it does not have yet, and why.
fn growth(wanted: &Volume, seen: &VolumeSeen) -> Option<(Vec<String>, Action)> {
    let disk = seen.disk.known()?;
    match &wanted.group {
        Some(group) => {
            let beneath = seen.group.as_ref()?;
            let why = group::growth(group, beneath, disk);
            let grow = || grow(wanted, group::bytes(group, beneath), Some(group::write(group, Some(beneath))));
            (!why.is_empty()).then(|| (why, grow()))
        }
        None => has_grown(disk)
            .then(|| (vec![format!("its disk has grown to {}", Gb(disk.bytes))], grow(wanted, disk.bytes, None))),
    }
}

fn before(disk: &DiskSeen) -> DiskBefore {
    DiskBefore { bytes: disk.bytes, identity: disk.identity.clone() }
}

fn make(wanted: &Volume, before: Option<DiskBefore>, group: Option<GroupWrite>) -> Action {
    let (disk, filesystem, uuid) = (wanted.disk.clone(), wanted.filesystem, wanted.uuid.clone());
    Action::MakeVolume { disk, filesystem, uuid, before, group }
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

fn grow(wanted: &Volume, bytes: u64, group: Option<GroupWrite>) -> Action {
    Action::GrowVolume {
        disk: wanted.disk.clone(),
        filesystem: wanted.filesystem,
        uuid: wanted.uuid.clone(),
        directory: paths::VOLUME.into(),
        bytes,
        group,
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

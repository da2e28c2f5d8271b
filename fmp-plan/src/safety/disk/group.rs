//! Disks beneath a volume group: each as any disk, and the group itself, which has to be ours.

use fmp_core::{
    NodeName,
    observed::{Fact, GroupSeen, Observed, VolumeGroupSeen, VolumeNote, VolumeSeen},
    resource::{
        Volume,
        lvm::{PhysicalVolume, VolumeGroup},
    },
};

use super::{Refusal, Refused, elsewhere, half_made, lost, not_a_disk, not_empty};

/// What LVM's signature is called.
const SIGNATURE: &str = "LVM2_member";

/// Why the group can't be made of its disks, or used as it is.
pub(super) fn refused(
    observed: &Observed,
    node: &NodeName,
    (wanted, group): (&Volume, &VolumeGroup),
    seen: &VolumeSeen,
) -> Option<Refusal> {
    let of_group = |why| Some(Refusal { what: format!("the volume group {}", group.logical.group), why });
    if let Some(noted) = &seen.note
        && let Some(disk) = noted.members.keys().find(|disk| group.disks.iter().all(|member| *member.disk != **disk))
    {
        return Some(Refusal { what: disk.clone(), why: Refused::LeftOut });
    }
    let Some(beneath) = &seen.group else {
        return of_group(Refused::Unseen("it was not asked about".to_owned()));
    };
    let has = match &beneath.group {
        Fact::Known(has) => Some(has),
        Fact::Absent => None,
        Fact::Unknown(why) => return of_group(Refused::Unseen(why.clone())),
    };
    let entry = seen.note.as_ref();
    if let Some(why) = has.and_then(|has| not_ours(has, entry, group)) {
        return of_group(why);
    }
    for member in &*group.disks {
        let in_group = has.is_some_and(|has| has.members.contains_key(member.id.as_str()));
        if let Some(why) = disk(observed, node, (member, in_group), (beneath, entry)) {
            return Some(Refusal { what: member.disk.to_string(), why });
        }
    }
    if entry.is_some_and(|entry| entry.made) { logical(wanted, group, seen, has).and_then(of_group) } else { None }
}

/// A group that holds what the ledger does not name, or lacks a disk that it had.
fn not_ours(has: &VolumeGroupSeen, entry: Option<&VolumeNote>, group: &VolumeGroup) -> Option<Refused> {
    let ours = |id: &str| entry.is_some_and(|entry| entry.members.values().any(|noted| noted == id));
    if let Some((id, member)) = has.members.iter().find(|(id, _)| !ours(id)) {
        return Some(Refused::GroupOfOthers { device: member.device.clone(), id: id.clone() });
    }
    if let Some((id, _)) = has.members.iter().find(|(_, member)| member.is_missing()) {
        let disk = group.disks.iter().find(|member| member.id.as_str() == id);
        return Some(Refused::Incomplete(disk.map_or_else(|| id.clone(), |member| member.disk.to_string())));
    }
    let begun = entry.is_some_and(|entry| !entry.made);
    let other = has.volumes.keys().find(|volume| **volume != *group.logical.volume);
    other.filter(|_| begun).map(|volume| Refused::HasVolume(volume.clone()))
}

/// A disk that belongs to the group is there; another one is free for it.
fn disk(
    observed: &Observed,
    node: &NodeName,
    (member, in_group): (&PhysicalVolume, bool),
    (beneath, entry): (&GroupSeen, Option<&VolumeNote>),
) -> Option<Refused> {
    let disk = match beneath.disks.get(&*member.disk) {
        Some(Fact::Known(disk)) => disk,
        Some(Fact::Absent) => return Some(Refused::Missing),
        Some(Fact::Unknown(why)) => return Some(Refused::Unseen(why.clone())),
        None => return Some(Refused::Unseen("it was not asked about".to_owned())),
    };
    if in_group {
        return None;
    }
    let id = member.id.as_str();
    let begun = entry.is_some_and(|entry| entry.members.get(&*member.disk).is_some_and(|noted| noted == id));
    let holds = || if begun { half_made(disk, SIGNATURE, id) } else { not_empty(disk) };
    not_a_disk(disk).or_else(|| elsewhere(observed, node, disk)).or_else(holds)
}

/// A volume that was finished: the logical volume is there, and holds its file system.
fn logical(wanted: &Volume, group: &VolumeGroup, seen: &VolumeSeen, has: Option<&VolumeGroupSeen>) -> Option<Refused> {
    let is_there = has.is_some_and(|has| has.volumes.contains_key(&*group.logical.volume));
    match &seen.disk {
        Fact::Known(disk) => lost(disk, wanted),
        Fact::Absent if is_there => Some(Refused::Inactive(group.logical.clone())),
        Fact::Absent => Some(Refused::Lost("no such logical volume".to_owned())),
        Fact::Unknown(why) => Some(Refused::Unseen(why.clone())),
    }
}

#[cfg(test)]
mod tests;

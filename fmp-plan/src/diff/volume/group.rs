//! A volume group: what is written of it, and whether it has room that its file system does not use yet.

use fmp_core::{
    observed::{DiskSeen, Fact, GroupSeen},
    resource::lvm::{PhysicalVolume, VolumeGroup},
};

use super::{Gb, before, has_grown};
use crate::action::{GROWTH_BYTES, GroupWrite, MemberWrite};

/// Its disks, for people.
pub(super) fn listed(group: &VolumeGroup) -> String {
    group.disks.iter().map(|member| &*member.disk).collect::<Vec<_>>().join(", ")
}

/// The size of all its disks in bytes, as far as they are seen.
pub(super) fn bytes(group: &VolumeGroup, seen: &GroupSeen) -> u64 {
    group.disks.iter().filter_map(|member| disk(seen, member)).map(|disk| disk.bytes).sum()
}

/// What a step is told of it: disks that don't belong to it yet as they were seen.
pub(super) fn write(group: &VolumeGroup, seen: Option<&GroupSeen>) -> GroupWrite {
    let member = |member: &PhysicalVolume| {
        let outside = seen.filter(|seen| !has(seen, member));
        MemberWrite {
            disk: member.disk.clone(),
            id: member.id.clone(),
            before: outside.and_then(|seen| disk(seen, member)).map(before),
        }
    };
    GroupWrite { logical: group.logical.clone(), disks: group.disks.iter().map(member).collect() }
}

/// Why the volume is to grow; nothing where it has all of its disks. What a run that was cut off left unused counts, too.
pub(super) fn growth(group: &VolumeGroup, seen: &GroupSeen, logical: &DiskSeen) -> Vec<String> {
    let Fact::Known(has) = &seen.group else { return Vec::new() };
    let mut why = Vec::new();
    for member in &*group.disks {
        let Some(disk) = disk(seen, member) else { continue };
        match has.members.get(member.id.as_str()) {
            None => why.push(format!("{} with {} is to join it", member.disk, Gb(disk.bytes))),
            Some(used) if disk.bytes >= used.bytes.saturating_add(GROWTH_BYTES) => {
                why.push(format!("{} has grown to {}", member.disk, Gb(disk.bytes)));
            }
            Some(_) => {}
        }
    }
    if has.free_bytes >= GROWTH_BYTES {
        why.push(format!("{} of its volume group are not used", Gb(has.free_bytes)));
    }
    if has_grown(logical) {
        why.push(format!("its logical volume has grown to {}", Gb(logical.bytes)));
    }
    why
}

/// Whether a disk belongs to the group.
fn has(seen: &GroupSeen, member: &PhysicalVolume) -> bool {
    seen.group.known().is_some_and(|group| group.members.contains_key(member.id.as_str()))
}

fn disk<'s>(seen: &'s GroupSeen, member: &PhysicalVolume) -> Option<&'s DiskSeen> {
    seen.disks.get(&*member.disk).and_then(Fact::known)
}

#[cfg(test)]
mod tests;

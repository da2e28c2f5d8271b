//! Each reason for which a volume group is not made, or not used; each reason of a single disk is one of a group's, too.

use std::collections::BTreeMap;

use fmp_core::{
    observed::{DiskSeen, DiskTrait, MemberSeen},
    resource::lvm::LvmId,
};

use super::*;
use crate::testing::{Lab, ids, waits};

const NODE: &str = "work-1";
const FIRST: &str = "/dev/disk/by-id/wwn-0x1a";
const SECOND: &str = "/dev/disk/by-id/wwn-0x1b";

/// What is waited for about the volume; nothing of it is done then.
fn refused(lab: &Lab) -> Option<String> {
    let plan = lab.plan();
    let until = waits(&plan, "work-1/volume").map(str::to_owned);
    let done = ids(&plan).iter().any(|id| id.starts_with("work-1/volume/"));
    assert!(until.is_none() || !done, "{until:?} {:?}", ids(&plan));
    until
}

#[track_caller]
fn says(lab: &Lab, words: &str) {
    let told = refused(lab).unwrap_or_else(|| panic!("not refused: {words}"));
    assert!(told.starts_with(words), "{told}");
}

fn empty() -> Lab {
    let mut lab = Lab::joined(1, 2);
    lab.clear_with_disk(NODE);
    lab
}

/// What makes a disk another one.
type Change = fn(&mut DiskSeen);

#[test]
fn each_disk_is_judged_as_any_disk() {
    const REFUSED: &[(Change, &str)] = &[
        (|disk| _ = disk.traits.insert(DiskTrait::Partition), "it is a partition"),
        (|disk| _ = disk.traits.insert(DiskTrait::System), "the system runs from it"),
        (|disk| _ = disk.traits.insert(DiskTrait::Swap), "it is swapped to"),
        (|disk| _ = disk.traits.insert(DiskTrait::Partitioned), "it has partitions"),
        (|disk| _ = disk.traits.insert(DiskTrait::Held), "something stands on it"),
        (|disk| _ = disk.mounted.insert("/mnt".into()), "it is mounted at /mnt"),
        (|disk| _ = disk.signatures.insert("gpt".into()), "it holds gpt"),
        (|disk| _ = disk.signatures.insert("LVM2_member".into()), "it holds LVM2_member"),
        (|disk| _ = disk.signatures.insert("linux_raid_member".into()), "it holds linux_raid_member"),
        (|disk| _ = disk.signatures.insert("crypto_LUKS".into()), "it holds crypto_LUKS"),
        (|disk| disk.blank = Some(false), "its first or last 16 MiB are not empty"),
        (|disk| disk.identity = "0x0".into(), "its own id is 0x0"),
        (|disk| _ = disk.twins.insert("sdx".into()), "sdx of the same host has the same id"),
    ];
    for (change, words) in REFUSED {
        for disk in [FIRST, SECOND] {
            let mut lab = empty();
            change(lab.beneath(NODE, disk));
            says(&lab, &format!("{disk} of {NODE} can be used: {words}"));
        }
    }
    assert_eq!(refused(&empty()), None);
}

#[test]
fn a_disk_that_can_t_be_seen_is_not_used() {
    for (seen, words) in [(Fact::Absent, "there is no such disk"), (Fact::Unknown("?".into()), "it can't be looked at")]
    {
        let mut lab = empty();
        lab.volume(NODE).group.as_mut().unwrap().disks.insert(SECOND.to_owned(), seen);
        says(&lab, &format!("{SECOND} of {NODE} can be used: {words}"));
    }
    let mut lab = empty();
    lab.volume(NODE).group.as_mut().unwrap().group = Fact::Unknown("`vgs` fails".into());
    says(&lab, "the volume group fmp of work-1 can be used: it can't be looked at: `vgs` fails");
}

#[test]
fn a_disk_that_another_node_sees_is_refused() {
    let mut lab = empty();
    let identity = lab.beneath("work-2", "/dev/disk/by-id/wwn-0x2b").identity.clone();
    lab.beneath(NODE, FIRST).identity = identity;
    says(&lab, &format!("{FIRST} of {NODE} can be used: work-2 sees a disk with the same id"));
}

#[test]
fn a_group_of_that_name_that_is_not_ours_is_refused() {
    let theirs = |id: &str| {
        let used = MemberSeen { device: "/dev/sdx".into(), bytes: 1 << 30 };
        VolumeGroupSeen { members: [(id.to_owned(), used)].into(), ..VolumeGroupSeen::default() }
    };
    let words = "the volume group fmp of work-1 can be used: there is one of that name with /dev/sdx";
    let mut lab = empty();
    lab.volume(NODE).group.as_mut().unwrap().group = Fact::Known(theirs("abcdef-0123-4567-89ab-cdef-0123-456789"));
    says(&lab, words);
    // The very id, on a host whose ledger is gone: nothing says that we made it.
    let id = LvmId::of_disk(&lab.spec.name, &NODE.parse().unwrap(), FIRST);
    lab.volume(NODE).group.as_mut().unwrap().group = Fact::Known(theirs(id.as_str()));
    says(&lab, words);
    let mut lab = Lab::joined(1, 2);
    let used = MemberSeen { device: "/dev/sdx".into(), bytes: 1 << 30 };
    lab.group(NODE).members.insert("abcdef-0123-4567-89ab-cdef-0123-456789".into(), used);
    says(&lab, words);
}

/// What an earlier run began: one disk is a physical volume.
fn begun() -> Lab {
    let mut lab = empty();
    let settled = Lab::joined(1, 2).volume(NODE).note.clone().unwrap();
    let id = settled.members[FIRST].clone();
    lab.volume(NODE).note = Some(VolumeNote { made: false, ..settled });
    let first = lab.beneath(NODE, FIRST);
    (first.uuid, first.blank) = (id, None);
    first.signatures.insert("LVM2_member".into());
    lab
}

#[test]
fn what_an_earlier_run_began_goes_on() {
    let mut lab = begun();
    assert_eq!(refused(&lab), None);
    assert!(ids(&lab.plan()).contains(&"work-1/volume/make"));
    lab.beneath(NODE, FIRST).uuid = "abcdef-0123-4567-89ab-cdef-0123-456789".into();
    says(&lab, &format!("{FIRST} of {NODE} can be used: it holds LVM2_member"));
    let mut lab = begun();
    lab.beneath(NODE, SECOND).signatures.insert("gpt".into());
    says(&lab, &format!("{SECOND} of {NODE} can be used: it holds gpt"));
    let mut lab = begun();
    let id = lab.beneath(NODE, FIRST).uuid.clone();
    let used = MemberSeen { device: "/dev/sdb".into(), bytes: 1 << 30 };
    let volumes = BTreeMap::from([("theirs".to_owned(), 1 << 20)]);
    let group = VolumeGroupSeen { members: [(id, used)].into(), volumes, free_bytes: 0 };
    lab.volume(NODE).group.as_mut().unwrap().group = Fact::Known(group);
    says(&lab, "the volume group fmp of work-1 can be used: `theirs` is in it besides");
}

#[test]
fn a_disk_is_not_taken_out_again() {
    let mut lab = Lab::joined(1, 2);
    lab.spec.nodes.get_mut(NODE).unwrap().disks.remove(SECOND);
    says(&lab, &format!("{SECOND} of {NODE} can be used: it belongs to this node's volume: name it again"));
}

#[test]
fn a_plain_disk_does_not_become_a_group_nor_the_other_way() {
    let mut lab = Lab::joined(1, 2);
    let note = lab.volume(NODE).note.as_mut().unwrap();
    (note.disk, note.members) = (FIRST.to_owned(), BTreeMap::new());
    says(&lab, &format!("/dev/fmp/data of {NODE} can be used: this node's volume is on {FIRST}: name that one"));
    let mut lab = Lab::stored(1, 2);
    lab.volume(NODE).note.as_mut().unwrap().disk = "/dev/fmp/data".to_owned();
    says(&lab, "/dev/disk/by-id/wwn-0x1 of work-1 can be used: this node's volume is on /dev/fmp/data");
}

#[test]
fn a_group_that_lost_a_disk_or_its_volume_is_told() {
    let mut lab = Lab::joined(1, 2);
    let id = lab.beneath(NODE, SECOND).uuid.clone();
    lab.group(NODE).members.get_mut(&id).unwrap().device = "[unknown]".into();
    says(&lab, &format!("the volume group fmp of {NODE} can be used: {SECOND} is missing in it"));
    let mut lab = Lab::joined(1, 2);
    lab.volume(NODE).disk = Fact::Absent;
    says(&lab, "the volume group fmp of work-1 can be used: its volume is not active");
    lab.group(NODE).volumes.clear();
    says(&lab, "the volume group fmp of work-1 can be used: the volume was made on it, and now it holds no such");
    let mut lab = Lab::joined(1, 2);
    lab.disk(NODE).uuid.clear();
    says(&lab, "the volume group fmp of work-1 can be used: the volume was made on it, and now it holds ext4");
}

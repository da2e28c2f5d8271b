//! Each reason for which a disk is refused, and the disks that are not.

use std::collections::BTreeMap;

use fmp_core::observed::{DiskTrait, VolumeNote};

use super::*;
use crate::testing::{Lab, ids, waits};

const NODE: &str = "work-1";

/// Changes what is seen of a volume.
type Change = fn(&mut VolumeSeen);

fn disk(seen: &mut VolumeSeen) -> &mut DiskSeen {
    match &mut seen.disk {
        Fact::Known(disk) => disk,
        other => panic!("{other:?}"),
    }
}

/// Why an empty disk is refused after `change`.
fn refused_after(change: Change) -> Option<String> {
    let mut lab = Lab::stored(1, 2);
    lab.clear_with_disk(NODE);
    change(lab.volume(NODE));
    let plan = lab.plan();
    let until = waits(&plan, "work-1/volume").map(str::to_owned);
    let makes = ids(&plan).contains(&"work-1/volume/make");
    assert_eq!(makes, until.is_none(), "{until:?}");
    until
}

const REFUSED: &[(Change, &str)] = &[
    (|seen| seen.disk = Fact::Absent, "there is no such disk"),
    (|seen| seen.disk = Fact::Unknown("no answer".into()), "it can't be looked at: no answer"),
    (|seen| _ = disk(seen).traits.insert(DiskTrait::NoDevice), "it is no block device"),
    (|seen| _ = disk(seen).traits.insert(DiskTrait::Partition), "it is a partition"),
    (|seen| _ = disk(seen).traits.insert(DiskTrait::Layer), "it is a layer over other disks"),
    (|seen| _ = disk(seen).traits.insert(DiskTrait::ReadOnly), "it can't be written"),
    (|seen| _ = disk(seen).traits.insert(DiskTrait::System), "the system runs from it"),
    (|seen| _ = disk(seen).traits.insert(DiskTrait::Swap), "it is swapped to"),
    (|seen| _ = disk(seen).traits.insert(DiskTrait::Partitioned), "it has partitions"),
    (|seen| _ = disk(seen).traits.insert(DiskTrait::Held), "something stands on it"),
    (|seen| _ = disk(seen).traits.insert(DiskTrait::Unreadable), "what it holds can't be read"),
    (|seen| _ = disk(seen).mounted.insert("/mnt".into()), "it is mounted at /mnt"),
    (|seen| _ = disk(seen).signatures.insert("ext4".into()), "it holds ext4"),
    (|seen| _ = disk(seen).signatures.insert("gpt".into()), "it holds gpt"),
    (|seen| _ = disk(seen).signatures.insert("LVM2_member".into()), "it holds LVM2_member"),
    (|seen| _ = disk(seen).signatures.insert("linux_raid_member".into()), "it holds linux_raid_member"),
    (|seen| _ = disk(seen).signatures.insert("crypto_LUKS".into()), "it holds crypto_LUKS"),
    (|seen| _ = disk(seen).signatures.insert("swap".into()), "it holds swap"),
    (|seen| disk(seen).blank = Some(false), "its first or last 16 MiB are not empty"),
    (|seen| disk(seen).blank = None, "its first or last 16 MiB are not empty"),
    (|seen| disk(seen).identity = "naa.0000000000000000".into(), "its own id is naa.0000000000000000"),
    (|seen| disk(seen).identity = "0x0".into(), "its own id is 0x0"),
    (|seen| _ = disk(seen).twins.insert("sdc".into()), "sdc of the same host has the same id"),
    (
        |seen| seen.note = Some(note("/dev/disk/by-id/other", "u", false)),
        "this node's volume is on /dev/disk/by-id/other",
    ),
    (|seen| seen.note = Some(note("/dev/disk/by-id/wwn-0x1", "u", true)), "its file system was made as u"),
];

fn note(disk: &str, uuid: &str, made: bool) -> VolumeNote {
    VolumeNote { disk: disk.to_owned(), uuid: uuid.to_owned(), members: BTreeMap::new(), made }
}

#[test]
fn each_reason_is_told_with_what_to_do() {
    for (change, words) in REFUSED {
        let told = refused_after(*change).unwrap_or_else(|| panic!("not refused: {words}"));
        let begins = format!("/dev/disk/by-id/wwn-0x1 of work-1 can be used: {words}");
        assert!(told.starts_with(&begins), "{told}");
    }
    assert_eq!(refused_after(|_| {}), None, "an empty one is used");
    assert_eq!(refused_after(|seen| disk(seen).identity.clear()), None, "also one without a number of its own");
}

#[test]
fn a_disk_that_two_nodes_see_is_refused_on_both() {
    let mut lab = Lab::stored(1, 2);
    lab.clear_with_disk(NODE);
    lab.clear_with_disk("work-2");
    let identity = lab.disk("work-2").identity.clone();
    lab.disk(NODE).identity = identity;
    let plan = lab.plan();
    for (node, other) in [(NODE, "work-2"), ("work-2", NODE)] {
        let until = waits(&plan, &format!("{node}/volume")).unwrap();
        assert!(until.contains(&format!("{other} sees a disk with the same id")), "{until}");
    }
}

/// A disk that an earlier run began.
fn begun() -> Lab {
    let mut lab = Lab::stored(1, 2);
    let uuid = lab.disk(NODE).uuid.clone();
    lab.clear_with_disk(NODE);
    lab.volume(NODE).note = Some(note("/dev/disk/by-id/wwn-0x1", &uuid, false));
    lab.disk(NODE).blank = Some(false);
    lab
}

#[test]
fn what_an_earlier_run_began_is_made_again() {
    let mut lab = begun();
    assert!(ids(&lab.plan()).contains(&"work-1/volume/make"), "half a file system has no name yet");
    let uuid = lab.volume(NODE).note.as_ref().unwrap().uuid.clone();
    lab.disk(NODE).signatures.insert("ext4".into());
    assert!(waits(&lab.plan(), "work-1/volume").is_some(), "a file system of somebody else");
    lab.disk(NODE).uuid = uuid;
    assert!(ids(&lab.plan()).contains(&"work-1/volume/make"), "just this file system");
    lab.disk(NODE).signatures.insert("gpt".into());
    assert!(waits(&lab.plan(), "work-1/volume").unwrap().contains("it holds gpt"), "and something else besides");
}

#[test]
fn a_volume_whose_disk_is_another_one_now_is_lost_and_nothing_is_made_there() {
    let mut lab = Lab::stored(1, 1);
    lab.disk(NODE).uuid.clear();
    lab.disk(NODE).signatures.clear();
    let plan = lab.plan();
    let until = waits(&plan, "work-1/volume").unwrap();
    assert!(until.contains("the volume was made on it, and now it holds nothing of it"), "{until}");
    assert_eq!(ids(&plan), [""; 0]);
}

#[test]
fn a_disk_that_shrank_below_its_file_system_is_told() {
    let mut lab = Lab::stored(1, 1);
    lab.disk(NODE).bytes = 400_000_000_000;
    let plan = lab.plan();
    let until = waits(&plan, "work-1/volume").unwrap();
    assert!(until.contains("it has 400000000000 bytes and the file system on it 499998765056"), "{until}");
}

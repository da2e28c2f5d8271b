//! Volume groups of the world: joined once, whatever cuts it off, grown, and never made of what others use.

use fmp_core::resource::lvm::{LogicalVolume, LvmId};
use fmp_exec::provider::GroupQuestion;
use fmp_plan::action::{GROWTH_BYTES, GroupWrite, MemberWrite};

use super::*;

const DISKS: [&str; 3] = ["/dev/disk/by-id/wwn-0xa", "/dev/disk/by-id/wwn-0xb", "/dev/disk/by-id/wwn-0xc"];
const DEVICE: &str = "/dev/fmp/data";

/// A world whose work node has three empty disks.
fn stored() -> World {
    let mut world = world(Environment::Ssh);
    world.plug_in(&[(node("work-1"), DISKS.map(str::to_owned).into())].into());
    world
}

/// The group over the first disks, so many of them.
fn group(disks: usize) -> GroupWrite {
    let member = |disk: &&str| MemberWrite {
        disk: (*disk).into(),
        id: LvmId::of_disk("lab", &node("work-1"), disk),
        before: None,
    };
    let logical = LogicalVolume { group: "fmp".into(), volume: "data".into() };
    GroupWrite { logical, disks: DISKS[..disks].iter().map(member).collect() }
}

fn uuid() -> Uuid {
    Uuid::of_volume("lab", &node("work-1"), DEVICE)
}

fn make() -> Action {
    let (filesystem, group) = (Filesystem::Xfs, Some(group(2)));
    Action::MakeVolume { disk: DEVICE.into(), filesystem, uuid: uuid(), before: None, group }
}

fn grow(disks: usize) -> Action {
    let (filesystem, group) = (Filesystem::Xfs, Some(group(disks)));
    Action::GrowVolume { disk: DEVICE.into(), filesystem, uuid: uuid(), directory: "/srv/fmp".into(), bytes: 0, group }
}

fn seen(world: &World) -> fmp_core::observed::VolumeSeen {
    let disks = DISKS.map(Into::into).into();
    let group = Some(GroupQuestion { name: "fmp".into(), disks });
    let ask = VolumeQuestion { disk: DEVICE.into(), group, filesystem: Filesystem::Xfs, directories: Vec::new() };
    world.hosts[&node("work-1")].volume_seen(&ask)
}

/// Carries out a step that is cut off after so many strokes, until it is not cut off any more: one more than it has.
fn cut_off_everywhere(prepare: fn() -> World, action: &Action) -> u32 {
    let (step, cx) = (step_of("work-1", action.clone()), Context { epoch: 1, ..Context::default() });
    for strokes in 0.. {
        let mut world = prepare();
        if world.carry_out(&cx, &step, Some(strokes)).is_ok() {
            return strokes;
        }
        // After the last stroke only the answer is lost.
        let finished = world.apply(&cx, &step).unwrap();
        assert!(matches!(finished, Applied::Done | Applied::AlreadyDone), "{strokes}: {finished:?}");
        assert_eq!(world.apply(&cx, &step).unwrap(), Applied::AlreadyDone, "{strokes}");
        let found = seen(&world);
        let group = found.group.unwrap();
        let group = group.group.known().unwrap().clone();
        assert_eq!((group.free_bytes, group.volumes["data"]), (0, found.disk.known().unwrap().bytes), "{strokes}");
        assert_eq!(found.note.unwrap().members.len(), group.members.len(), "{strokes}");
    }
    unreachable!("there is a last stroke")
}

#[test]
fn a_group_that_was_cut_off_at_any_moment_is_finished_by_the_same_step() {
    assert_eq!(cut_off_everywhere(stored, &make()), 12);
}

#[test]
fn growth_that_was_cut_off_at_any_moment_is_finished_by_the_same_step() {
    let made = || {
        let mut world = stored();
        done(&mut world, "work-1", make());
        world.enlarge_disk(&node("work-1"), 10);
        world
    };
    assert_eq!(cut_off_everywhere(made, &grow(3)), 10);
    let mut world = made();
    let bytes = |world: &World| seen(world).disk.known().unwrap().bytes;
    let before = bytes(&world);
    done(&mut world, "work-1", grow(2));
    assert_eq!(bytes(&world) - before, 10_000_000_000, "the disk that grew");
    done(&mut world, "work-1", grow(3));
    assert!(bytes(&world) - before > 500_000_000_000 - GROWTH_BYTES, "and the new one");
    assert_eq!(apply(&mut world, "work-1", grow(3), &[]).unwrap(), Applied::AlreadyDone);
}

#[test]
fn a_disk_of_somebody_else_is_not_joined_by_the_world_either() {
    let mut world = stored();
    world.use_disk(&node("work-1"), "LVM2_member");
    assert!(matches!(apply(&mut world, "work-1", make(), &[]).unwrap(), Applied::Stale(_)));
    assert_eq!(seen(&world).note, None, "nothing was begun");
    world.empty_disk(&node("work-1"));
    done(&mut world, "work-1", make());
    let found = seen(&world).group.unwrap();
    let first = found.disks[DISKS[0]].known().unwrap();
    assert_eq!((first.uuid.as_str(), first.blank), (LvmId::of_disk("lab", &node("work-1"), DISKS[0]).as_str(), None));
}

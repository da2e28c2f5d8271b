//! What is done about a volume group, by what is seen of it.

use std::collections::{BTreeMap, BTreeSet};

use fmp_core::{
    observed::{DiskTrait, Fact, MemberSeen, PackagesSeen},
    spec::Packages,
};

use crate::{
    action::{Action, GROWTH_BYTES, GroupWrite},
    plan::Plan,
    testing::{Lab, comes_after, ids, step, waits},
};

const NODE: &str = "work-1";
const FIRST: &str = "/dev/disk/by-id/wwn-0x1a";
const SECOND: &str = "/dev/disk/by-id/wwn-0x1b";

fn volume_steps(plan: &Plan) -> Vec<&str> {
    ids(plan).into_iter().filter_map(|id| id.strip_prefix("work-1/volume/")).collect()
}

/// Disks of a step of the group, and whether each was compared.
fn disks(group: &GroupWrite) -> Vec<(&str, bool)> {
    group.disks.iter().map(|member| (&*member.disk, member.before.is_some())).collect()
}

#[test]
fn a_volume_group_that_is_mounted_is_in_sync() {
    let plan = Lab::joined(1, 2).plan();
    assert_eq!((ids(&plan), &plan.waiting), (Vec::new(), &Vec::new()));
}

#[test]
fn empty_disks_are_joined_before_anything_lies_in_their_directories() {
    let mut lab = Lab::joined(1, 2);
    lab.clear_with_disk(NODE);
    let plan = lab.plan();
    assert_eq!(volume_steps(&plan), ["make", "mount", "units"]);
    let Action::MakeVolume { disk, before: None, group: Some(group), .. } = &step(&plan, "work-1/volume/make").action
    else {
        panic!("{:#?}", plan.steps)
    };
    assert_eq!((&**disk, disks(group)), ("/dev/fmp/data", vec![(FIRST, true), (SECOND, true)]));
    assert!(comes_after(&plan, "work-1/volume/mount", "work-1/volume/make"));
    assert!(comes_after(&plan, "work-1/unit/containerd.service", "work-1/volume/mount"));
    assert_eq!(crate::lint::lint(&plan), []);
    let why = "ext4 on /dev/fmp/data over /dev/disk/by-id/wwn-0x1a, /dev/disk/by-id/wwn-0x1b with 1000.0 GB";
    assert!(plan.changes.iter().any(|change| change.why.iter().any(|words| words == why)), "{:#?}", plan.changes);
}

#[test]
fn a_machine_that_is_yet_to_come_has_a_plan_that_is_whole() {
    let mut lab = Lab::joined(1, 1);
    lab.seen.hosts.insert(NODE.parse().unwrap(), Fact::Absent);
    let plan = lab.plan();
    assert_eq!(volume_steps(&plan), ["make", "mount", "units"]);
    let Action::MakeVolume { group: Some(group), .. } = &step(&plan, "work-1/volume/make").action else { panic!() };
    assert_eq!(disks(group), [(FIRST, false), (SECOND, false)]);
    assert_eq!(crate::lint::lint(&plan), []);
}

#[test]
fn a_host_without_the_programs_says_which_package_brings_them() {
    let mut lab = Lab::joined(1, 1);
    lab.host(NODE).facts.programs.remove("vgextend");
    assert_eq!(waits(&lab.plan(), "work-1/volume"), Some("work-1 has `vgextend`: `apt-get install lvm2` there"));
}

#[test]
fn a_host_that_gets_the_programs_as_packages_waits_for_nobody() {
    let mut lab = Lab::joined(1, 1);
    lab.clear_with_disk(NODE);
    lab.spec.packages = Packages::Repository;
    for host in lab.seen.hosts.values_mut() {
        let Fact::Known(host) = host else { panic!("{host:?}") };
        host.facts.programs.clear();
        host.packages = Some(PackagesSeen { there: Fact::Known(BTreeMap::new()), begun: BTreeSet::new() });
    }
    let plan = lab.plan();
    assert_eq!(volume_steps(&plan), ["make", "mount", "units"]);
    assert!(comes_after(&plan, "work-1/volume/make", "work-1/packages"));
    assert_eq!(crate::lint::lint(&plan), []);
}

/// The plan's one step is to grow, for this reason; it is given.
fn grows(lab: &Lab, why: &str) -> GroupWrite {
    let plan = lab.plan();
    assert_eq!(volume_steps(&plan), ["grow"], "{why}: {:#?}", plan.waiting);
    assert_eq!(plan.changes[0].why, [why]);
    assert_eq!(crate::lint::lint(&plan), []);
    match &step(&plan, "work-1/volume/grow").action {
        Action::GrowVolume { group: Some(group), .. } => group.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_group_grows_with_one_of_its_disks_and_not_for_crumbs() {
    let mut lab = Lab::joined(1, 1);
    lab.beneath(NODE, SECOND).bytes += 2 * GROWTH_BYTES;
    let group = grows(&lab, "/dev/disk/by-id/wwn-0x1b has grown to 500.1 GB");
    assert_eq!(disks(&group), [(FIRST, false), (SECOND, false)]);
    let mut lab = Lab::joined(1, 1);
    lab.beneath(NODE, SECOND).bytes += GROWTH_BYTES / 2;
    assert_eq!(volume_steps(&lab.plan()), [""; 0]);
}

#[test]
fn a_disk_that_is_named_besides_joins_the_group() {
    const THIRD: &str = "/dev/disk/by-id/wwn-0x1c";
    let mut lab = Lab::joined(1, 1);
    lab.spec.nodes.get_mut(NODE).unwrap().disks.insert(THIRD.to_owned());
    let mut third = lab.beneath(NODE, FIRST).clone();
    (third.device, third.identity, third.blank) = ("sdd".into(), "naa.3".into(), Some(true));
    third.signatures.clear();
    third.traits.clear();
    third.mounted.clear();
    third.uuid.clear();
    let add = |lab: &mut Lab, third: &fmp_core::observed::DiskSeen| {
        let seen = Fact::Known(third.clone());
        lab.volume(NODE).group.as_mut().unwrap().disks.insert(THIRD.to_owned(), seen);
    };
    add(&mut lab, &third);
    let group = grows(&lab, "/dev/disk/by-id/wwn-0x1c with 500.0 GB is to join it");
    assert_eq!(disks(&group), [(FIRST, false), (SECOND, false), (THIRD, true)]);
    third.signatures.insert("xfs".into());
    add(&mut lab, &third);
    let until = waits(&lab.plan(), "work-1/volume").map(str::to_owned);
    assert!(until.unwrap().starts_with("/dev/disk/by-id/wwn-0x1c of work-1 can be used: it holds xfs"));
}

#[test]
fn what_a_run_that_was_cut_off_left_unused_is_used() {
    let mut lab = Lab::joined(1, 1);
    lab.group(NODE).free_bytes = 5 * GROWTH_BYTES;
    grows(&lab, "0.3 GB of its volume group are not used");
    let mut lab = Lab::joined(1, 1);
    lab.disk(NODE).bytes += 10 * GROWTH_BYTES;
    grows(&lab, "its logical volume has grown to 1000.6 GB");
}

#[test]
fn a_plan_rests_on_every_disk_and_on_the_group() {
    let mut lab = Lab::joined(1, 1);
    lab.clear_with_disk(NODE);
    let plan = lab.plan();
    assert_eq!(crate::changed(&plan, &lab.seen), []);
    lab.beneath(NODE, SECOND).device = "sdz".to_owned();
    assert_eq!(crate::changed(&plan, &lab.seen), [], "the kernel may call it otherwise");
    lab.beneath(NODE, SECOND).traits.insert(DiskTrait::Held);
    assert_eq!(crate::changed(&plan, &lab.seen).len(), 1);
    let mut lab = Lab::joined(1, 1);
    lab.group(NODE).free_bytes = 5 * GROWTH_BYTES;
    let plan = lab.plan();
    let used = MemberSeen { device: "/dev/sdx".into(), bytes: 1 };
    lab.group(NODE).members = BTreeMap::from([("x".to_owned(), used)]);
    assert_eq!(crate::changed(&plan, &lab.seen).len(), 1);
}

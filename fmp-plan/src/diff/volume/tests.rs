//! What is done about a volume, by what is seen of it.

use fmp_core::observed::DirectorySeen;

use super::*;
use crate::testing::{Lab, comes_after, ids, step, waits};

const NODE: &str = "work-1";

fn volume_steps(lab: &Lab) -> Vec<String> {
    let plan = lab.plan();
    ids(&plan).into_iter().filter_map(|id| id.strip_prefix("work-1/volume/")).map(str::to_owned).collect()
}

#[test]
fn a_volume_that_is_mounted_is_in_sync() {
    let plan = Lab::stored(1, 2).plan();
    assert_eq!((ids(&plan), &plan.waiting), (Vec::new(), &Vec::new()));
}

#[test]
fn an_empty_disk_is_made_a_volume_before_anything_lies_in_its_directories() {
    let mut lab = Lab::stored(1, 2);
    lab.clear_with_disk(NODE);
    let plan = lab.plan();
    assert_eq!(volume_steps(&lab), ["make", "mount", "units"]);
    let Action::MakeVolume { disk, before: Some(before), .. } = &step(&plan, "work-1/volume/make").action else {
        panic!("{:#?}", plan.steps)
    };
    assert_eq!((&**disk, before.bytes), ("/dev/disk/by-id/wwn-0x1", 500_000_000_000));
    assert!(comes_after(&plan, "work-1/volume/mount", "work-1/volume/units"));
    assert!(comes_after(&plan, "work-1/volume/units", "work-1/volume/make"));
    assert!(comes_after(&plan, "work-1/volume/make", "work-1/trust"), "the ledger names the cluster");
    for later in ["files", "certificates", "unit/containerd.service", "unit/kubelet.service"] {
        assert!(comes_after(&plan, &format!("work-1/{later}"), "work-1/volume/mount"), "{later}");
    }
    assert_eq!(crate::lint::lint(&plan), []);
    assert!(plan.changes.iter().any(|change| change.id == "work-1/volume" && change.verb == Verb::Create));
}

#[test]
fn a_machine_that_is_yet_to_come_has_a_plan_that_is_whole() {
    let mut lab = Lab::stored(1, 1);
    lab.seen.hosts.insert(NODE.parse().unwrap(), Fact::Absent);
    let plan = lab.plan();
    assert_eq!(volume_steps(&lab), ["make", "mount", "units"]);
    assert!(matches!(step(&plan, "work-1/volume/make").action, Action::MakeVolume { before: None, .. }));
    assert_eq!(crate::lint::lint(&plan), []);
}

#[test]
fn data_in_a_directory_holds_up_its_node_alone() {
    let mut lab = Lab::stored(1, 2);
    lab.clear_with_disk(NODE);
    let holds = DirectorySeen::Holds("pki".to_owned());
    lab.volume(NODE).directories.insert("/var/lib/kubelet".to_owned(), holds);
    lab.edit("work-2", "/etc/crictl.yaml");
    let plan = lab.plan();
    let until = waits(&plan, "work-1/volume").unwrap();
    assert!(until.starts_with("/var/lib/kubelet on work-1 is empty: it holds `pki`"), "{until}");
    assert!(ids(&plan).contains(&"work-2/files"));
    for step in ["work-1/unit/containerd.service", "work-1/unit/kubelet.service"] {
        assert!(!ids(&plan).contains(&step), "{:?}", ids(&plan));
    }
    let Action::WriteFiles { files, .. } = &step(&plan, "work-1/files").action else { panic!() };
    assert!(
        files.iter().all(|file| !file.path.starts_with("/var/lib/kubelet/")),
        "nothing is added to what is in the way"
    );
}

#[test]
fn what_others_mounted_there_is_left_to_them() {
    for seen in [DirectorySeen::Others("/dev/sdc".into()), DirectorySeen::Ours("/elsewhere".into())] {
        let mut lab = Lab::stored(1, 1);
        lab.volume(NODE).directories.insert("/var/lib/kubelet".to_owned(), seen);
        let plan = lab.plan();
        let until = waits(&plan, "work-1/volume").unwrap_or_else(|| panic!("{plan:#?}"));
        assert!(until.starts_with("/var/lib/kubelet on work-1 is free: "), "{until}");
        assert_eq!(volume_steps(&lab), [""; 0]);
    }
}

#[test]
fn what_was_unmounted_is_mounted_again_and_nothing_else() {
    let mut lab = Lab::stored(1, 1);
    lab.volume(NODE).directories.insert("/var/lib/kubelet".to_owned(), DirectorySeen::Free);
    assert_eq!(volume_steps(&lab), ["mount"]);
    assert_eq!(lab.plan().changes[0].why, ["not mounted at /var/lib/kubelet"]);
    let mut lab = Lab::stored(1, 1);
    lab.unit(NODE, "var-lib-kubelet.mount").enabled = "disabled".to_owned();
    assert_eq!(volume_steps(&lab), ["mount"], "it would be gone after the next boot");
}

#[test]
fn a_unit_of_a_mount_that_was_edited_is_written_again() {
    let mut lab = Lab::stored(1, 1);
    lab.edit_beneath(NODE, "/etc/systemd/system/srv-fmp.mount");
    assert_eq!(volume_steps(&lab), ["units"]);
    assert_eq!(crate::lint::lint(&lab.plan()), []);
}

#[test]
fn a_file_system_grows_with_its_disk_and_not_for_crumbs() {
    let mut lab = Lab::stored(1, 1);
    lab.disk(NODE).bytes += GROWTH_BYTES;
    assert_eq!(volume_steps(&lab), ["grow"]);
    let plan = lab.plan();
    let Action::GrowVolume { bytes, directory, .. } = &step(&plan, "work-1/volume/grow").action else { panic!() };
    assert_eq!((*bytes, &**directory), (500_000_000_000 + GROWTH_BYTES, "/srv/fmp"));
    assert_eq!(plan.changes[0].why, ["its disk has grown to 500.0 GB"]);
    let mut lab = Lab::stored(1, 1);
    lab.disk(NODE).bytes += GROWTH_BYTES / 2;
    assert_eq!(volume_steps(&lab), [""; 0]);
}

#[test]
fn a_host_without_the_programs_says_which_package_brings_them() {
    let mut lab = Lab::stored(1, 1);
    lab.clear_with_disk(NODE);
    lab.host(NODE).facts.programs.clear();
    assert_eq!(waits(&lab.plan(), "work-1/volume"), Some("work-1 has `mkfs.ext4`: `apt-get install e2fsprogs` there"));
}

#[test]
fn a_plan_rests_on_the_disk() {
    let mut lab = Lab::stored(1, 1);
    lab.clear_with_disk(NODE);
    let plan = lab.plan();
    assert_eq!(crate::changed(&plan, &lab.seen), []);
    lab.disk(NODE).device = "sdc".to_owned();
    assert_eq!(crate::changed(&plan, &lab.seen), [], "the kernel may call it otherwise");
    lab.disk(NODE).blank = Some(false);
    assert_eq!(crate::changed(&plan, &lab.seen).len(), 1);
}

#[test]
fn a_unit_of_somebody_else_at_our_path_makes_a_host_foreign() {
    let mut lab = Lab::stored(1, 1);
    lab.host(NODE).ledger.remove("file/etc/systemd/system/var-lib-kubelet.mount").unwrap();
    let plan = lab.plan();
    assert!(plan.waiting[0].until.contains("var-lib-kubelet.mount is there and no ledger owns it"), "{plan:#?}");
}

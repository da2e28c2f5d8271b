//! What is done to a unit, by what systemd and its stamp say.

use fmp_core::Digest;

use super::*;
use crate::{
    Plan,
    testing::{Lab, ids, step, waits},
};

const KUBELET: &str = "kubelet.service";
const STEP: &str = "work-1/unit/kubelet.service";

/// The plan after `change` befell the kubelet's unit of a settled cluster.
fn planned(change: impl FnOnce(&mut UnitSeen)) -> Plan {
    let mut lab = Lab::settled(1, 1);
    change(lab.unit("work-1", KUBELET));
    lab.plan()
}

/// What is done to the kubelet then.
#[track_caller]
fn check(change: impl FnOnce(&mut UnitSeen), action: &Action, why: &str) {
    let plan = planned(change);
    let step = step(&plan, STEP);
    assert_eq!((&step.action, step.reason.as_str()), (action, why));
}

fn name() -> Arc<str> {
    KUBELET.into()
}

fn restart(before: UnitBefore) -> Action {
    Action::RestartUnit { unit: name(), before }
}

fn set(unit: &mut UnitSeen, active: &str) {
    active.clone_into(&mut unit.active);
}

#[test]
fn a_failed_unit_is_started_and_nothing_is_disturbed_by_that() {
    check(|unit| set(unit, "failed"), &Action::StartUnit { unit: name() }, "it is failed");
    assert!(step(&planned(|unit| set(unit, "failed")), STEP).disrupts.is_empty());
}

#[test]
fn a_unit_that_is_starting_with_the_right_inputs_is_only_waited_for() {
    check(|unit| set(unit, "activating"), &Action::StartUnit { unit: name() }, "it is activating");
}

#[test]
fn a_unit_that_hangs_on_its_way_up_with_other_inputs_is_restarted() {
    let hangs = |unit: &mut UnitSeen| {
        set(unit, "activating");
        unit.stamp.as_mut().unwrap().0.values_mut().for_each(|value| *value = "older".into());
    };
    let mut lab = Lab::settled(1, 1);
    hangs(lab.unit("work-1", "containerd.service"));
    let plan = lab.plan();
    let step = step(&plan, "work-1/unit/containerd.service");
    let restart = Action::RestartUnit { unit: "containerd.service".into(), before: UnitBefore::Starting };
    assert_eq!(step.action, restart, "it must not have come up meanwhile");
    assert!(step.disrupts.is_empty(), "it does not run");
    // What systemd takes for active at once has no process while it is on its way up.
    check(hangs, &Action::StartUnit { unit: name() }, "it is activating");
}

#[test]
fn a_unit_whose_start_has_read_nothing_yet_is_only_waited_for() {
    const CONTAINERD: &str = "work-1/unit/containerd.service";
    let mut lab = Lab::settled(1, 1);
    let unit = lab.unit("work-1", "containerd.service");
    set(unit, "activating");
    unit.stamp = None;
    "start-pre".clone_into(&mut unit.sub);
    let start = Action::StartUnit { unit: "containerd.service".into() };
    assert_eq!(step(&lab.plan(), CONTAINERD).action, start, "what it will read lies there");
    lab.unit("work-1", "containerd.service").needs_reload = true;
    let restart = Action::RestartUnit { unit: "containerd.service".into(), before: UnitBefore::Starting };
    assert_eq!(step(&lab.plan(), CONTAINERD).action, restart, "it starts as systemd knows it");
    lab.unit("work-1", "containerd.service").needs_reload = false;
    // Whose process hangs, and nobody knows with what.
    "start".clone_into(&mut lab.unit("work-1", "containerd.service").sub);
    assert_eq!(step(&lab.plan(), CONTAINERD).action, restart);
    // What changes while it reads: it may have read either.
    "start-pre".clone_into(&mut lab.unit("work-1", "containerd.service").sub);
    lab.edit("work-1", "/etc/fmp/containerd.toml");
    assert_eq!(step(&lab.plan(), CONTAINERD).action, restart);
}

#[test]
fn a_unit_that_reads_its_configuration_again_goes_on_serving() {
    let plan = planned(|unit| {
        set(unit, "reloading");
        unit.stamp = None;
    });
    assert_eq!(step(&plan, STEP).action, restart(UnitBefore::Active));
    assert!(!step(&plan, STEP).disrupts.is_empty(), "its restart takes something away");
}

#[test]
fn a_unit_without_a_stamp_is_restarted() {
    let why = "what it read at its start is not known";
    check(|unit| unit.stamp = None, &restart(UnitBefore::Active), why);
}

#[test]
fn a_disabled_unit_is_enabled_and_runs_on() {
    let why = "it is disabled: it would not start at the next boot";
    check(|unit| unit.enabled = "disabled".into(), &Action::EnableUnit { unit: name() }, why);
}

#[test]
fn a_masked_unit_waits_for_whoever_masked_it() {
    let plan = planned(|unit| unit.enabled = "masked".into());
    assert_eq!(waits(&plan, STEP), Some("work-1 no longer masks kubelet.service: `systemctl unmask kubelet.service`"));
    assert_eq!(ids(&plan), Vec::<&str>::new());
}

#[test]
fn an_older_unit_file_in_systemds_memory_asks_for_a_reload_of_systemd_alone() {
    let why = "systemd holds an older version of its files";
    check(|unit| unit.needs_reload = true, &Action::EnableUnit { unit: name() }, why);
}

#[test]
fn a_drop_in_of_the_unit_goes_and_one_for_all_services_stays() {
    let with = |path: &str| planned(|unit| _ = unit.drop_ins.insert(path.into(), Digest::of("x")));
    let plan = with("/etc/systemd/system/kubelet.service.d/override.conf");
    assert_eq!(ids(&plan), ["work-1/files", STEP]);
    assert_eq!(step(&plan, STEP).after, [step(&plan, "work-1/files").id.clone()]);
    assert_eq!(ids(&with("/run/systemd/system/service.d/zzz-lxc-service.conf")), Vec::<&str>::new());
}

#[test]
fn a_file_that_was_edited_after_the_start_asks_for_a_restart_too() {
    let mut lab = Lab::settled(1, 1);
    lab.edit_beneath("work-1", "/var/lib/kubelet/config.yaml");
    assert_eq!(ids(&lab.plan()), ["work-1/files", STEP]);
}

#[test]
fn a_file_that_was_edited_and_read_asks_for_a_restart() {
    let mut lab = Lab::settled(1, 1);
    lab.edit("work-1", "/var/lib/kubelet/config.yaml");
    let plan = lab.plan();
    assert_eq!(ids(&plan), ["work-1/files", STEP]);
    assert_eq!(step(&plan, STEP).reason, "/var/lib/kubelet/config.yaml changes");
}

#[test]
fn a_program_that_was_replaced_beneath_its_process_asks_for_a_restart() {
    let mut lab = Lab::settled(1, 1);
    let older = |(path, value): (&String, &mut String)| {
        if path.ends_with("kubelet") {
            "stat:older".clone_into(value);
        }
    };
    lab.unit("work-1", KUBELET).stamp.as_mut().unwrap().0.iter_mut().for_each(older);
    let plan = lab.plan();
    assert!(step(&plan, STEP).reason.ends_with("changed after its start"), "{}", step(&plan, STEP).reason);
}

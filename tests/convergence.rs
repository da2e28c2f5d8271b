//! Plan, apply, observe, plan again: the second plan is empty. In a world in memory, with the real executor.

#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

mod support;

use std::fs;

use fmp::{
    core::observed::Observed,
    planner::{Standing, safety::broken_skew},
};
use support::{Lab, node};

fn file(fixture: &str) -> String {
    fs::read_to_string(support::fixtures().join(fixture).join("cluster.toml")).unwrap()
}

/// The cluster's file with another version of Kubernetes.
fn at(version: &str) -> String {
    file("ssh-7").replace("1.29.15", version)
}

async fn settled(fixture: &str) -> Lab {
    Lab::settled(&file(fixture)).await
}

#[tokio::test]
async fn a_cluster_on_bare_hosts_is_one_plan_away() {
    assert_eq!(Lab::new("ssh-7").converge().await, 1);
}

#[tokio::test]
async fn a_local_cluster_converges() {
    assert!(Lab::new("local-7").converge().await <= 2);
}

#[tokio::test]
async fn a_file_edited_by_hand_is_one_plan_away() {
    let lab = settled("ssh-7").await;
    lab.world.lock().edit_file(&node("work-1"), "/etc/fmp/node.env", "NODE_NAME=work-9\n");
    assert_eq!(lab.converge().await, 1);
}

#[tokio::test]
async fn a_drop_in_that_nobody_ordered_is_one_plan_away() {
    let lab = settled("ssh-7").await;
    lab.world.lock().add_drop_in(&node("work-1"), "kubelet.service", "[Service]\nNice=5\n");
    lab.world.lock().restart(&node("work-1"), "kubelet.service");
    assert_eq!(lab.converge().await, 1);
}

#[tokio::test]
async fn a_disabled_unit_is_one_plan_away() {
    let lab = settled("ssh-7").await;
    lab.world.lock().disable_unit(&node("main-2"), "kube-apiserver.service");
    assert_eq!(lab.converge().await, 1);
}

#[tokio::test]
async fn a_power_cut_of_everything_leaves_nothing_to_do() {
    let lab = settled("ssh-7").await;
    for name in lab.spec.nodes.keys() {
        lab.world.lock().power_off(name);
    }
    for name in lab.spec.nodes.keys() {
        lab.world.lock().power_on(name);
    }
    assert_eq!(lab.converge().await, 0);
}

#[tokio::test]
async fn a_wiped_member_comes_back_as_a_learner() {
    let lab = settled("ssh-7").await;
    lab.world.lock().wipe_etcd(&node("main-1"));
    assert!(lab.converge().await <= 2);
}

/// One plan is applied, and what `holds` tells holds after each of its steps; then nothing is left.
async fn one_plan(lab: &Lab, holds: impl Fn(&Observed) -> Vec<String> + Sync) {
    let plan = lab.plan();
    assert_eq!(plan.waiting, []);
    let mut broken = Vec::new();
    let outcome = lab.apply_watching(&plan, &mut |seen| broken.extend(holds(seen))).await;
    assert!(outcome.complete(), "{:#?}", (outcome.failed, outcome.stale));
    assert_eq!(broken, Vec::<String>::new());
    let plan = lab.plan();
    assert_eq!(plan.standing(), Standing::InSync, "{:#?}", (plan.changes, plan.waiting));
}

#[tokio::test]
async fn an_upgrade_by_one_minor_is_one_plan_that_keeps_the_skew_at_each_step() {
    let mut lab = Lab::settled(&at("1.28.15")).await;
    lab.want(&at("1.29.15"));
    one_plan(&lab, |seen| broken_skew(&lab.spec, seen)).await;
    let Some(api) = lab.observed().api.known().cloned() else { panic!("no API") };
    assert!(api.nodes.values().all(|node| node.kubelet_version == "v1.29.15"), "{:?}", api.nodes);
}

#[tokio::test]
async fn an_upgrade_that_broke_off_goes_on() {
    let mut lab = Lab::settled(&at("1.28.15")).await;
    lab.want(&at("1.29.15"));
    let mut plan = lab.plan();
    // Whatever comes after the first main's apiserver never happens.
    let last = plan.steps.iter().position(|step| step.id.as_str() == "main-1/unit/kube-apiserver.service").unwrap();
    let kept: std::collections::BTreeSet<_> = {
        let mut kept = std::collections::BTreeSet::new();
        let mut open = vec![last];
        while let Some(at) = open.pop() {
            if kept.insert(plan.steps[at].id.clone()) {
                let place = |id: &fmp::planner::StepId| plan.steps.iter().position(|step| step.id == *id);
                open.extend(plan.steps[at].after.iter().filter_map(place));
            }
        }
        kept
    };
    plan.steps.retain(|step| kept.contains(&step.id));
    assert!(lab.apply(&plan).await.complete());
    one_plan(&lab, |seen| broken_skew(&lab.spec, seen)).await;
}

#[tokio::test]
async fn two_minors_at_once_are_refused() {
    let mut lab = Lab::settled(&at("1.27.16")).await;
    lab.want(&at("1.29.15"));
    let plan = lab.plan();
    assert_eq!(plan.standing(), Standing::Blocked);
    assert_eq!(plan.waiting[0].what, "kubernetes 1.29.15");
}

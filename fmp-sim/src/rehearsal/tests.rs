//! Rehearsals of worlds that stand, that were broken by hand, and that are bare.

use std::sync::Arc;

use fmp_core::observed::{Fact, PodSet};

use super::*;
use crate::{
    scenario::{Catalog, Shape},
    testing::LOCK,
    world::Pace,
};

fn catalog() -> Catalog {
    Catalog::new(LOCK)
}

/// The image of a world plans the same as the world itself.
#[track_caller]
fn mirrors(case: &Arc<Case>, world: &World) -> World {
    let mut observed = world.observe(&case.questions);
    for host in observed.hosts.values_mut() {
        if let Fact::Known(host) = host {
            host.facts.addresses.insert([10, 244, 0, 1].into());
        }
    }
    let image = case.mirror(&observed, Pace::Machines).unwrap();
    assert_eq!(plan(case, &image).unwrap().steps, case.plan(&observed).unwrap().steps);
    image
}

#[test]
fn the_image_of_a_world_is_given_the_same_plan() {
    let (mut catalog, shape) = (catalog(), Shape::usual());
    let case = catalog.case(&shape).unwrap();
    mirrors(&case, &catalog.bare(&shape).unwrap());
    let mut world = catalog.settled(&shape).unwrap();
    assert_eq!(plan(&case, &mirrors(&case, &world)).unwrap().steps, []);
    let node = |name: &str| name.parse().unwrap();
    world.edit_file(&node("main-2"), "/etc/kubernetes/audit-policy.yaml", "by hand\n");
    world.replace_program(&node("work-1"), "/etc/fmp/haproxy.cfg");
    world.add_drop_in(&node("work-2"), "kubelet.service", "[Service]\nNice=1\n");
    world.wipe_etcd(&node("main-3"));
    world.set_clock_off(&node("work-03"), -7_200);
    world.remove_file(&node("work-03"), "/etc/kubernetes/pki/kubelet-client.crt");
    let image = mirrors(&case, &world);
    assert_ne!(plan(&case, &image).unwrap().steps, []);
}

#[test]
fn a_change_on_all_mains_is_rehearsed() {
    let (mut catalog, shape) = (catalog(), Shape::usual());
    let case = catalog.case(&shape).unwrap();
    let mut world = catalog.settled(&shape).unwrap();
    for main in ["main-1", "main-2", "main-3"] {
        world.edit_file(&main.parse().unwrap(), "/etc/kubernetes/audit-policy.yaml", "by hand\n");
    }
    let image = mirrors(&case, &world);
    let report = rehearse(&case, &image, &calm(&case, &image).unwrap(), 1..21);
    assert_eq!((report.runs, &report.violations), (20, &Vec::new()));
    assert!(report.faults > 0 && report.converged + report.lost == 20, "{report:?}");
    assert_eq!((report.calm.without_api_ms, report.calm.below_full_ms), (0, 0), "{report:?}");
    assert!(report.calm.millis >= report.calm.critical_millis && report.calm.critical_millis > 0, "{report:?}");
}

#[test]
fn a_command_that_is_torn_before_it_did_anything_says_nothing() {
    let (mut catalog, shape) = (catalog(), Shape::usual());
    let case = catalog.case(&shape).unwrap();
    let mut world = catalog.settled(&shape).unwrap();
    world.disable_unit(&"work-01".parse().unwrap(), "kubelet.service");
    let step = plan(&case, &world).unwrap().steps.remove(0);
    let cx = fmp_exec::Context { epoch: 1_000, ..Default::default() };
    assert!(world.carry_out(&cx, &step, Some(0)).is_err(), "{step:?}");
    assert_eq!(world.carry_out(&cx, &step, None).unwrap(), fmp_exec::Applied::Done);
    assert_eq!(world.carry_out(&cx, &step, None).unwrap(), fmp_exec::Applied::AlreadyDone);
}

/// The image of a cluster in which something is to be done on main-2, and work-02 does not answer.
fn with_one_that_is_silent() -> (Arc<Case>, World) {
    let (mut catalog, shape) = (catalog(), Shape::usual());
    let case = catalog.case(&shape).unwrap();
    let mut world = catalog.settled(&shape).unwrap();
    world.edit_file(&"main-2".parse().unwrap(), "/etc/kubernetes/audit-policy.yaml", "by hand\n");
    let mut observed = world.observe(&case.questions);
    observed.hosts.insert("work-02".parse().unwrap(), Fact::Unknown("it does not answer".to_owned()));
    let image = case.mirror(&observed, Pace::Machines).unwrap();
    (case, image)
}

#[test]
fn what_waits_anyway_is_no_violation() {
    let (case, image) = with_one_that_is_silent();
    let calm = calm(&case, &image).unwrap();
    assert!(matches!(&calm.left[..], [item] if item.what.starts_with("work-02")), "{:?}", calm.left);
    let report = rehearse(&case, &image, &calm, 1..11);
    assert_eq!((report.converged + report.lost, &report.violations), (10, &Vec::new()));
}

#[test]
fn a_violation_comes_with_what_happened_until_then() {
    let (case, image) = with_one_that_is_silent();
    // The rehearsal is not told that one waits for good.
    let calm = Calm { left: Vec::new(), ..calm(&case, &image).unwrap() };
    let report = rehearse(&case, &image, &calm, 1..4);
    let [found] = &report.violations[..] else { panic!("{:?}", report.violations) };
    assert_eq!(found.kind(), "not-converged");
    assert!(found.events.iter().any(|line| line.contains("main-2/files")), "{:?}", found.events);
    assert_eq!(report.clone().and(report).violations.len(), 1);
}

#[test]
fn a_voter_that_is_missing_from_the_start_is_missed() {
    let (mut catalog, shape) = (catalog(), Shape::usual());
    let case = catalog.case(&shape).unwrap();
    let mut world = catalog.settled(&shape).unwrap();
    world.wipe_etcd(&"main-3".parse().unwrap());
    let image = mirrors(&case, &world);
    assert!(calm(&case, &image).unwrap().below_full_ms > 0);
}

/// The image of a cluster with `works` work nodes that is to be upgraded, with three pods of which `needed` are.
fn with_pods(works: u8, needed: usize) -> (Arc<Case>, World) {
    let mut catalog = catalog();
    let shape = Shape { works, kubernetes: "1.28.15", ..Shape::usual() };
    let mut world = catalog.settled(&shape).unwrap();
    world.deploy(3, needed);
    let case = catalog.case(&Shape { kubernetes: "1.29.15", ..shape }).unwrap();
    let asked = fmp_exec::Questions { besides: fmp_exec::Besides::Workloads, ..case.questions.clone() };
    let seen = |world: &World| match world.observe(&asked).api {
        Fact::Known(api) => api.workloads,
        other => panic!("{other:?}"),
    };
    let image = case.mirror(&world.observe(&asked), Pace::Machines).unwrap();
    assert_eq!(seen(&image), seen(&world));
    (case, image)
}

#[test]
fn what_people_run_is_rehearsed_with_the_budgets_that_protect_it() {
    let (case, image) = with_pods(2, 2);
    let spared = calm(&case, &image).unwrap();
    assert_eq!((spared.pods, spared.budgets), (Some(3), Some(1)));
    assert_eq!(rehearse(&case, &image, &spared, 1..4).violations, []);
}

#[test]
fn a_budget_that_lets_no_pod_go_is_found_before_a_node_is_touched() {
    let (case, image) = with_pods(2, 3);
    let report = rehearse(&case, &image, &calm(&case, &image).unwrap(), 1..2);
    let [found] = &report.violations[..] else { panic!("{:?}", report.violations) };
    assert_eq!(found.kind(), "not-converged");
    assert!(found.events.iter().any(|line| line.contains("PodDisruptionBudget")), "{:#?}", found.events);
}

/// As the cluster's own DNS, which tolerates what is tainted there.
#[test]
fn pods_that_run_on_mains_may_move_to_other_mains() {
    let (case, mut image) = with_pods(0, 0);
    let on = |main: &str| (main.to_owned(), 1);
    let set = PodSet { needed: 1, ready: [on("main-1"), on("main-2")].into(), ..PodSet::default() };
    image.mirror_workloads([set].iter());
    let calm = calm(&case, &image).unwrap();
    assert_eq!(rehearse(&case, &image, &calm, 1..3).violations, []);
}

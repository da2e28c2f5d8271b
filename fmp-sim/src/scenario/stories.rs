//! Sequences of accidents, told event by event: each once ended in harm.

use std::sync::Arc;

use fmp_core::{NodeName, resource::Authority};
use fmp_plan::{Action, Plan, action::UnitBefore};

use super::{
    Catalog, Drawn, Kind, Shape,
    play::{self, healed},
};
use crate::{Simulation, fault::Swarm, testing::LOCK};

fn node(name: &str) -> NodeName {
    name.parse().unwrap()
}

/// A cluster of three mains that stands, of which something else is wanted now.
fn wanted(works: u8, then: impl FnOnce(Shape) -> Shape) -> Simulation {
    changing(Shape { works, kubernetes: "1.28.15", ..Shape::usual() }, then)
}

/// A cluster of any shape that stands, of which something else is wanted now.
pub(super) fn changing(shape: Shape, then: impl FnOnce(Shape) -> Shape) -> Simulation {
    let mut catalog = Catalog::new(LOCK);
    let then = then(shape.clone());
    let drawn = Drawn { kind: Kind::Scale, shape, then, replaced: None };
    let case = catalog.case(&drawn.then).unwrap();
    let world = play::begin(&mut catalog, &drawn, &case).unwrap();
    let mut sim = Simulation::new(case, world, Arc::new(Swarm::default()), 7);
    sim.keep_trace();
    sim
}

fn plan(sim: &Simulation) -> Plan {
    sim.case.plan(&sim.world.observe(&sim.case.questions)).unwrap()
}

/// Goes on until a line of the trace holds these words.
#[track_caller]
fn until(sim: &mut Simulation, words: &str) {
    let from = sim.trace.as_ref().map_or(0, Vec::len);
    while !sim.trace.iter().flatten().skip(from).any(|line| line.contains(words)) {
        assert!(sim.tick(), "`{words}` never came:\n{}", told(sim));
    }
}

fn told(sim: &Simulation) -> String {
    sim.trace.as_deref().unwrap_or_default().join("\n")
}

/// Nothing was broken so far, and the cluster comes to stand.
#[track_caller]
fn ends_well(sim: &mut Simulation) {
    let (converged, _) = healed(sim, &mut |_| {});
    assert_eq!(sim.violations(), [], "{}", told(sim));
    assert!(converged, "{}", told(sim));
}

/// A plan that was made while two of three mains waited for a leader, carried out after the third one came.
#[test]
fn members_that_came_up_since_a_plan_was_made_are_not_restarted_together() {
    let mut sim = wanted(1, |shape| Shape { profile: "quota", ..shape });
    let mains = ["main-1", "main-2", "main-3"].map(node);
    mains.iter().for_each(|main| sim.world.power_off(main));
    mains[..2].iter().for_each(|main| sim.world.power_on(main));
    let waits = sim.world.clock_ms() + 20_000;
    sim.world.advance(waits);
    let plan = plan(&sim);
    let restarted = |plan: &Plan| {
        let hanging = Action::RestartUnit { unit: "etcd.service".into(), before: UnitBefore::Starting };
        plan.steps.iter().filter(|step| step.action == hanging).count()
    };
    assert_eq!(restarted(&plan), 2, "{:?}", plan.waiting);
    sim.world.power_on(&mains[2]);
    sim.world.advance(waits + 20_000);
    assert!(sim.standing().quorum);
    sim.carry_out(plan);
    ends_well(&mut sim);
}

#[test]
fn a_node_that_was_cordoned_by_a_run_that_died_waits_for_another_one_that_is_away() {
    let mut sim = wanted(4, |shape| Shape { kubernetes: "1.29.15", ..shape });
    sim.begin_in(0);
    until(&mut sim, "host: work-01/unit/kubelet.service/cordon");
    sim.at_work().into_iter().for_each(|who| sim.kill(who));
    sim.run_out();
    sim.world.stop(&node("work-02"), "kubelet.service");
    sim.world.disable_unit(&node("work-02"), "kubelet.service");
    let taken = plan(&sim)
        .steps
        .into_iter()
        .find(|step| matches!(&step.action, Action::DrainNode { node, .. } if node.as_str() == "work-01"));
    assert_eq!(taken, None, "work-02 is away");
    ends_well(&mut sim);
}

#[test]
fn of_two_first_runs_before_any_machine_is_there_one_changes_hosts_and_the_other_is_told_who() {
    let mut catalog = Catalog::new(LOCK);
    let shape = Shape { works: 1, environment: "sim", ..Shape::usual() };
    let (case, world) = (catalog.case(&shape).unwrap(), catalog.bare(&shape).unwrap());
    let mut sim = Simulation::new(case, world, Arc::new(Swarm::default()), 7);
    sim.keep_trace();
    sim.begin_in(0);
    sim.begin_in(100);
    until(&mut sim, "lost its lease: simulated runs fmp on desk");
    let wrote = |who: u32| {
        told(&sim)
            .lines()
            .filter(|line| line.contains("/trust of fmp") && line.contains(&format!("of fmp {who} ")))
            .count()
    };
    assert!((wrote(1) == 0) != (wrote(2) == 0), "{}", told(&sim));
    ends_well(&mut sim);
}

/// Goes on for so many milliseconds.
fn pass(sim: &mut Simulation, ms: u64) {
    let end = sim.now_ms() + ms;
    while sim.now_ms() < end && sim.tick() {}
}

/// A run stands still while programs go to work-02, just after its lease was renewed. Another one takes over while nobody
/// reaches that node, and the first wakes up when it is reached again: whoever only asked whether it was told that its lease
/// is lost would go on there, since its renewal comes a moment later.
fn wakes(heeds_lease: bool) -> Simulation {
    let mut sim = wanted(1, |shape| Shape { works: 3, ..shape });
    sim.heeds_lease = heeds_lease;
    sim.begin_in(0);
    until(&mut sim, "fmp 1 begins");
    pass(&mut sim, 5_200);
    let first = sim.at_work()[0];
    sim.pause(first, 60_000);
    pass(&mut sim, 2_600);
    sim.world.set_reachable(&node("work-02"), false);
    sim.begin_in(35_000);
    until(&mut sim, "fmp 2 begins");
    sim.world.set_reachable(&node("work-02"), true);
    pass(&mut sim, 120_000);
    sim
}

#[test]
fn a_run_that_wakes_up_after_another_one_took_over_begins_nothing_even_where_nobody_heard_of_that_one() {
    let mut woken = wakes(true);
    assert_eq!(woken.violations(), [], "{}", told(&woken));
    ends_well(&mut woken);
    let harm: Vec<&str> = wakes(false).violations().iter().map(crate::invariant::Violation::kind).collect();
    assert!(harm.contains(&"overtaken"), "{harm:?}");
}

/// Somebody takes an authority's keys away from all mains, to where nobody can steal them, and a work node comes.
#[track_caller]
fn check_taken_away(authority: Authority) {
    let mut sim = wanted(1, |shape| Shape { works: 2, ..shape });
    let mut taken = Vec::new();
    for main in ["main-1", "main-2", "main-3"].map(node) {
        sim.world.change(&main, |host| taken.extend(host.files.remove(authority.key())));
    }
    assert_eq!(taken.len(), 3);
    sim.begin_in(0);
    sim.run_out();
    assert_eq!(sim.violations(), [], "{}", told(&sim));
    for main in ["main-1", "main-2", "main-3"].map(node) {
        sim.world.change(&main, |host| host.put(authority.key(), taken.remove(0)));
    }
    ends_well(&mut sim);
}

#[test]
fn an_authority_whose_keys_are_gone_is_not_made_again_while_hosts_trust_it() {
    [Authority::Cluster, Authority::Etcd, Authority::FrontProxy].into_iter().for_each(check_taken_away);
}

/// The next plan finds every file as it is wanted; only what the apiserver read when it started tells that it is not done.
#[test]
fn what_a_run_wrote_before_it_died_is_taken_up_by_the_next_one() {
    let mut sim = wanted(1, |shape| Shape { profile: "audit", ..shape });
    sim.begin_in(0);
    until(&mut sim, "host: main-1/files");
    sim.at_work().into_iter().for_each(|who| sim.kill(who));
    sim.run_out();
    let plan = plan(&sim);
    let is_there = |id: &str| plan.steps.iter().any(|step| step.id.as_str() == id);
    assert!(!is_there("main-1/files"), "{:?}", plan.changes);
    ends_well(&mut sim);
    assert!(told(&sim).contains("host: main-1/unit/kube-apiserver.service"), "{}", told(&sim));
}

/// What a new setting cures: every apiserver answers, and none calls itself ready.
#[test]
fn apiservers_that_are_all_known_not_to_be_ready_are_restarted() {
    let mut sim = wanted(1, |shape| Shape { profile: "audit", ..shape });
    ["main-1", "main-2", "main-3"].iter().for_each(|main| sim.world.hang_apiserver(&node(main)));
    ends_well(&mut sim);
}

/// Nobody says whether main-1's apiserver is ready: the mains that could are not reached, and their own are down.
#[test]
fn the_last_apiserver_is_not_restarted_while_no_other_main_says_whether_it_is_ready() {
    let mut sim = wanted(1, |shape| Shape { profile: "audit", ..shape });
    sim.begin_in(0);
    until(&mut sim, "host: main-1/files");
    let others = ["main-2", "main-3"].map(node);
    for main in &others {
        sim.world.stop(main, "kube-apiserver.service");
        sim.world.set_reachable(main, false);
    }
    pass(&mut sim, 20_000);
    assert_eq!(sim.violations(), [], "{}", told(&sim));
    let refused = "main-1/unit/kube-apiserver.service is unsafe until another apiserver answers";
    assert!(told(&sim).contains(refused), "{}", told(&sim));
    others.iter().for_each(|main| sim.world.set_reachable(main, true));
    ends_well(&mut sim);
}

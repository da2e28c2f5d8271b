//! Each invariant is broken once, by a world without one of its guards or by a plan that nobody would make, and is found.

use std::{collections::BTreeMap, sync::Arc};

use fmp_core::{NodeName, resource::Holding};
use fmp_exec::Context;
use fmp_plan::{
    Action, Plan, Step, StepId,
    action::{MemberBefore, TrustItem, TrustSource, UnitBefore},
    step::{Budget, Subject},
};

use super::{Invariants, Violation};
use crate::{
    Simulation,
    fault::{Blow, Fault, Swarm},
    scenario::{Catalog, Shape, play},
    testing::LOCK,
    world::{Deed, Guards},
};

fn node(name: &str) -> NodeName {
    name.parse().unwrap()
}

fn blow(at_ms: u64, lasts_ms: u64, fault: Fault) -> Blow {
    Blow { at_ms, lasts_ms, fault }
}

fn shape(works: u8, profile: &'static str) -> Shape {
    Shape { works, profile, ..Shape::usual() }
}

/// Bare machines and these faults.
fn bare(blows: Vec<Blow>) -> Simulation {
    let (mut catalog, shape) = (Catalog::new(LOCK), shape(1, "local"));
    let swarm = Arc::new(Swarm { blows, ..Swarm::default() });
    Simulation::new(catalog.case(&shape).unwrap(), catalog.bare(&shape).unwrap(), swarm, 7)
}

/// A cluster that stands, in which a profile is wanted.
fn standing(works: u8, profile: &'static str, blows: Vec<Blow>) -> Simulation {
    let mut catalog = Catalog::new(LOCK);
    let world = catalog.settled(&shape(works, "local")).unwrap();
    let swarm = Arc::new(Swarm { blows, ..Swarm::default() });
    Simulation::new(catalog.case(&shape(works, profile)).unwrap(), world, swarm, 7)
}

/// What is found until nothing happens any more, somebody having started a controller.
fn found(mut sim: Simulation) -> Vec<&'static str> {
    sim.begin_in(0);
    sim.run_out();
    sim.violations().iter().map(Violation::kind).collect()
}

#[test]
fn without_faults_nothing_is_found() {
    assert_eq!(found(bare(Vec::new())), Vec::<&str>::new());
    assert_eq!(found(standing(1, "quota", Vec::new())), Vec::<&str>::new());
}

/// A fault, the guard against its harm, and the harm.
#[track_caller]
fn guarded(make: impl Fn() -> Simulation, without: Guards, harm: &str) {
    assert_eq!(found(make()), Vec::<&str>::new(), "the guard is there");
    let mut sim = make();
    sim.world.guard(without);
    let found = found(sim);
    assert!(found.contains(&harm), "{found:?}");
}

#[test]
fn an_older_run_that_goes_on_after_a_newer_one_is_found() {
    let before = UnitBefore::Active;
    let restart = step("work-01/unit", "work-01", Action::RestartUnit { unit: "kubelet.service".into(), before });
    let epochs = |fencing| {
        let mut sim = standing(1, "local", Vec::new());
        sim.world.guard(Guards { fencing, ..Guards::default() });
        let mut invariants = Invariants::new(&sim.case.spec);
        let last = [9, 3].map(|epoch| sim.world.apply(&Context { epoch, ..Context::default() }, &restart).is_ok());
        invariants.hear(sim.world.deeds());
        (last, invariants.violations.iter().map(Violation::kind).collect::<Vec<_>>())
    };
    assert_eq!(epochs(true), ([true, false], vec![]));
    assert_eq!(epochs(false), ([true, true], vec!["old-epoch"]));
}

#[test]
fn a_strangers_machine_that_is_touched_is_found() {
    let stranger = || bare(vec![blow(1_000, 200_000, Fault::Stranger(node("work-01")))]);
    guarded(stranger, Guards { host_keys: false, ..Guards::default() }, "stranger-touched");
}

#[test]
fn a_member_that_votes_twice_is_found() {
    let wiped = || standing(1, "local", vec![blow(1_000, 500, Fault::Wipe(node("main-2")))]);
    guarded(wiped, Guards { permits: false, ..Guards::default() }, "voted-twice");
}

#[test]
fn a_learner_that_is_promoted_too_early_is_found() {
    let replaced = || {
        let lags = (1..60).map(|at| blow(at * 500, 500, Fault::LearnerLags(5_000)));
        let mut sim = standing(1, "local", lags.collect());
        sim.world.replace_machine(&node("main-2"));
        // The others have a leader again.
        sim.world.advance(sim.now_ms() + 2_000);
        sim
    };
    guarded(replaced, Guards { in_sync: false, ..Guards::default() }, "promoted-too-early");
}

/// The plan for a profile, carried out with other budgets and by nobody who judges.
fn reckless(profile: &'static str, budget: Budget) -> Vec<&'static str> {
    let mut sim = standing(4, profile, Vec::new());
    let mut plan = plan(&sim);
    plan.budgets.insert(budget, 9);
    sim.judged = false;
    sim.carry_out(plan);
    sim.run_out();
    sim.violations().iter().map(Violation::kind).collect()
}

fn plan(sim: &Simulation) -> Plan {
    sim.case.plan(&sim.world.observe(&sim.case.questions)).unwrap()
}

#[test]
fn steps_that_take_what_must_stay_are_found() {
    assert!(reckless("quota", Budget::Mains).contains(&"quorum-taken"));
    assert!(reckless("audit", Budget::Mains).contains(&"api-taken"));
    assert!(reckless("pods", Budget::Works).contains(&"nodes-taken"));
}

/// What is found where only these steps of an upgrade are carried out.
fn upgraded(is_done: impl Fn(&Step) -> bool) -> Vec<Violation> {
    let mut catalog = Catalog::new(LOCK);
    let at = |kubernetes| Shape { kubernetes, ..shape(1, "local") };
    let world = catalog.settled(&at("1.28.15")).unwrap();
    let case = catalog.case(&at("1.29.15")).unwrap();
    let mut sim = Simulation::new(case, world, Arc::new(Swarm::default()), 7);
    let mut plan = plan(&sim);
    plan.steps.retain(is_done);
    let kept: Vec<StepId> = plan.steps.iter().map(|step| step.id.clone()).collect();
    plan.steps.iter_mut().for_each(|step| step.after.retain(|id| kept.contains(id)));
    sim.judged = false;
    sim.carry_out(plan);
    sim.run_out();
    sim.violations().to_vec()
}

#[test]
fn a_program_that_meets_an_apiserver_of_a_version_that_it_must_not_meet_is_found() {
    let of = |step: &Step, node: &str| step.id.as_str().starts_with(node);
    let starts = |step: &Step, unit: &str| step.action.starts() == Some(unit);
    let work = upgraded(|step| of(step, "work-01"));
    assert!(work.iter().any(|found| found.to_string().contains("kubelet 1.29 on work-01 beside")), "{work:?}");
    assert!(work.iter().any(|found| found.to_string().contains("kube-proxy 1.29 on work-01 beside")), "{work:?}");
    let main = upgraded(|step| of(step, "main-1") && !starts(step, "kube-apiserver.service"));
    for program in ["kube-scheduler", "kube-controller-manager"] {
        let words = format!("{program} 1.29 on main-1 beside an apiserver 1.28 on main-1");
        assert!(main.iter().any(|found| found.to_string().contains(&words)), "{main:?}");
    }
}

fn step(id: &str, host: &str, action: Action) -> Step {
    Step {
        id: StepId::new(id),
        subject: Subject::Host(node(host)),
        action,
        after: Vec::new(),
        unit: None,
        disrupts: std::collections::BTreeSet::new(),
        watch: None,
        reason: String::new(),
    }
}

/// What is found when these steps are carried out in a cluster that stands.
fn steps(steps: Vec<Step>) -> Vec<&'static str> {
    let mut sim = standing(1, "local", Vec::new());
    let plan = Plan { steps, waiting: Vec::new(), budgets: BTreeMap::new(), ..plan(&sim) };
    sim.carry_out(plan);
    sim.run_out();
    sim.violations().iter().map(Violation::kind).collect()
}

#[test]
fn two_changes_of_membership_at_once_are_found() {
    let add = |n: u8| {
        let peer_url = format!("https://198.18.9.{n}:2380");
        step(&format!("main-{n}/add"), &format!("main-{n}"), Action::AddEtcdLearner { peer_url })
    };
    assert!(steps(vec![add(1), add(2)]).contains(&"two-memberships"));
}

#[test]
fn a_plan_that_cannot_be_carried_out_is_found() {
    let waits = Step { after: vec![StepId::new("nothing")], ..step("a", "main-1", Action::StartMachine) };
    assert_eq!(steps(vec![waits]), ["no-plan"]);
}

/// What is found where the member of a main is taken out that this befell before.
fn removed(before: MemberBefore, befalls: impl FnOnce(&mut Simulation)) -> Vec<&'static str> {
    let mut sim = standing(1, "local", Vec::new());
    let seen = sim.world.observe(&sim.case.questions);
    let (peer_url, member) = seen.etcd.known().unwrap().members.iter().next().unwrap();
    let action = Action::RemoveEtcdMember { peer_url: peer_url.clone(), id: member.id.clone(), before };
    befalls(&mut sim);
    let later = sim.world.clock_ms() + 5_000;
    sim.world.advance(later);
    let plan = Plan {
        steps: vec![step("main-1/remove", "main-1", action)],
        waiting: Vec::new(),
        budgets: BTreeMap::new(),
        ..plan(&sim)
    };
    sim.carry_out(plan);
    sim.run_out();
    let main = sim.world.observe(&sim.case.questions).host(&node("main-1")).cloned();
    assert!(main.is_none_or(|host| host.units["etcd.service"].known().unwrap().active != "active"));
    sim.violations().iter().map(Violation::kind).collect()
}

#[test]
fn a_member_that_is_removed_with_its_data_and_does_not_hear_of_it_is_found() {
    let off = |sim: &mut Simulation| sim.world.power_off(&node("main-1"));
    assert_eq!(removed(MemberBefore::Silent, off), ["removed-alive"]);
    assert_eq!(removed(MemberBefore::Answering, off), Vec::<&str>::new(), "it is stale, and stays");
    assert_eq!(removed(MemberBefore::Answering, |_| {}), Vec::<&str>::new(), "it hears of it and ends");
}

#[test]
fn a_kubelet_that_is_upgraded_beneath_pods_is_found() {
    let mut invariants = Invariants::new(&standing(1, "local", Vec::new()).case.spec);
    invariants.hear(vec![Deed::Upgraded { node: node("main-1"), drained: true }]);
    assert_eq!(invariants.violations, []);
    invariants.hear(vec![Deed::Upgraded { node: node("main-1"), drained: false }]);
    assert_eq!(invariants.violations, [Violation::UpgradedBeneathPods(node("main-1"))]);
}

/// A work node leaves, and with it pods of which one at most may be missing.
fn leaving() -> Simulation {
    let mut catalog = Catalog::new(LOCK);
    let mut world = catalog.settled(&shape(2, "local")).unwrap();
    world.deploy(4, 3);
    let then = Shape { leaving_works: 1, ..shape(1, "local") };
    Simulation::new(catalog.case(&then).unwrap(), world, Arc::new(Swarm::default()), 7)
}

#[test]
fn pods_that_are_taken_below_their_budget_are_found() {
    guarded(leaving, Guards { budgets: false, ..Guards::default() }, "budget-taken");
}

#[test]
fn a_node_that_is_deleted_beneath_pods_is_found() {
    let mut sim = leaving();
    let delete = Action::DeleteNode { node: node("work-02") };
    let delete = Step { subject: Subject::Cluster, ..step("work-02/delete", "work-02", delete) };
    let mut invariants = Invariants::new(&sim.case.spec);
    sim.world.apply(&Context { epoch: 99, ..Context::default() }, &delete).unwrap();
    invariants.hear(sim.world.deeds());
    assert_eq!(invariants.violations, [Violation::DeletedBeneathPods(node("work-02"))]);
}

#[test]
fn an_authority_that_is_made_again_is_found() {
    let mut sim = standing(1, "local", Vec::new());
    let mut invariants = Invariants::new(&sim.case.spec);
    sim.world.replace_machine(&node("main-1"));
    sim.world.deeds();
    let items = vec![TrustItem { what: Holding::ServiceAccountKey, private: true, from: TrustSource::Create }];
    let make = step("main-1/trust", "main-1", Action::EstablishTrust { items });
    sim.world.apply(&Context { epoch: 99, ..Context::default() }, &make).unwrap();
    invariants.hear(sim.world.deeds());
    assert_eq!(invariants.violations, [Violation::MadeAgain(Holding::ServiceAccountKey, node("main-1"))]);
}

#[test]
fn a_step_that_was_done_and_had_no_effect_is_found() {
    let mut sim = standing(1, "audit", Vec::new());
    sim.begin_in(0);
    while sim.ended().is_empty() {
        sim.tick();
    }
    assert_eq!(sim.violations(), []);
    sim.world.edit_file(&node("main-1"), "/etc/systemd/system/kube-apiserver.service", "[Service]\n");
    let again = plan(&sim);
    let write = again.steps.iter().find(|step| step.id.as_str() == "main-1/files").unwrap();
    // The world forgot what it was told: the plan is the same as before.
    sim.claim(write);
    assert_eq!(found(sim), ["done-and-planned-again"]);
}

#[test]
fn a_process_that_read_something_else_than_what_lies_there_is_found_where_nothing_is_left_to_do() {
    let mut sim = standing(1, "local", Vec::new());
    let seen = sim.world.observe(&sim.case.questions);
    assert!(plan(&sim).steps.is_empty());
    sim.is_taken_up(&seen, sim.now_ms());
    assert_eq!(sim.violations(), []);
    sim.world.edit_file(&node("main-1"), "/etc/fmp/node.env", "NODE_NAME=main-9\n");
    sim.is_taken_up(&seen, sim.now_ms());
    assert_eq!(sim.violations().iter().map(Violation::kind).collect::<Vec<_>>(), ["runs-on-another"]);
}

#[test]
fn a_cluster_that_does_not_come_to_stand_is_found() {
    let mut sim = standing(1, "audit", Vec::new());
    sim.world.power_off(&node("work-01"));
    let (converged, _) = play::healed(&mut sim, &mut |_| {});
    assert!(!converged);
    assert_eq!(sim.violations().first().map(Violation::kind), Some("not-converged"));
}

#[test]
fn harm_by_a_step_that_nobody_judged_is_found_whatever_was_seen_before() {
    let mut sim = standing(1, "quota", Vec::new());
    let mains = ["main-1", "main-2", "main-3"].map(node);
    mains[1..].iter().for_each(|main| sim.world.stop(main, "etcd.service"));
    let mut plan = plan(&sim);
    let restart = Action::RestartUnit { unit: "etcd.service".into(), before: UnitBefore::Active };
    // Whoever made this plan says that nothing is taken away.
    plan.steps = mains[..2].iter().map(|main| step(&format!("{main}/unit"), main.as_str(), restart.clone())).collect();
    assert!(!sim.standing().quorum);
    sim.carry_out(plan);
    mains[1..].iter().for_each(|main| sim.world.restart(main, "etcd.service"));
    let up = sim.world.clock_ms() + 6_000;
    sim.world.advance(up);
    assert!(sim.standing().quorum);
    sim.run_out();
    let found: Vec<&str> = sim.violations().iter().map(Violation::kind).collect();
    assert!(found.contains(&"quorum-taken"), "{found:?}");
}

#[test]
fn lost_data_of_which_nothing_is_said_is_found() {
    let lose = |then: fn(&mut Simulation)| {
        let mut sim = standing(1, "local", Vec::new());
        ["main-1", "main-2"].iter().for_each(|main| sim.world.wipe_etcd(&node(main)));
        then(&mut sim);
        assert!(!play::healed(&mut sim, &mut |_| {}).0);
        sim.violations().iter().map(Violation::kind).collect::<Vec<_>>()
    };
    assert_eq!(lose(|_| {}), Vec::<&str>::new(), "the plan says that a backup helps");
    assert_eq!(
        lose(|sim| ["main-1", "main-2", "main-3"].iter().for_each(|main| sim.world.power_off(&node(main)))),
        ["not-told"]
    );
}

//! Several fences stand before each harm: budgets, the judgement just before a step, the order of a plan. Each alone holds.

use std::collections::BTreeSet;

use fmp_plan::{Plan, StepId, step::Budget};

use super::{Shape, play::healed, stories::changing};
use crate::{Simulation, invariant::Violation};

/// A cluster that stands, in which a profile is wanted.
fn standing(mains: u8, works: u8, profile: &'static str) -> Simulation {
    changing(Shape { mains, works, ..Shape::usual() }, |shape| Shape { profile, ..shape })
}

fn plan(sim: &Simulation) -> Plan {
    sim.case.plan(&sim.world.observe(&sim.case.questions)).unwrap()
}

fn found(sim: &Simulation) -> Vec<&'static str> {
    sim.violations().iter().map(Violation::kind).collect()
}

/// A change of etcd, of the apiservers, of the kubelets.
const CHANGES: [&str; 3] = ["quota", "audit", "pods"];

#[test]
fn budgets_alone_leave_what_must_stay() {
    for profile in CHANGES {
        let mut sim = standing(3, 4, profile);
        sim.judged = false;
        let plan = plan(&sim);
        sim.carry_out(plan);
        sim.run_out();
        assert_eq!(found(&sim), Vec::<&str>::new(), "{profile}");
    }
}

/// A node is away from its cordon to its uncordon: its place is given to no other one in between.
#[test]
fn budgets_alone_leave_nodes_where_they_are_during_an_upgrade() {
    let shape = Shape { kubernetes: "1.28.15", ..Shape::usual() };
    let mut sim = changing(shape, |shape| Shape { kubernetes: "1.29.15", ..shape });
    sim.world.deploy(4, 2);
    sim.judged = false;
    let plan = plan(&sim);
    sim.carry_out(plan);
    sim.run_out();
    assert_eq!(found(&sim), Vec::<&str>::new());
}

#[test]
fn judgement_alone_leaves_what_must_stay() {
    for profile in CHANGES {
        let mut sim = standing(3, 4, profile);
        let mut plan = plan(&sim);
        plan.budgets = [(Budget::Mains, 9), (Budget::Works, 9)].into();
        sim.carry_out(plan);
        sim.run_out();
        assert_eq!(found(&sim), Vec::<&str>::new(), "{profile}");
    }
}

/// Two of five members have lost their data.
fn wiped() -> Simulation {
    let mut sim = standing(5, 1, "local");
    ["main-1", "main-2"].iter().for_each(|main| sim.world.wipe_etcd(&main.parse().unwrap()));
    let later = sim.world.clock_ms() + 20_000;
    sim.world.advance(later);
    sim
}

/// Both members are changed by a plan that neither budgets nor order hold back, after something else befell the cluster.
#[track_caller]
fn check_kept_apart(befalls: impl FnOnce(&mut Simulation)) {
    let mut sim = wiped();
    let mut plan = plan(&sim);
    plan.budgets = [(Budget::Mains, 9), (Budget::Works, 9)].into();
    let node = |id: &StepId| id.as_str().split('/').next().unwrap_or_default().to_owned();
    let changed: BTreeSet<String> = plan.steps.iter().map(|step| node(&step.id)).collect();
    assert!(changed.is_superset(&["main-1".to_owned(), "main-2".to_owned()].into()), "{changed:?}");
    for step in &mut plan.steps {
        let own = node(&step.id);
        step.after.retain(|id| node(id) == own);
    }
    befalls(&mut sim);
    sim.carry_out(plan);
    sim.run_out();
    assert_eq!(found(&sim), Vec::<&str>::new(), "{:#?}", sim.trace);
    let is_removed = |main: &str| {
        let words = format!("host: {main}/etcd-member/remove");
        sim.trace.iter().flatten().any(|line| line.contains(&words) && line.contains("Ok(Done)"))
    };
    assert!(is_removed("main-1") && is_removed("main-2"), "{:#?}", sim.trace);
}

#[test]
fn judgement_alone_keeps_changes_of_members_apart() {
    check_kept_apart(|_| {});
}

/// While etcd has no leader nobody says who belongs to it: that is not the same as that there is none.
#[test]
fn judgement_alone_keeps_changes_of_members_apart_while_nobody_leads() {
    check_kept_apart(|sim| sim.world.restart(&"main-3".parse().unwrap(), "etcd.service"));
}

#[test]
fn a_member_joins_again_without_a_command_that_fails() {
    let mut sim = standing(3, 1, "local");
    sim.world.wipe_etcd(&"main-2".parse().unwrap());
    let later = sim.world.clock_ms() + 20_000;
    sim.world.advance(later);
    assert!(healed(&mut sim, &mut |_| {}).0, "{:?}", sim.violations());
    let of_members = |line: &&String| line.contains("host: main-2/etcd-member/");
    let ends: Vec<&String> = sim.trace.iter().flatten().filter(of_members).collect();
    // It gets its vote once it is in sync, which etcd says when it is asked.
    let is_well = |line: &&String| line.contains("ends as Ok(Done)") || line.contains("which is in sync");
    assert!(ends.len() >= 4 && ends.iter().all(is_well), "{ends:#?}");
}

//! A controller that ends at each step: whenever `kill -9` comes, the next run goes on from there.
//!
//! For every command of a run, in the moment when it would take effect, the process that sent it ends; the command still
//! takes effect, or never does. What else is under way lives on or ends, as luck has it.

use std::sync::Arc;

use fmp_core::NodeName;
use fmp_exec::remainder::{self, Uncovered};
use fmp_plan::{Action, StepId};

use super::{Catalog, Drawn, Kind, Shape, play};
use crate::{
    Simulation,
    fault::Swarm,
    run::{Death, LastCommand, RoundEnd},
    testing::LOCK,
};

const LAST: [LastCommand; 2] = [LastCommand::TakesEffect, LastCommand::IsLost];

/// Three mains and one work node, small enough for every step of every kind of change.
fn small() -> Shape {
    Shape { works: 1, ..Shape::usual() }
}

/// A cluster in which something is to be done.
fn begun(catalog: &mut Catalog, drawn: &Drawn, befalls: fn(&mut Simulation), seed: u64) -> Simulation {
    let case = catalog.case(&drawn.then).unwrap();
    let mut world = play::begin(catalog, drawn, &case).unwrap();
    play::befall(&mut world, drawn);
    let mut sim = Simulation::new(case, world, Arc::new(Swarm::default()), seed);
    befalls(&mut sim);
    sim
}

/// Kills at each step: nothing is broken, and the cluster comes to stand.
fn check(kind: Kind, shape: Shape, then: Shape, befalls: fn(&mut Simulation)) {
    let drawn = Drawn { kind, shape, then, replaced: None };
    let mut catalog = Catalog::new(LOCK);
    let mut calm = begun(&mut catalog, &drawn, befalls, 0);
    assert!(play::healed(&mut calm, &mut |_| {}).0, "{:?}", calm.violations());
    let steps = calm.landed();
    assert!(steps > 3, "{steps} steps are hardly a change");
    for at in 1..=steps {
        for last in LAST {
            let mut sim = begun(&mut catalog, &drawn, befalls, at);
            sim.dies(Death { at, last });
            let (converged, _) = play::healed(&mut sim, &mut |_| {});
            assert_eq!(sim.violations(), [], "killed at step {at} of {steps}, which {last:?}");
            // With other luck one answer less is lost, and the last step never comes.
            let died = sim.landed() >= at || at == steps;
            assert!(converged && died, "killed at step {at} of {steps}, which {last:?}");
        }
    }
}

/// Kills at every third step: what is left then is a remainder of the plan, which whoever approved it need not read again.
fn check_approval(kind: Kind, shape: Shape, then: Shape) {
    let drawn = Drawn { kind, shape, then, replaced: None };
    let mut catalog = Catalog::new(LOCK);
    let start = begun(&mut catalog, &drawn, |_| {}, 0);
    let approved = start.case.plan(&start.world.observe(&start.case.questions)).unwrap();
    let last = approved.steps.len();
    for at in (1..=last as u64).step_by(3) {
        let mut sim = begun(&mut catalog, &drawn, |_| {}, at);
        sim.dies(Death { at, last: LastCommand::TakesEffect });
        sim.begin_in(0);
        while sim.tick() && !sim.ended().contains(&RoundEnd::Died) {}
        sim.run_out();
        let observed = sim.world.observe(&sim.case.questions);
        let now = sim.case.plan(&observed).unwrap();
        assert!(now.steps.len() < last, "killed at step {at} of {last}");
        let waited = |step: &StepId| approved.waiting.iter().any(|item| item.concerns(step));
        let mut uncovered = remainder::uncovered(&approved, &now, &observed);
        // What the plan only announced nobody has approved.
        uncovered.retain(|it| !matches!(it, Uncovered::Step(step) if waited(step)));
        assert_eq!(uncovered, [], "killed at step {at} of {last}");
    }
}

#[test]
fn an_approval_covers_what_a_killed_run_left() {
    check_approval(Kind::Install, small(), small());
    check_approval(Kind::Change, small(), Shape { profile: "quota", ..small() });
    check_approval(Kind::Upgrade, Shape { kubernetes: "1.28.15", ..small() }, small());
    let five = Shape { mains: 5, works: 2, ..small() };
    check_approval(Kind::Retirement, five, Shape { leaving_mains: 2, leaving_works: 1, ..small() });
}

#[test]
fn an_approval_covers_nothing_that_somebody_else_did() {
    let drawn =
        Drawn { kind: Kind::Change, shape: small(), then: Shape { profile: "quota", ..small() }, replaced: None };
    let mut catalog = Catalog::new(LOCK);
    let look = |sim: &Simulation| {
        let observed = sim.world.observe(&sim.case.questions);
        (sim.case.plan(&observed).unwrap(), observed)
    };
    let mut sim = begun(&mut catalog, &drawn, |_| {}, 0);
    let (approved, observed) = look(&sim);
    assert_eq!(remainder::uncovered(&approved, &approved, &observed), []);
    let main: NodeName = "main-2".parse().unwrap();
    // What the plan writes there was another file when it was approved.
    let files = approved.steps.iter().find_map(|step| match (&step.action, step.node()) {
        (Action::WriteFiles { files, .. }, Some(node)) if *node == main => Some(files),
        _ => None,
    });
    sim.world.edit_file(&main, &files.unwrap()[0].path, "by hand\n");
    let (now, observed) = look(&sim);
    let uncovered = remainder::uncovered(&approved, &now, &observed);
    let [Uncovered::Step(step), Uncovered::Fact(fact), ..] = &uncovered[..] else { panic!("{uncovered:?}") };
    assert_eq!(step.as_str(), "main-2/files");
    assert!(fact.fact.to_string().starts_with("main-2: file "), "{}", fact.fact);
    // A step more, for something that the plan did not name.
    let mut sim = begun(&mut catalog, &drawn, |_| {}, 0);
    sim.world.disable_unit(&"work-01".parse().unwrap(), "kubelet.service");
    let (now, observed) = look(&sim);
    let uncovered = remainder::uncovered(&approved, &now, &observed);
    assert!(matches!(&uncovered[..], [Uncovered::Step(step)] if step.as_str() == "work-01/unit/kubelet.service"));
}

#[test]
fn an_installation_goes_on_wherever_its_run_was_killed() {
    check(Kind::Install, small(), small(), |_| {});
}

#[test]
fn a_change_that_restarts_etcd_goes_on_wherever_its_run_was_killed() {
    check(Kind::Change, small(), Shape { profile: "quota", ..small() }, |_| {});
}

#[test]
fn a_member_joins_again_wherever_its_run_was_killed() {
    check(Kind::Replacement, small(), small(), |sim| {
        let main: NodeName = "main-2".parse().unwrap();
        sim.world.wipe_etcd(&main);
    });
}

#[test]
fn an_upgrade_goes_on_wherever_its_run_was_killed() {
    let at = |kubernetes| Shape { kubernetes, ..small() };
    check(Kind::Upgrade, at("1.28.15"), at("1.29.15"), |_| {});
}

#[test]
fn growth_goes_on_wherever_its_run_was_killed() {
    let one = Shape { mains: 1, ..small() };
    check(Kind::Scale, one, Shape { works: 2, ..small() }, |_| {});
}

#[test]
fn a_departure_goes_on_wherever_its_run_was_killed() {
    let (five, three) = (Shape { mains: 5, works: 2, ..small() }, Shape { leaving_mains: 2, ..small() });
    check(Kind::Retirement, five, Shape { leaving_works: 1, ..three }, |_| {});
}

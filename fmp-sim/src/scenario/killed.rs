//! A controller that ends at each step: whenever `kill -9` comes, the next run goes on from there.
//!
//! For every command of a run, in the moment when it would take effect, the process that sent it ends; the command still
//! takes effect, or never does. What else is under way lives on or ends, as luck has it.

use std::sync::Arc;

use fmp_core::NodeName;

use super::{Catalog, Drawn, Kind, Shape, play};
use crate::{
    Simulation,
    fault::Swarm,
    run::{Death, LastCommand},
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

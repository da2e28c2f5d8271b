//! P9 where a step leaves no trace: without any of a plan's steps an invariant is broken, a step fails by what it needs, or
//! something is left to do. What only keeps a moment safe (that pods leave before their kubelet is another one, that a member
//! goes before its machine) shows in the invariants alone.

use std::collections::BTreeSet;

use fmp_plan::{Action, Plan, Step, StepId, plan::Waiting};

use super::{
    Catalog, Drawn, Kind, Shape,
    orders::{Walk, Way},
    play,
};
use crate::{World, invariant::Invariants, random::Stream, testing::LOCK};

/// How often a step is tried again.
const PATIENCE: usize = 4;

impl Walk<'_> {
    /// Carries the plan out without looking what another one would say. What is left to do then, or what was wrong.
    fn carry_out(&mut self, plan: &Plan) -> Result<(Vec<Step>, Vec<Waiting>), Vec<String>> {
        let mut way = Way::default();
        while !way.is_over(plan) {
            let Some(step) = self.next(plan, &way) else {
                return Err(vec!["a step can't begin".to_owned()]);
            };
            // Pods leave one by one, each when the one before is ready elsewhere.
            let mut wrong = self.take(plan, step);
            for _ in 0..PATIENCE {
                if !wrong.is_empty() && wrong.iter().all(|what| what.contains("Undrained")) {
                    wrong = self.rest(plan, &mut way);
                    wrong.extend(self.take(plan, step));
                }
            }
            way.begin(step);
            wrong.extend(self.rest(plan, &mut way));
            if !wrong.is_empty() {
                return Err(wrong);
            }
        }
        let left = self.plan();
        Ok((left.steps, left.waiting))
    }
}

/// The plan without one step. Whatever waited for it waits for what it waited for: only the step is missing, no order.
fn without(plan: &Plan, id: &StepId) -> Plan {
    let mut shorter = plan.clone();
    let at = shorter.steps.iter().position(|step| step.id == *id).unwrap();
    let gone = shorter.steps.remove(at);
    for step in shorter.steps.iter_mut().filter(|step| step.after.contains(id)) {
        let after: BTreeSet<StepId> =
            step.after.iter().filter(|after| *after != id).chain(&gone.after).cloned().collect();
        step.after = after.into_iter().collect();
    }
    shorter
}

/// Drops each step in turn, on a cluster with pods that may lose one at a time.
#[track_caller]
fn check(kind: Kind, shape: Shape, then: Shape) {
    let drawn = Drawn { kind, shape, then, replaced: None };
    let mut catalog = Catalog::new(LOCK);
    let case = catalog.case(&drawn.then).unwrap();
    let mut world = play::begin(&mut catalog, &drawn, &case).unwrap();
    // Two on each work node: whoever takes one away at once takes too many.
    let pods = 2 * usize::from(drawn.shape.works);
    world.deploy(pods, pods - 1);
    world.deeds();
    let walk = |world: &World| {
        let (invariants, clock_ms) = (Invariants::new(&case.spec), world.clock_ms());
        Walk { case: &case, world: world.clone(), invariants, lot: Stream::new(1, "order"), clock_ms }
    };
    let plan = walk(&world).plan();
    let end = walk(&world).carry_out(&plan);
    assert!(end.is_ok(), "with all its steps: {end:?}");
    // Of several that leave one by one, the next one is left.
    let dropped = plan.steps.iter().filter(|step| !is_caution(step));
    let superfluous = dropped.filter(|step| walk(&world).carry_out(&without(&plan, &step.id)) == end);
    let told: Vec<String> = superfluous.map(|step| format!("{}: {}", step.id, step.reason)).collect();
    assert_eq!(told, Vec::<String>::new());
}

/// No pod of these sets tolerates the taint of mains, so none has to leave one that leaves. Others might.
fn is_caution(step: &Step) -> bool {
    matches!(&step.action, Action::DrainNode { node, .. } if node.as_str().starts_with("main-"))
}

fn usual() -> Shape {
    Shape { works: 2, ..Shape::usual() }
}

#[test]
fn no_step_of_an_upgrade_is_superfluous() {
    check(Kind::Upgrade, Shape { kubernetes: "1.28.15", ..usual() }, usual());
}

#[test]
fn no_step_of_a_departure_is_superfluous() {
    check(Kind::Retirement, Shape { works: 3, ..usual() }, Shape { leaving_works: 1, ..usual() });
    let five = Shape { mains: 5, ..usual() };
    check(Kind::Retirement, five, Shape { leaving_mains: 2, ..usual() });
}

#[test]
fn no_step_of_growth_is_superfluous() {
    check(Kind::Scale, usual(), Shape { works: 3, ..usual() });
}

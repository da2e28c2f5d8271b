//! Orders that the executor would never choose: every one that the plan allows must do (P3), and after each step the world
//! is what the plan said it would be (P12).
//!
//! Steps begin one by one in an order drawn by lot, with units and budgets kept, in a world without faults; some while
//! others are still awaited. After each, the invariants are judged, and where all has come to rest, a plan made from what is
//! seen then may hold nothing but what was left of this one.

use std::collections::{BTreeMap, BTreeSet};

use fmp_exec::{Applied, Context, Judgement, Watched, judge};
use fmp_plan::{
    Action, Plan, Standing, Step, StepId,
    step::{Budget, Disruption},
};

use super::{Catalog, Drawn, Kind, Shape, play};
use crate::{
    Case, World,
    invariant::{Invariants, Landed},
    random::Stream,
    testing::LOCK,
};

/// Milliseconds that pass where all is to come to rest: whatever was started is up by then.
const PAUSE_MS: u64 = 120_000;

/// Rounds until nothing is left: a main that moves needs two, and mains leave one by one.
const ROUNDS: usize = 5;

/// A plan on its way.
pub(super) struct Walk<'a> {
    pub(super) case: &'a Case,
    pub(super) world: World,
    pub(super) invariants: Invariants,
    pub(super) lot: Stream,
    pub(super) clock_ms: u64,
}

impl Walk<'_> {
    /// Plans and walks until nothing is left. What was wrong on the way.
    fn walk_on(mut self) -> Vec<String> {
        for _ in 0..ROUNDS {
            let plan = self.plan();
            if plan.standing() == Standing::InSync {
                return Vec::new();
            }
            let wrong = self.round(&plan);
            if !wrong.is_empty() {
                return wrong;
            }
        }
        vec![format!("no end after {ROUNDS} rounds: {:?}", self.plan().waiting)]
    }

    pub(super) fn plan(&self) -> Plan {
        self.case.plan(&self.world.observe(&self.case.questions)).unwrap()
    }

    fn round(&mut self, plan: &Plan) -> Vec<String> {
        let all: BTreeSet<&StepId> = plan.steps.iter().map(|step| &step.id).collect();
        let mut way = Way::default();
        while way.done.len() < plan.steps.len() {
            let Some(step) = self.next(plan, &way) else {
                let before = way.done.len();
                let wrong = self.rest(plan, &mut way);
                if !wrong.is_empty() {
                    return wrong;
                }
                if way.done.len() == before {
                    return vec![format!("nothing can be done: {way:?}")];
                }
                continue;
            };
            let mut wrong = self.take(plan, step);
            way.landed.insert(&step.id);
            if self.lot.chance(500) {
                // The next one begins while this one is awaited.
                if !wrong.is_empty() {
                    return wrong;
                }
                continue;
            }
            wrong.extend(self.rest(plan, &mut way));
            let then = self.plan();
            let open = open_units(plan, &way);
            let is_over = |then: &&Step| {
                let own = plan.steps.iter().find(|own| own.id == then.id && own.action == then.action);
                own.is_some_and(|own| {
                    way.done.contains(&own.id) && own.unit.as_ref().is_none_or(|unit| !open.contains(unit))
                })
            };
            // That pods have left leaves no trace but that they are not there.
            let leaves_a_trace = |step: &&Step| !matches!(step.action, Action::DrainNode { .. });
            let again = then.steps.iter().filter(is_over).filter(leaves_a_trace);
            wrong.extend(again.map(|again| format!("{} is planned again: {}", again.id, again.reason)));
            let waited = |step: &Step| plan.waiting.iter().any(|waiting| waiting.concerns(&step.id));
            // Whoever broke off here would have to give the node back.
            let gives_back = |step: &Step| {
                let node = step.action.api_node().filter(|_| matches!(step.action, Action::UncordonNode { .. }));
                node.is_some_and(|node| open.iter().any(|unit| unit.node == *node))
            };
            // A member that was begun and waits for others is on its way up: whoever looks starts it, and waits with it.
            let waits_for_others = |step: &Step| {
                let begun = |own: &&Step| own.action.starts() == step.action.starts() && own.subject == step.subject;
                let mut begun = plan.steps.iter().filter(begun);
                step.action.starts().is_some()
                    && begun.any(|own| way.landed.contains(&own.id) && !way.done.contains(&own.id))
            };
            let is_new =
                |then: &&Step| !all.contains(&then.id) && !waited(then) && !gives_back(then) && !waits_for_others(then);
            let new = then.steps.iter().filter(is_new);
            wrong.extend(new.map(|new| format!("{} comes after {}: {}", new.id, step.id, new.reason)));
            if !wrong.is_empty() {
                return wrong;
            }
        }
        Vec::new()
    }

    /// Waits until nothing is awaited that comes by itself. What was wrong on the way.
    pub(super) fn rest<'p>(&mut self, plan: &'p Plan, way: &mut Way<'p>) -> Vec<String> {
        self.pause();
        self.invariants.hear(self.world.deeds());
        self.finish(plan, way);
        self.invariants.violations.drain(..).map(|it| it.to_string()).collect()
    }

    /// Steps that took effect are done once what they are awaited by holds.
    fn finish<'p>(&self, plan: &'p Plan, way: &mut Way<'p>) {
        let holds = |check| matches!(self.world.watch(check), Ok(Watched::Holds));
        for step in plan.steps.iter().filter(|step| step.watch.as_ref().is_none_or(holds)) {
            if way.landed.remove(&step.id) {
                way.done.insert(&step.id);
            }
        }
    }

    /// One of those that may begin: what comes before is done, its unit has a slot, and safety permits it.
    pub(super) fn next<'p>(&mut self, plan: &'p Plan, way: &Way<'_>) -> Option<&'p Step> {
        let open = open_units(plan, way);
        let seen = self.world.observe(&self.case.to_judge);
        let in_flight: Vec<&Step> = plan.steps.iter().filter(|step| way.landed.contains(&step.id)).collect();
        let may = |step: &&Step| {
            let slot = step.unit.as_ref().is_none_or(|unit| {
                let of_budget = open.iter().filter(|other| other.budget == unit.budget).count();
                open.contains(unit) || of_budget < usize::try_from(plan.budgets[&unit.budget]).unwrap()
            });
            !way.has_begun(&step.id)
                && slot
                && step.after.iter().all(|before| way.done.contains(before))
                && judge::judge(&self.case.spec, &seen, step, &in_flight) == Judgement::Ready
        };
        let ready: Vec<&Step> = plan.steps.iter().filter(may).collect();
        self.lot.pick(&ready).copied()
    }

    pub(super) fn take(&mut self, plan: &Plan, step: &Step) -> Vec<String> {
        let cx = Context { epoch: 1, texts: std::sync::Arc::new(plan.texts.clone()), ..Context::default() };
        let (before, skewed) = (self.world.standing(&self.case.spec), self.world.broken_skew());
        let applied = self.world.apply(&cx, step);
        let after = self.world.standing(&self.case.spec);
        let spec = &self.case.spec;
        self.invariants.landed(&Landed { step, seen: Some(before), before, after, excused: false, spec });
        self.invariants.met(&step.id, self.world.broken_skew().difference(&skewed).cloned());
        self.invariants.hear(self.world.deeds());
        let mut wrong: Vec<String> = self.invariants.violations.drain(..).map(|it| it.to_string()).collect();
        if !matches!(applied, Ok(Applied::Done | Applied::AlreadyDone)) {
            wrong.push(format!("{}: {applied:?}", step.id));
        }
        wrong
    }
}

impl Walk<'_> {
    /// What was started comes up, one after the other.
    fn pause(&mut self) {
        self.clock_ms += PAUSE_MS;
        while let Some(due) = self.world.due_ms().filter(|due| *due < self.clock_ms) {
            self.world.advance(due);
        }
        self.world.advance(self.clock_ms);
    }
}

/// How far a walk has come.
#[derive(Debug, Default)]
pub(super) struct Way<'p> {
    /// What took effect and is still awaited.
    landed: BTreeSet<&'p StepId>,
    done: BTreeSet<&'p StepId>,
}

impl<'p> Way<'p> {
    pub(super) fn begin(&mut self, step: &'p Step) {
        self.landed.insert(&step.id);
    }

    pub(super) fn is_over(&self, plan: &Plan) -> bool {
        self.done.len() == plan.steps.len()
    }

    fn has_begun(&self, id: &StepId) -> bool {
        self.landed.contains(id) || self.done.contains(id)
    }
}

/// Units that were begun and are not over.
fn open_units<'p>(plan: &'p Plan, way: &Way<'_>) -> BTreeSet<&'p Disruption> {
    let mut parts: BTreeMap<&Disruption, (bool, bool)> = BTreeMap::new();
    for step in &plan.steps {
        let Some(unit) = &step.unit else { continue };
        let (begun, left) = parts.entry(unit).or_default();
        *begun |= way.has_begun(&step.id);
        *left |= !way.done.contains(&step.id);
    }
    parts.into_iter().filter(|(_, (begun, left))| *begun && *left).map(|(unit, _)| unit).collect()
}

fn drawn(kind: Kind, shape: Shape, then: Shape, replaced: Option<&str>) -> Drawn {
    Drawn { kind, shape, then, replaced: replaced.map(str::to_owned) }
}

#[track_caller]
fn check(drawn: &Drawn) {
    let mut catalog = Catalog::new(LOCK);
    let case = catalog.case(&drawn.then).unwrap();
    let mut world = play::begin(&mut catalog, drawn, &case).unwrap();
    play::befall(&mut world, drawn);
    for seed in 1..=8 {
        let mut world = world.clone();
        world.deeds();
        let invariants = Invariants::new(&case.spec);
        let clock_ms = world.clock_ms();
        let walk = Walk { case: &case, world, invariants, lot: Stream::new(seed, "order"), clock_ms };
        assert_eq!(walk.walk_on(), Vec::<String>::new(), "order {seed} of {:?}", drawn.kind);
    }
}

fn usual() -> Shape {
    Shape { works: 2, ..Shape::usual() }
}

#[test]
fn an_installation_in_any_order() {
    check(&drawn(Kind::Install, usual(), usual(), None));
}

#[test]
fn a_change_of_settings_in_any_order() {
    for profile in ["audit", "quota", "pods"] {
        check(&drawn(Kind::Change, usual(), Shape { profile, ..usual() }, None));
    }
}

#[test]
fn a_cluster_that_grows_in_any_order() {
    check(&drawn(Kind::Scale, usual(), Shape { works: 3, ..usual() }, None));
    check(&drawn(Kind::Scale, usual(), Shape { mains: 5, ..usual() }, None));
}

#[test]
fn a_replacement_in_any_order() {
    check(&drawn(Kind::Replacement, usual(), usual(), Some("main-1")));
    check(&drawn(Kind::Replacement, usual(), usual(), Some("work-02")));
}

#[test]
fn an_upgrade_in_any_order() {
    check(&drawn(Kind::Upgrade, Shape { kubernetes: "1.28.15", ..usual() }, usual(), None));
}

#[test]
fn a_departure_in_any_order() {
    let leaving = Shape { works: 1, leaving_works: 1, ..usual() };
    check(&drawn(Kind::Retirement, usual(), leaving, None));
    let leaving = Shape { leaving_mains: 2, ..usual() };
    check(&drawn(Kind::Retirement, Shape { mains: 5, ..usual() }, leaving.clone(), None));
    check(&drawn(Kind::Retirement, Shape { mains: 5, ..usual() }, Shape { destroyed: true, ..leaving }, None));
}

#[test]
fn budgets_are_kept_on_the_way() {
    let mut catalog = Catalog::new(LOCK);
    let audit = Shape { profile: "audit", ..usual() };
    let (case, world) = (catalog.case(&audit).unwrap(), catalog.settled(&usual()).unwrap());
    let plan = case.plan(&world.observe(&case.questions)).unwrap();
    let first = plan.steps.iter().find(|step| step.unit.is_some()).unwrap();
    let open = open_units(&plan, &Way { done: BTreeSet::from([&first.id]), ..Way::default() });
    assert_eq!(open.into_iter().collect::<Vec<_>>(), [first.unit.as_ref().unwrap()]);
    assert_eq!(plan.budgets[&Budget::Mains], 1);
}

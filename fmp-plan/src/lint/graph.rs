//! Who waits for whom: names are looked up once. Stands up to plans that nobody could carry out.

use std::collections::{BTreeMap, BTreeSet};

use super::{Findings, Rule};
use crate::{Plan, Step, StepId, step::Disruption};

/// A plan's steps by position, and what each waits for.
pub(super) struct Graph<'a> {
    pub(super) plan: &'a Plan,
    after: Vec<Vec<usize>>,
}

impl<'a> Graph<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        let places: BTreeMap<&StepId, usize> = plan.steps.iter().enumerate().map(|(at, step)| (&step.id, at)).collect();
        let after = |step: &Step| step.after.iter().filter_map(|id| places.get(id).copied()).collect();
        Self { plan, after: plan.steps.iter().map(after).collect() }
    }

    pub(super) fn steps(&self) -> impl Iterator<Item = (usize, &'a Step)> {
        self.plan.steps.iter().enumerate()
    }

    pub(super) fn step(&self, at: usize) -> &'a Step {
        &self.plan.steps[at]
    }

    /// Every step that comes before the one at `at`; itself only where it waits for itself.
    pub(super) fn all_before(&self, at: usize) -> BTreeSet<usize> {
        reached(&self.after, at)
    }

    pub(super) fn check(&self, findings: &mut Findings) {
        let known: BTreeSet<&StepId> = self.plan.steps.iter().map(|step| &step.id).collect();
        for step in &self.plan.steps {
            for id in step.after.iter().filter(|id| !known.contains(*id)) {
                findings.add(Rule::Dangling, &step.id, format!("waits for {id}, which is no step of this plan"));
            }
        }
        let circles = on_circles(&self.after);
        for &at in &circles {
            findings.add(Rule::Cycle, &self.step(at).id, "waits for itself, perhaps by way of others");
        }
        // Units of steps that wait for themselves say nothing more.
        if circles.is_empty() {
            self.check_units(findings);
        }
    }

    /// Every unit is one point: its slot is taken before its first step and given back after its last.
    fn check_units(&self, findings: &mut Findings) {
        let units: BTreeSet<&Disruption> = self.plan.steps.iter().filter_map(|step| step.unit.as_ref()).collect();
        let units: Vec<&Disruption> = units.into_iter().collect();
        let place = |unit: &Disruption| units.binary_search(&unit).ok();
        let point = |at: usize| self.step(at).unit.as_ref().and_then(place).unwrap_or(units.len() + at);
        let mut after: Vec<Vec<usize>> = vec![Vec::new(); units.len() + self.plan.steps.len()];
        for (at, _) in self.steps() {
            let own = point(at);
            after[own].extend(self.after[at].iter().map(|&earlier| point(earlier)).filter(|&earlier| earlier != own));
        }
        // A step between two of one unit's steps is on a circle with it, and does no harm.
        let circles: Vec<usize> = on_circles(&after).into_iter().filter(|&at| at < units.len()).collect();
        for &one in &circles {
            let before = reached(&after, one);
            let each_other =
                |&&other: &&usize| one < other && before.contains(&other) && reached(&after, other).contains(&one);
            if let Some(&other) = circles.iter().find(each_other) {
                let (one, other) = (units[one], units[other]);
                let told = |unit: &Disruption| format!("{} ({:?})", unit.node, unit.budget);
                findings.add(
                    Rule::UnitCycle,
                    format!("unit of {}", told(one)),
                    format!("it and the unit of {} wait for each other", told(other)),
                );
            }
        }
    }
}

/// Everything that comes before a point.
fn reached(after: &[Vec<usize>], at: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut next: Vec<usize> = after[at].clone();
    while let Some(earlier) = next.pop() {
        if found.insert(earlier) {
            next.extend(&after[earlier]);
        }
    }
    found
}

/// The points that come before themselves. Most plans have none: what can be begun is taken away first.
fn on_circles(after: &[Vec<usize>]) -> Vec<usize> {
    let mut waits: Vec<usize> = after.iter().map(Vec::len).collect();
    let mut later: Vec<Vec<usize>> = vec![Vec::new(); after.len()];
    for (at, earlier) in after.iter().enumerate() {
        earlier.iter().for_each(|&earlier| later[earlier].push(at));
    }
    let mut free: Vec<usize> = (0..after.len()).filter(|&at| waits[at] == 0).collect();
    while let Some(at) = free.pop() {
        for &next in &later[at] {
            waits[next] -= 1;
            if waits[next] == 0 {
                free.push(next);
            }
        }
    }
    (0..after.len()).filter(|&at| waits[at] > 0 && reached(after, at).contains(&at)).collect()
}

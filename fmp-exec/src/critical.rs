//! Where the time of a run goes: the chain of steps that no run of this plan can be shorter than.
//!
//! Pure: durations come from a run's news, or from whoever estimates them. Budgets and limits are left out, since they are
//! what a run adds: its own length less that of the critical path is what they cost.

use std::collections::BTreeMap;

use fmp_plan::{Plan, StepId};

use crate::{ActionKind, PlanError, Progress, progress::News, structure::Structure};

/// The longest chain of a plan's steps of which each waits for the one before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CriticalPath {
    /// The chain, in the order in which it is carried out.
    pub steps: Vec<StepId>,
    /// The sum of their durations in milliseconds.
    pub millis: u64,
}

/// How long each step took from its begin to its end, its watch and its retries included, in milliseconds. Steps that did
/// not come to an end are left out.
pub fn durations<'a>(news: impl IntoIterator<Item = &'a Progress>) -> BTreeMap<StepId, u64> {
    let ended = |progress: &'a Progress| match &progress.news {
        News::StepFinished { step, millis, .. } | News::StepFailed { step, millis, .. } => {
            Some((step.clone(), *millis))
        }
        News::RunStarted { .. }
        | News::SlotTaken { .. }
        | News::SlotReturned { .. }
        | News::StepStarted { .. }
        | News::StepPostponed { .. }
        | News::StepApplied { .. }
        | News::StepRetry { .. }
        | News::StepStale { .. }
        | News::RunInterrupted { .. }
        | News::RunFinished { .. } => None,
    };
    news.into_iter().filter_map(ended).collect()
}

/// How long all steps of each kind took together, in milliseconds. Steps of a kind run beside each other, so the sum may be
/// longer than the run.
pub fn by_kind(plan: &Plan, durations: &BTreeMap<StepId, u64>) -> BTreeMap<ActionKind, u64> {
    let mut sums = BTreeMap::new();
    for step in &plan.steps {
        if let Some(millis) = durations.get(&step.id) {
            *sums.entry(ActionKind::of(&step.action)).or_default() += millis;
        }
    }
    sums
}

/// The plan's critical path. A step waits for those that it names, and a step of a unit of disruption for all that its unit
/// needs from outside, as in a run. A step without a duration takes no time. Of chains of one length, the one whose last
/// steps have the smallest ids.
///
/// # Errors
/// [`PlanError`], where the plan could not be carried out either.
pub fn critical_path(plan: &Plan, durations: &BTreeMap<StepId, u64>) -> Result<CriticalPath, PlanError> {
    let structure = Structure::new(plan)?;
    let points = structure.waits_for.len();
    let takes = |point: u32| {
        let step = structure.steps.get(point as usize);
        step.and_then(|step| durations.get(&step.id)).copied().unwrap_or(0)
    };
    let mut waits_for = structure.waits_for.clone();
    let mut ready: Vec<u32> = (0..).zip(&waits_for).filter(|(_, count)| **count == 0).map(|(at, _)| at).collect();
    // By point: when everything that it waits for is over, and what of that was over last.
    let mut begins: Vec<(u64, Option<u32>)> = vec![(0, None); points];
    let mut last: Option<(u64, u32)> = None;
    while let Some(point) = ready.pop() {
        let end = begins[point as usize].0 + takes(point);
        if structure.is_step(point) && last.is_none_or(|(latest, at)| end > latest || (end == latest && point < at)) {
            last = Some((end, point));
        }
        for &next in structure.dependents(point) {
            let (latest, at) = &mut begins[next as usize];
            if at.is_none_or(|at| end > *latest || (end == *latest && point < at)) {
                (*latest, *at) = (end, Some(point));
            }
            waits_for[next as usize] -= 1;
            if waits_for[next as usize] == 0 {
                ready.push(next);
            }
        }
    }
    let Some((millis, end)) = last else { return Ok(CriticalPath::default()) };
    let chain = std::iter::successors(Some(end), |at| begins[*at as usize].1);
    let mut steps: Vec<StepId> =
        chain.filter(|at| structure.is_step(*at)).map(|at| structure.steps[at as usize].id.clone()).collect();
    steps.reverse();
    Ok(CriticalPath { steps, millis })
}

#[cfg(test)]
mod tests {
    use fmp_core::{Digest, spec::Environment};
    use fmp_plan::{
        Action, Step,
        plan::Basis,
        step::{Budget, Disruption, Subject},
    };

    use super::*;
    use crate::Millis;

    fn step(id: &str, after: &[&str]) -> Step {
        Step {
            id: StepId::new(id),
            subject: Subject::Host("h".parse().unwrap()),
            action: Action::StartUnit { unit: "x.service".into() },
            after: after.iter().map(|&id| StepId::new(id)).collect(),
            unit: None,
            disrupts: [].into(),
            watch: None,
            reason: String::new(),
        }
    }

    fn plan(steps: Vec<Step>) -> Plan {
        Plan {
            format: fmp_plan::plan::FORMAT,
            cluster: "test".into(),
            environment: Environment::Ssh,
            basis: Basis { spec: Digest::of("spec"), bundle: Digest::of("bundle"), facts: Vec::new() },
            changes: Vec::new(),
            steps,
            waiting: Vec::new(),
            notes: Vec::new(),
            consents: [].into(),
            budgets: [(Budget::Works, 1)].into(),
            texts: BTreeMap::new(),
        }
    }

    fn times(of: &[(&str, u64)]) -> BTreeMap<StepId, u64> {
        of.iter().map(|(id, millis)| (StepId::new(*id), *millis)).collect()
    }

    #[track_caller]
    fn check(steps: Vec<Step>, of: &[(&str, u64)], expected: &[&str], millis: u64) {
        let path = critical_path(&plan(steps), &times(of)).unwrap();
        assert_eq!(path.steps.iter().map(StepId::as_str).collect::<Vec<_>>(), expected);
        assert_eq!(path.millis, millis);
    }

    #[test]
    fn a_plan_without_steps_takes_no_time() {
        check(Vec::new(), &[], &[], 0);
    }

    #[test]
    fn the_longest_chain_is_found_whatever_the_order_of_ids() {
        let steps = || vec![step("a", &["z"]), step("b", &["a"]), step("m", &[]), step("z", &[])];
        check(steps(), &[("a", 5), ("b", 1), ("m", 6), ("z", 2)], &["z", "a", "b"], 8);
        check(steps(), &[("a", 5), ("b", 1), ("m", 9), ("z", 2)], &["m"], 9);
    }

    #[test]
    fn where_paths_join_the_slower_one_counts() {
        let steps = vec![step("a", &[]), step("b", &["a"]), step("c", &["a"]), step("d", &["b", "c"])];
        check(steps, &[("a", 1), ("b", 2), ("c", 3), ("d", 1)], &["a", "c", "d"], 5);
    }

    #[test]
    fn of_equal_chains_the_smallest_ids_are_told() {
        let steps = vec![step("a", &[]), step("b", &[]), step("c", &["a", "b"]), step("d", &["a", "b"])];
        check(steps, &[("a", 1), ("b", 1), ("c", 1), ("d", 1)], &["a", "c"], 2);
    }

    #[test]
    fn a_step_without_a_duration_takes_no_time() {
        check(vec![step("a", &[]), step("b", &["a"])], &[("b", 7)], &["a", "b"], 7);
    }

    #[test]
    fn a_unit_waits_for_all_that_it_needs() {
        let unit = || Some(Disruption { node: "h".parse().unwrap(), budget: Budget::Works });
        let of_unit = |id: &str, after: &[&str]| Step { unit: unit(), ..step(id, after) };
        let steps = vec![of_unit("a", &[]), of_unit("b", &["a", "slow"]), step("slow", &[])];
        // `a` is no dependent of `slow`, and does not begin before it is over: its unit would hold its slot meanwhile.
        check(steps, &[("a", 3), ("b", 1), ("slow", 10)], &["slow", "a", "b"], 14);
    }

    #[test]
    fn what_could_not_be_carried_out_has_no_path() {
        let cycle = plan(vec![step("a", &["b"]), step("b", &["a"])]);
        assert!(matches!(critical_path(&cycle, &BTreeMap::new()), Err(PlanError::Cycle(_))));
    }

    #[test]
    fn durations_are_those_of_ends() {
        let id = || StepId::new("a");
        let kind = ActionKind::StartUnit;
        let at = |news| Progress { at: Millis(0), news };
        let news = [
            at(News::StepStarted { step: id(), kind }),
            at(News::StepApplied { step: id(), millis: 3 }),
            at(News::StepFinished { step: id(), kind, already_done: false, millis: 5 }),
        ];
        let found = durations(&news);
        assert_eq!(found, times(&[("a", 5)]));
        assert_eq!(durations(&news[..2]), BTreeMap::new());
        assert_eq!(by_kind(&plan(vec![step("a", &[]), step("b", &[])]), &found), [(kind, 5)].into());
    }
}

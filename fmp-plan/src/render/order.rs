//! Which of the steps before a step are worth telling: those that no other of them comes after anyway.

use crate::{Plan, Step, StepId, action::Action};

/// What comes before what, by positions: names are looked up once.
pub(super) struct Order<'a> {
    plan: &'a Plan,
    after: Vec<Vec<usize>>,
}

impl<'a> Order<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        let place = |id: &StepId| plan.steps.binary_search_by(|step| step.id.cmp(id)).ok();
        let after = |step: &Step| {
            let mut after: Vec<usize> = step.after.iter().filter_map(place).collect();
            after.sort_unstable();
            after
        };
        let after = plan.steps.iter().map(after).collect();
        Self { plan, after }
    }

    /// The steps that the one at `at` waits for, without those that follow from another one, and without its host's
    /// machine and trust, which come before everything on it.
    pub(super) fn told(&self, at: usize) -> impl Iterator<Item = &'a StepId> {
        let step = &self.plan.steps[at];
        let direct = &self.after[at];
        let follows =
            move |earlier: usize| direct.iter().any(|&other| other != earlier && self.comes_after(other, earlier));
        let told = move |earlier: &usize| !is_first(step, &self.plan.steps[*earlier]) && !follows(*earlier);
        direct.iter().copied().filter(told).map(|earlier| &self.plan.steps[earlier].id)
    }

    /// Whether one step waits for another, itself or by way of others. Chains are short: a dozen steps.
    fn comes_after(&self, later: usize, earlier: usize) -> bool {
        let direct = &self.after[later];
        direct.binary_search(&earlier).is_ok()
            // What comes before everything on a host leads to nothing else that is worth telling.
            || direct.iter().any(|&at| !comes_first(&self.plan.steps[at]) && self.comes_after(at, earlier))
    }
}

fn comes_first(step: &Step) -> bool {
    matches!(step.action, Action::CreateMachine { .. } | Action::StartMachine | Action::EstablishTrust { .. })
}

/// What comes before everything on the step's own host.
fn is_first(step: &Step, earlier: &Step) -> bool {
    let own = earlier.subject.node().is_some() && earlier.subject.node() == step.subject.node();
    own && comes_first(earlier)
}

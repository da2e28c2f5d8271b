//! Which of the steps before a step are worth telling: those that no other of them comes after anyway.

use std::collections::BTreeSet;

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

    /// Whether one step waits for another, itself or by way of others. Each is looked at once, so that there is an end in a
    /// plan that somebody forged, where steps wait for themselves.
    fn comes_after(&self, later: usize, earlier: usize) -> bool {
        let mut seen = BTreeSet::from([later]);
        let mut next = vec![later];
        while let Some(at) = next.pop() {
            let direct = &self.after[at];
            if direct.binary_search(&earlier).is_ok() {
                return true;
            }
            // What comes before everything on a host leads to nothing else that is worth telling.
            next.extend(direct.iter().filter(|at| !comes_first(&self.plan.steps[**at]) && seen.insert(**at)));
        }
        false
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

#[cfg(test)]
mod tests {
    use crate::{
        StepId, render,
        testing::{Lab, step},
    };

    #[test]
    fn a_forged_plan_whose_steps_wait_for_themselves_is_told_to_its_end() {
        let mut plan = Lab::bare(3, 1).plan();
        for pair in [["containerd", "kubelet"], ["kubelet", "containerd"]] {
            let [of, after] = pair.map(|unit| StepId::new(format!("main-1/unit/{unit}.service")));
            let found = plan.steps.iter_mut().find(|step| step.id == of).unwrap();
            found.after.push(after);
        }
        assert!(render::text(&plan).contains("after unit/kubelet.service"));
        assert!(render::dot(&plan).ends_with("}\n"));
        assert!(
            render::step(step(&plan, "main-1/unit/kubelet.service")).contains("after: main-1/unit/containerd.service")
        );
    }
}

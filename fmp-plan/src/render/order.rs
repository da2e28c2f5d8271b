//! Which of the steps before a step are worth telling: those that no other of them comes after anyway.

use crate::{Plan, Step, StepId, action::Action};

/// The steps that `step` waits for, without those that follow from another one, and without its host's machine and
/// trust, which come before everything on it.
pub(super) fn told<'a>(plan: &'a Plan, step: &'a Step) -> impl Iterator<Item = &'a StepId> {
    let implied = move |earlier: &StepId| {
        step.after
            .iter()
            .any(|other| other != earlier && find(plan, other).is_some_and(|other| comes_after(plan, other, earlier)))
    };
    let first = |earlier: &StepId| {
        find(plan, earlier).is_some_and(|earlier| {
            let own = earlier.subject.node().is_some() && earlier.subject.node() == step.subject.node();
            own && matches!(
                earlier.action,
                Action::CreateMachine { .. } | Action::StartMachine | Action::EstablishTrust { .. }
            )
        })
    };
    step.after.iter().filter(move |earlier| !first(earlier) && !implied(earlier))
}

/// Whether `step` waits for `earlier`, itself or by way of others. Chains are short: a dozen steps.
fn comes_after(plan: &Plan, step: &Step, earlier: &StepId) -> bool {
    if step.after.binary_search(earlier).is_ok() {
        return true;
    }
    // What comes before everything on a host leads nowhere else.
    let leads = |id: &&StepId| id.as_str().ends_with("/trust") || id.as_str().ends_with("/machine");
    step.after
        .iter()
        .filter(|id| !leads(id))
        .filter_map(|id| find(plan, id))
        .any(|step| comes_after(plan, step, earlier))
}

fn find<'a>(plan: &'a Plan, id: &StepId) -> Option<&'a Step> {
    let at = plan.steps.binary_search_by(|step| step.id.cmp(id)).ok()?;
    plan.steps.get(at)
}

//! Safety, asked again just before each step that takes something away.
//!
//! Judges by the same function as the planner, from what the mains say now. Whoever carries a plan out asks here: the
//! program and the simulator alike.

use std::collections::BTreeSet;

use fmp_core::{
    observed::Observed,
    resource::Capability,
    spec::{Role, Spec},
};
use fmp_plan::{
    Step,
    safety::{self, Verdict},
};

use crate::{Judgement, Questions, ask};

/// What safety reads: the mains, and what is seen through them.
pub fn questions(all: &Questions, spec: &Spec) -> Questions {
    ask::only(all, |node| spec.nodes.get(node).is_some_and(|node| node.role == Role::Main))
}

/// Whether a step may begin, with everything in flight counted together with it.
pub fn judge(spec: &Spec, observed: &Observed, step: &Step, in_flight: &[&Step]) -> Judgement {
    let steps = in_flight.iter().copied().chain([step]);
    let disrupts: BTreeSet<Capability> = steps.flat_map(|step| step.disrupts.iter().cloned()).collect();
    match safety::permit(spec, observed, &disrupts) {
        Verdict::Safe(_) | Verdict::Consented { .. } => Judgement::Ready,
        Verdict::Unsafe(refusal) => Judgement::Unsafe(refusal.to_string()),
    }
}

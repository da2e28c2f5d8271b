//! Safety, asked again just before each step that takes something away.

use std::collections::BTreeSet;

use fmp_core::{observed::Observed, resource::Capability, spec::Spec};
use fmp_exec::{Judgement, Questions};
use fmp_plan::{
    Step,
    safety::{self, Verdict},
};
use fmp_providers::driver::Judge;

use crate::session::Session;

/// Judges by the same function as the planner, from what the mains say now.
pub(crate) struct Fresh {
    spec: Spec,
    questions: Questions,
}

impl Fresh {
    /// The judge of this session's cluster.
    pub(crate) fn new(session: &Session) -> miette::Result<Self> {
        let all = crate::cmd::questions(session)?;
        Ok(Self { questions: super::safety_questions(&all, &session.spec), spec: session.spec.clone() })
    }
}

impl Judge for Fresh {
    fn questions(&self, _: &[&Step]) -> Questions {
        self.questions.clone()
    }

    fn judge(&self, observed: &Observed, step: &Step, in_flight: &[&Step]) -> Judgement {
        let steps = in_flight.iter().copied().chain([step]);
        let disrupts: BTreeSet<Capability> = steps.flat_map(|step| step.disrupts.iter().cloned()).collect();
        match safety::permit(&self.spec, observed, &disrupts) {
            Verdict::Safe(_) | Verdict::Consented { .. } => Judgement::Ready,
            Verdict::Unsafe(refusal) => Judgement::Unsafe(refusal.to_string()),
        }
    }
}

//! Safety, asked again just before each step that takes something away.

use fmp_core::{observed::Observed, spec::Spec};
use fmp_exec::{Judgement, Questions, judge};
use fmp_plan::Step;
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
        Ok(Self { questions: judge::questions(&all, &session.spec), spec: session.spec.clone() })
    }
}

impl Judge for Fresh {
    fn questions(&self, _: &[&Step]) -> Questions {
        self.questions.clone()
    }

    fn judge(&self, observed: &Observed, step: &Step, in_flight: &[&Step]) -> Judgement {
        judge::judge(&self.spec, observed, step, in_flight)
    }
}

//! What a run tells while it goes on: for bars, for plain lines, for the journal.

use fmp_plan::{StepId, step::Disruption};
use serde::{Deserialize, Serialize};

use crate::{ActionKind, FailureSummary, Millis, Mismatch};

/// Something that happened in a run, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// When.
    pub at: Millis,
    /// What.
    #[serde(flatten)]
    pub news: News,
}

/// Something that happened in a run. A closed set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", tag = "event")]
pub enum News {
    /// The run begins.
    RunStarted {
        /// How many steps there are.
        steps: usize,
    },
    /// A unit of disruption took a slot of its budget.
    SlotTaken {
        /// Which unit.
        unit: Disruption,
    },
    /// It gave the slot back: its last step is finished, or it was unsafe to begin.
    SlotReturned {
        /// Which unit.
        unit: Disruption,
    },
    /// A step begins for the first time.
    StepStarted {
        /// Which.
        step: StepId,
        /// What it does.
        kind: ActionKind,
    },
    /// The step is unsafe for the moment, and is judged again later.
    StepPostponed {
        /// Which.
        step: StepId,
        /// What it would break.
        why: String,
        /// Until then.
        pause_ms: u64,
    },
    /// The change was made, or had been made before; the watch follows, if the step has one.
    StepApplied {
        /// Which.
        step: StepId,
        /// How long it took since the step began.
        millis: u64,
    },
    /// A step is finished, its watch included.
    StepFinished {
        /// Which.
        step: StepId,
        /// What it did: durations are kept by kind.
        kind: ActionKind,
        /// Whether nothing was left to do.
        already_done: bool,
        /// How long it took since it began.
        millis: u64,
    },
    /// The step failed and is tried again.
    StepRetry {
        /// Which.
        step: StepId,
        /// How often it was tried so far.
        tried: u32,
        /// How long until the next try.
        pause_ms: u64,
        /// The failure.
        why: FailureSummary,
    },
    /// The step failed for good.
    StepFailed {
        /// Which.
        step: StepId,
        /// What it did.
        kind: ActionKind,
        /// How long since it began.
        millis: u64,
        /// The failure.
        why: FailureSummary,
    },
    /// The step found something that the plan did not expect. Nothing new begins.
    StepStale {
        /// Which.
        step: StepId,
        /// The fact that differs.
        fact: Mismatch,
    },
    /// A person asked to stop. Nothing new begins.
    RunInterrupted {
        /// How many steps are waited for.
        in_flight: usize,
    },
    /// The run is over. The counts add up to the steps of the plan.
    RunFinished {
        /// Steps that were carried out.
        done: usize,
        /// Steps with nothing left to do.
        already_done: usize,
        /// Steps that failed.
        failed: usize,
        /// Steps that found the plan stale.
        stale: usize,
        /// Steps that were never begun.
        not_begun: usize,
        /// Steps whose remote effects may go on.
        in_flight: usize,
        /// How long the run took.
        millis: u64,
    },
}

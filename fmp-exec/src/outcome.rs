//! How a run ended: every step of the plan in exactly one list.

use fmp_core::NodeName;
use fmp_plan::{StepId, step::Budget};
use serde::{Deserialize, Serialize};

use crate::{FailureSummary, Mismatch};

/// How a run ended. Each list is in id order; together they are the plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Carried out and watched.
    pub done: Vec<StepId>,
    /// Nothing was left to do.
    pub already_done: Vec<StepId>,
    /// Failed for good.
    pub failed: Vec<FailedStep>,
    /// Found something that the plan did not expect, and touched nothing.
    pub stale: Vec<StaleStep>,
    /// Never begun.
    pub not_begun: Vec<NotBegun>,
    /// Begun, and nobody waited for their end: their remote effects may go on.
    pub in_flight: Vec<InFlight>,
    /// Whether a person stopped the run.
    pub interrupted: bool,
}

impl Outcome {
    /// Whether every step was carried out or had been before.
    pub const fn complete(&self) -> bool {
        self.failed.is_empty() && self.stale.is_empty() && self.not_begun.is_empty() && self.in_flight.is_empty()
    }
}

/// A step that failed for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailedStep {
    /// Which.
    pub step: StepId,
    /// The last failure.
    pub why: FailureSummary,
}

/// A step that does not fit what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaleStep {
    /// Which.
    pub step: StepId,
    /// The fact that differs.
    pub fact: Mismatch,
}

/// A step that was never begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotBegun {
    /// Which.
    pub step: StepId,
    /// Why.
    pub why: WhyNot,
}

/// Why a step was never begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhyNot {
    /// It, or its unit of disruption, needs this step, which failed or was not begun itself.
    Needs(StepId),
    /// The units of these nodes did not come to an end, and the budget allows no more beside them.
    NoSlot {
        /// Which budget.
        budget: Budget,
        /// Whose units hold it.
        held_by: Vec<NodeName>,
    },
    /// A step found the plan stale.
    Stale,
    /// A person stopped the run.
    Interrupted,
}

/// A step that was under way when a person stopped waiting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InFlight {
    /// Which.
    pub step: StepId,
    /// How far it was.
    pub stage: FlightStage,
}

/// How far a step was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlightStage {
    /// The change was being made, and may still be.
    Applying,
    /// The change was made; whether it holds was not seen.
    Watching,
}

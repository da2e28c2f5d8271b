//! A controller: one process of `fmp` that carries out one plan.

use std::{collections::BTreeSet, sync::Arc};

use fmp_exec::{Context, Executor, StepAt, lease::LeaseRecord};
use fmp_plan::{Plan, Step, plan::Waiting};

use crate::world::Standing;

/// Which controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who(pub u32);

/// A process that carries out a plan.
#[derive(Debug)]
pub(super) struct Controller {
    pub(super) plan: Arc<Plan>,
    pub(super) cx: Context,
    pub(super) executor: Executor,
    pub(super) record: LeaseRecord,
    /// The newest epoch that it saw on any host before it began.
    pub(super) heard: u64,
    /// When the lease was granted the last time.
    pub(super) granted_ms: u64,
    /// Whether it was there to be taken at all: before there is a main it is not.
    pub(super) has_lease: bool,
    /// When the hosts were observed that the last judgement rests on.
    pub(super) seen_ms: u64,
    /// What the cluster offered then.
    pub(super) seen: Standing,
    /// When the hosts were observed that the plan rests on.
    pub(super) planned_ms: u64,
    /// Steps whose change is being made or watched.
    pub(super) in_flight: BTreeSet<StepAt>,
    /// Steps that wait for an observation that begins after they asked.
    pub(super) to_judge: BTreeSet<StepAt>,
    pub(super) observing: bool,
    /// When it wants to be woken: an earlier wish is void.
    pub(super) wake: Option<u64>,
    /// Until when it stands still.
    pub(super) paused_until: u64,
    pub(super) interrupted: bool,
}

impl Controller {
    pub(super) fn step(&self, at: StepAt) -> &Step {
        &self.plan.steps[at.index()]
    }
}

/// How a round ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoundEnd {
    /// Nothing is left to do.
    InSync,
    /// Something is wanted and nothing can be done: what it waits for.
    Blocked(Vec<Waiting>),
    /// Another run has the lease, or too few mains answer.
    Refused(String),
    /// A plan was carried out: whether every step was done, and what failed first.
    Carried {
        /// Whether every step was done.
        complete: bool,
        /// Steps that failed or were stale, with what was said, the first few.
        problems: Vec<String>,
    },
    /// The process ended in the middle.
    Died,
}

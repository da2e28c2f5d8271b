//! What the executor knows of each step and of each unit while the run goes on.

use crate::{FailureSummary, Millis, Mismatch};

/// One step.
#[derive(Debug, Default)]
pub(super) struct StepState {
    pub(super) stage: Stage,
    /// What is done when it begins, or begins again.
    pub(super) work: Work,
    pub(super) began: Option<Millis>,
    /// How often it failed.
    pub(super) tried: u32,
    /// How often it was judged unsafe.
    pub(super) judged: u32,
    /// The last failure.
    pub(super) why: Option<Box<FailureSummary>>,
    /// The fact that makes it stale.
    pub(super) fact: Option<Box<Mismatch>>,
}

impl StepState {
    /// Milliseconds since it began for the first time.
    pub(super) fn age(&self, now: Millis) -> u64 {
        self.began.map_or(0, |began| now.since(began))
    }
}

/// How far a step is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// It waits for other steps.
    #[default]
    Waiting,
    /// It waits for a place, or for a slot.
    Ready,
    /// The safety function is being asked.
    Judging,
    /// The change is being made.
    Applying,
    /// The change was made and is watched.
    Watching,
    /// It is tried again later.
    Paused,
    /// It is finished.
    Done,
    /// It is finished, and there was nothing to do.
    AlreadyDone,
    /// It failed for good.
    Failed,
    /// It found something that the plan did not expect.
    Stale,
    /// It is not begun, because this step, which it needs, has not come to its end.
    Blocked(u32),
}

/// What a step does when it begins, or begins again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Work {
    /// Judge it where it disrupts, make the change, watch.
    #[default]
    Apply,
    /// Watch: the change was made.
    Watch {
        /// Or was there before.
        already_done: bool,
    },
}

/// A unit of disruption.
#[derive(Debug)]
pub(super) struct Slot {
    /// Whether it holds a slot of its budget.
    pub(super) held: bool,
    /// Whether a change was begun in it, or a step of it failed.
    pub(super) touched: bool,
    /// Its steps in flight.
    pub(super) busy: usize,
    /// Its steps that are not finished.
    pub(super) left: usize,
}

impl Slot {
    /// A unit of so many steps that has not begun.
    pub(super) const fn new(steps: usize) -> Self {
        Self { held: false, touched: false, busy: 0, left: steps }
    }

    /// Whether giving the slot back leaves everything as it was.
    pub(super) const fn is_idle_and_untouched(&self) -> bool {
        self.held && !self.touched && self.busy == 0
    }
}

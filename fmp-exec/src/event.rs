//! What goes into the executor and what comes out of it.

use crate::{Applied, FailureSummary, Millis, Mismatch, Outcome, Progress};

/// A step's position in the plan, which is its place in id order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepAt(pub(crate) u32);

impl StepAt {
    /// The position as an index into `plan.steps`.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Something that happened.
///
/// An event about a step that does not await it changes nothing: an answer may come after nobody waits for it any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The run begins.
    Started,
    /// The safety function answered.
    Judged(StepAt, Judgement),
    /// The provider answered.
    Applied(StepAt, Applied),
    /// What was watched holds.
    Watched(StepAt),
    /// Judging, applying or watching failed.
    Failed(StepAt, FailureSummary),
    /// It is as late as the last [`Command::Wake`] asked for.
    Wake,
    /// A person asks to stop. The first time nothing new begins; the second time nothing is waited for.
    Interrupt,
}

/// Whether a step may be carried out now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// It may.
    Ready,
    /// There is nothing left to do.
    AlreadyDone,
    /// It would break something now. This may pass by itself.
    Unsafe(String),
    /// The plan rests on something that is no longer so.
    Stale(Mismatch),
}

/// Something to do. Commands are carried out in the order in which they come, answers may come in any order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Observe afresh, then ask the safety function.
    Judge(StepAt),
    /// Have the step's provider make the change.
    Apply(StepAt),
    /// Have the step's provider wait for what the step's `watch` says.
    Watch(StepAt),
    /// Send [`Event::Wake`] at this time. Takes the place of an earlier one.
    Wake(Millis),
    /// Tell whoever looks on.
    Tell(Progress),
    /// The run is over. Nothing comes after it.
    Finish(Outcome),
}

//! The executor as a state machine, and the provider traits. Pure: time comes in with the event, no runtime is named.

pub mod absence;
pub mod ask;
pub mod critical;
pub mod event;
pub mod executor;
pub mod failure;
pub mod journal;
pub mod judge;
pub mod kind;
pub mod lease;
pub mod limits;
pub mod merge;
pub mod outcome;
pub mod progress;
pub mod provider;
pub mod remainder;
mod structure;
pub mod time;

pub use critical::{CriticalPath, critical_path};
pub use event::{Command, Event, Judgement, StepAt};
pub use executor::Executor;
pub use failure::{Effect, Failure, FailureKind, FailureSummary, Retry};
pub use kind::ActionKind;
pub use limits::Limits;
pub use merge::merge;
pub use outcome::Outcome;
pub use progress::Progress;
pub use provider::{Applied, Besides, Context, Environment, Mismatch, Provider, Questions, Task, Watched};
pub use structure::PlanError;
pub use time::Millis;

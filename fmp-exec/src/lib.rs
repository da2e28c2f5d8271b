//! The executor as a state machine, and the provider traits. Pure: time comes in with the event, no runtime is named.

pub mod failure;
pub mod provider;

pub use failure::{Effect, Failure, FailureKind, Retry};
pub use provider::{Applied, Context, Environment, Provider, Questions, Task, Watched};

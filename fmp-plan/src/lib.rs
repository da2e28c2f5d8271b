//! The planner: difference, order, safety, rendering. Pure: no I/O, clock, randomness, environment or async.

pub mod action;
pub mod fact;
pub mod plan;
pub mod step;

pub use action::Action;
pub use plan::Plan;
pub use step::{Step, StepId};

//! The simulator: a world of machines in memory, faults drawn from a seed, and the executor that carries plans out in it.
//! Pure: no I/O, no clock, no runtime; what is random comes from the seed.
//!
//! [`scenario::run`] plays one seed. [`world::World`] alone is a rehearsal without faults.

pub mod fault;
pub mod invariant;
pub mod random;
pub mod rehearsal;
pub mod run;
pub mod scenario;
pub mod step_times;
#[cfg(test)]
mod testing;
pub mod world;

pub use run::{Case, Simulation};
pub use world::{Setup, World};

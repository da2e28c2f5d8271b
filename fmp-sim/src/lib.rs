//! The simulator: a world of machines in memory that takes steps and answers observations. Pure: no I/O, no clock, no
//! randomness, no runtime.

pub mod world;

pub use world::{Setup, World};

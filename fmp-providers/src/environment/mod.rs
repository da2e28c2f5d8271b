//! Where machines come from.
//!
//! Owns machines that FMP itself makes, starts and deletes. What runs on them is not known here: a machine ends with an
//! SSH server that answers, at the [`Endpoint`](crate::transport::Endpoint) that its environment names.

pub mod local;

pub use local::Local;

//! Where machines come from.
//!
//! Owns machines that FMP itself makes, starts and deletes. What runs on them is not known here: a machine ends with an
//! SSH server that answers, at the [`Endpoint`](crate::transport::Endpoint) that its environment names. All environments
//! pass the checks in [`conformance`].

pub mod conformance;
mod link;
pub mod local;
mod provider;

pub use link::LocalLink;
pub use local::Local;
pub use provider::MachineProvider;

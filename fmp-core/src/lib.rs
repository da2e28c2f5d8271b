//! The model of an FMP cluster: specification, resource graph, observation. Pure: no I/O, clock, randomness, environment or async.

pub mod bundle;
pub mod check;
pub mod digest;
pub mod finding;
pub mod graph;
pub mod id;
pub mod manifest;
pub mod net;
pub mod observed;
pub mod os;
pub mod platform;
pub mod profile;
pub mod resource;
pub mod role;
pub mod secret;
pub mod spec;
pub mod tree;
mod version;

pub use digest::Digest;
pub use finding::{Finding, Severity};
pub use id::NodeName;
pub use secret::Secret;
pub use version::KubeVersion;

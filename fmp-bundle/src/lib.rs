//! The content-addressed store of binaries and images, and how it is filled.
//!
//! `bundle.toml` ([`Manifest`]) says what a cluster is made of and where each part can come from; [`build()`] fetches or
//! builds it into a [`Store`] and returns the [`Lock`](lock::Lock), whose digests a plan names.

mod hash;
mod store;

pub use fmp_core::bundle as lock;
pub use store::{Damage, Fault, Store, StoreError, Stored};

//! The content-addressed store of binaries and images, and how it is filled.
//!
//! `bundle.toml` ([`Manifest`]) says what a cluster is made of and where each part can come from; [`build()`] fetches or
//! builds it into a [`Store`] and returns the [`Lock`](lock::Lock), whose digests a plan names.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use fmp_bundle::{Manifest, Store, Tools, lock};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Store::open("store")?;
//! let manifest = Manifest::read(Path::new("bundle.toml"))?.preferring(lock::SourceKind::Go);
//! let locked = lock::read(Path::new("bundle.lock"))?;
//! let lock = fmp_bundle::build(&store, &Tools::default(), &manifest, locked.as_ref(), &|progress| {
//!     eprintln!("{progress}");
//! })?;
//! lock::write(Path::new("bundle.lock"), &lock)?;
//! assert!(store.verify(&lock).is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! # Trust
//! A download without `sha256` in `bundle.toml` is trusted when it is first locked; Go modules are vouched for by Go's
//! checksum database, packages of Debian by the keys of this computer's apt. From then on `bundle.lock` holds every build to
//! the same bytes. Go programs are the same bytes only with the same toolchain, so the lock of a site that builds them is that
//! site's own.

mod build;
mod cache;
mod hash;
pub mod lock;
mod manifest;
mod source;
mod store;
mod tool;

pub use build::{BuildError, Change, Progress, Stage, build};
pub use manifest::{BadRelease, Manifest, ManifestError};
pub use source::SourceError;
pub use store::{Damage, Fault, Store, StoreError, Stored};
pub use tool::{ToolError, Tools};

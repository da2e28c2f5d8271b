//! The content-addressed store of binaries and images, and how it is filled.

pub use fmp_core::bundle as lock;

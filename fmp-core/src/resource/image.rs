//! Container images that must be there before any registry is reached.

use std::sync::Arc;

use crate::Digest;

/// An image in a node's runtime, pinned so that it is never collected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Full reference: `registry.k8s.io/pause:3.9`.
    pub reference: Arc<str>,
    /// Digest of the archive in the bundle.
    pub archive: Digest,
    /// Size of the archive in bytes.
    pub bytes: u64,
}

//! Programs.

use std::sync::Arc;

use crate::Digest;

/// A program in the host's content-addressed store, mode 0755, owned by root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Its name in the bundle: `kubelet`.
    pub name: Arc<str>,
    /// What it must hold.
    pub digest: Digest,
    /// Size in bytes.
    pub bytes: u64,
    /// Where it lies: the digest is part of the path, so that two versions live side by side.
    pub path: Arc<str>,
}

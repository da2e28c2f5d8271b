//! Packages of the operating system.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{Digest, os::Need};

/// Something of the operating system that a host must have, whatever its package is called there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// What is needed.
    pub need: Need,
    /// Where it comes from, if it is not there.
    pub from: PackageSource,
}

/// Where packages come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PackageSource {
    /// The host's own repository.
    Repository,
    /// Files of the bundle, by the word of the system: all that this need takes on a machine that has nothing but the
    /// minimum.
    Bundle(Arc<BTreeMap<Arc<str>, Vec<PackageFile>>>),
}

/// A package's file in the bundle.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageFile {
    /// The package's name.
    pub package: Arc<str>,
    /// Its version, as the package says it.
    pub version: Arc<str>,
    /// What the file holds.
    pub digest: Digest,
    /// Size in bytes.
    pub bytes: u64,
}

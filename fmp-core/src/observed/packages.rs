//! Packages of a host's operating system, as its own programs tell of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Fact;

/// What was seen of the packages that were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackagesSeen {
    /// Those that are there, wholly or partly, by name; others are not. Unknown: nothing on the host could say.
    pub there: Fact<BTreeMap<String, PackageSeen>>,
    /// What a run of ours began to install and did not end, as the ledger says it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub begun: BTreeSet<String>,
}

/// One package that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PackageSeen {
    /// It is installed, in this version.
    Installed(String),
    /// Its installation was cut off here, in dpkg's words: `unpacked`, `half-configured`.
    Partly(String),
}

impl PackagesSeen {
    /// Whether a package is wholly there.
    pub fn has(&self, name: &str) -> bool {
        let seen = self.there.known().and_then(|there| there.get(name));
        matches!(seen, Some(PackageSeen::Installed(_)))
    }
}

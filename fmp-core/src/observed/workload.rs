//! What people run on the cluster, as far as it matters to whoever empties nodes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Pods that one disruption budget protects, or all that none does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PodSet {
    /// How many of them must be ready: `desiredHealthy` of the budget, 0 without one.
    pub needed: u32,
    /// Those that are ready, by node.
    pub ready: BTreeMap<String, u32>,
    /// Others that are bound to a node, by node.
    pub unready: BTreeMap<String, u32>,
    /// Those that no node was found for.
    pub unbound: u32,
}

//! Node objects.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::net::Cidr;

/// The label of a Node that FMP cordoned, and no person: FMP lets pods come again where it finds it.
pub const CORDONED: &str = "fmp.io/cordoned";

/// The label's value from the cordon on: nothing says that any pod has left yet.
pub const EMPTYING: &str = "true";

/// The label's value once a drain has succeeded: no pod is left that anybody would miss.
pub const DRAINED: &str = "drained";

/// What FMP owns of a Node object. Everything else on it belongs to others and is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeObject {
    /// The node's part of the pod range; never changed once written. None: somebody else allocates.
    pub pod_cidr: Option<Cidr>,
    /// Labels that must be there.
    pub labels: BTreeMap<String, String>,
    /// Taints that must be there, as `key=value:Effect`.
    pub taints: BTreeSet<String>,
}

//! The name of a resource.

use std::{fmt, sync::Arc};

use crate::NodeName;

/// Whose resource it is. The cluster sorts before every node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The cluster as a whole.
    Cluster,
    /// One node.
    Node(NodeName),
}

/// The name of a resource: `main-3/unit/etcd.service`, `cluster/object/ConfigMap/kube-system/fmp-cluster`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId {
    /// Whose it is.
    pub scope: Scope,
    /// Its name there, beginning with its kind: `unit/etcd.service`.
    pub key: Arc<str>,
}

impl Scope {
    /// The node, if it is one.
    pub const fn node(&self) -> Option<&NodeName> {
        match self {
            Self::Cluster => None,
            Self::Node(name) => Some(name),
        }
    }
}

impl ResourceId {
    /// A resource of one node.
    pub fn node(node: &NodeName, key: impl Into<Arc<str>>) -> Self {
        Self { scope: Scope::Node(node.clone()), key: key.into() }
    }

    /// A resource of the whole cluster.
    pub fn cluster(key: impl Into<Arc<str>>) -> Self {
        Self { scope: Scope::Cluster, key: key.into() }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster => f.write_str("cluster"),
            Self::Node(name) => f.write_str(name.as_str()),
        }
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.scope, self.key)
    }
}

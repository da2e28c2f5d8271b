//! Facts that a plan rests on, as small readable values.
//!
//! The same function reads a fact when the plan is made and when it is about to be carried out, so that "what changed"
//! can be named. Volatile facts (load, leaders, free memory) have no key here, and so can never make a plan stale.

mod read;

use std::{collections::BTreeSet, fmt, sync::Arc};

use fmp_core::{NodeName, resource::Holding};
pub(crate) use read::is_bare;
pub use read::read;
use serde::{Deserialize, Serialize};

/// A question whose answer a plan rests on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "fact", deny_unknown_fields)]
pub enum FactKey {
    /// Whether the machine exists and runs.
    Machine {
        /// Which.
        node: NodeName,
    },
    /// Machine id, host name, architecture: whether it is still the same machine.
    Host {
        /// Which.
        node: NodeName,
    },
    /// A file's digest and mode.
    File {
        /// Where.
        node: NodeName,
        /// Absolute path.
        path: Arc<str>,
    },
    /// A unit's state, drop-ins and the inputs of its last start.
    Unit {
        /// Where.
        node: NodeName,
        /// Full name.
        unit: Arc<str>,
    },
    /// What a certificate says.
    Certificate {
        /// Where.
        node: NodeName,
        /// Absolute path.
        path: Arc<str>,
    },
    /// Whether a shared thing is there.
    Trust {
        /// Where.
        node: NodeName,
        /// Which.
        what: Holding,
    },
    /// Whether etcd's data directory holds a member.
    EtcdData {
        /// Where.
        node: NodeName,
    },
    /// An image in the runtime.
    Image {
        /// Where.
        node: NodeName,
        /// Full reference.
        reference: Arc<str>,
    },
    /// A node's disk, what was made on it, and the directories where it is mounted.
    Volume {
        /// Where.
        node: NodeName,
    },
    /// A package of the operating system, and of which system.
    Package {
        /// Where.
        node: NodeName,
        /// Its name.
        package: Arc<str>,
    },
    /// A member of etcd.
    EtcdMember {
        /// Its peer URL.
        peer_url: String,
    },
    /// What FMP owns of a Node object.
    Node {
        /// Its name.
        node: NodeName,
        /// Labels that FMP owns.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        labels: BTreeSet<String>,
        /// Taints that FMP owns.
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        taints: BTreeSet<String>,
    },
    /// An object of the API.
    Object {
        /// `Kind/namespace/name`.
        key: String,
    },
}

impl fmt::Display for FactKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine { node } => write!(f, "{node}: machine"),
            Self::Host { node } => write!(f, "{node}: identity"),
            Self::File { node, path } => write!(f, "{node}: file {path}"),
            Self::Unit { node, unit } => write!(f, "{node}: unit {unit}"),
            Self::Certificate { node, path } => write!(f, "{node}: certificate {path}"),
            Self::Trust { node, what } => write!(f, "{node}: {what}"),
            Self::EtcdData { node } => write!(f, "{node}: etcd data"),
            Self::Image { node, reference } => write!(f, "{node}: image {reference}"),
            Self::Volume { node } => write!(f, "{node}: volume"),
            Self::Package { node, package } => write!(f, "{node}: package {package}"),
            Self::EtcdMember { peer_url } => write!(f, "etcd member {peer_url}"),
            Self::Node { node, .. } => write!(f, "Node {node}"),
            Self::Object { key } => write!(f, "object {key}"),
        }
    }
}

//! etcd and the API as seen from a main.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use serde::{Deserialize, Serialize};

use super::{ApiHealth, Fact, ObjectSeen, PodSet};
use crate::{NodeName, net::Cidr};

/// The etcd cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Etcd {
    /// etcd's own cluster id, hexadecimal.
    pub cluster_id: String,
    /// Every member, by its peer URL.
    pub members: BTreeMap<String, EtcdMember>,
}

/// One member, by etcd's own view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EtcdMember {
    /// Member id, hexadecimal.
    pub id: String,
    /// Name; empty for a member that was added and never started.
    pub name: String,
    /// A learner has no vote.
    pub learner: bool,
    /// Whether it ever published its client URLs: it has started at least once.
    pub started: bool,
    /// Whether it answers a linearizable read. `Unknown` where it could not be asked.
    pub healthy: Fact<bool>,
    /// Alarms that it raised: `NOSPACE`, `CORRUPT`.
    pub alarms: BTreeSet<String>,
    /// Raft entries that it is behind the leader. Volatile.
    pub lag: Option<u64>,
    /// Whether it leads. Volatile.
    pub leader: bool,
    /// The size of its database in bytes. Volatile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_bytes: Option<u64>,
}

/// The Kubernetes API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// Mains whose apiserver answers `/readyz` at its node address.
    pub ready: BTreeMap<NodeName, Fact<bool>>,
    /// The cluster that the API says it is, as the main that applied [`IDENTITY`](crate::role::paths::IDENTITY) noted it.
    /// Absent: it does not say.
    #[serde(default = "not_asked")]
    pub cluster_id: Fact<String>,
    /// Node objects by name.
    pub nodes: BTreeMap<String, NodeSeen>,
    /// Every object that carries FMP's label, by `Kind/namespace/name`.
    pub objects: BTreeMap<String, Fact<ObjectSeen>>,
    /// Network policies of whomever, as `namespace/name`; the first twenty.
    pub network_policies: Fact<BTreeSet<String>>,
    /// Pods in trouble, whoever made them; the first fifty. Volatile.
    #[serde(default = "not_asked")]
    pub pods: Fact<Vec<PodSeen>>,
    /// What people run, by the budgets that protect it. None: nobody asked. Volatile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workloads: Option<Fact<Vec<PodSet>>>,
    /// What only the doctor wants to know. None: nobody asked. Volatile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<ApiHealth>,
}

fn not_asked<T>() -> Fact<T> {
    Fact::Unknown("nobody asked".to_owned())
}

/// A pod that does not run as it should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PodSeen {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The node that it is bound to.
    pub node: Option<String>,
    /// What a container waits for (`ErrImagePull`, `CrashLoopBackOff`, …), `Unschedulable`, or `Terminating`.
    pub trouble: String,
    /// Why no node was found; empty where one was.
    pub message: String,
}

/// A Node object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSeen {
    /// Whether its Ready condition is True. Volatile.
    pub ready: bool,
    /// Why it is not ready, as the kubelet says; empty when ready. Volatile.
    pub message: String,
    /// What it is short of, as the kubelet says: `DiskPressure`, `MemoryPressure`, `PIDPressure`. Volatile.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub pressures: BTreeSet<String>,
    /// The kubelet's version, empty before the kubelet registered.
    pub kubelet_version: String,
    /// `spec.podCIDR`.
    pub pod_cidr: Option<Cidr>,
    /// Its `InternalIP`, once the kubelet reported it.
    pub address: Option<Ipv4Addr>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Taints as `key=value:Effect`.
    pub taints: BTreeSet<String>,
    /// Whether it is cordoned.
    pub unschedulable: bool,
}

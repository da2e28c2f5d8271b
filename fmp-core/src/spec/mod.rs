//! What is wanted: the typed, legal content of `cluster.toml`.
//!
//! Everything here is already checked: a [`Spec`] that exists can be lowered. Raw text and its diagnostics stay in

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use serde::{Deserialize, Serialize};

use crate::{Digest, KubeVersion, NodeName, net::Cidr, profile::Profile};

/// One cluster as a person wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// The cluster's name: a DNS label; shown to people, part of kubeconfig contexts.
    pub name: String,
    /// The version of Kubernetes on every node.
    pub kubernetes: KubeVersion,
    /// The requirements that hosts are compared with.
    pub profile: Profile,
    /// Where the machines come from.
    pub environment: Environment,
    /// Addresses of pods and services, and how pods reach each other.
    pub network: Network,
    /// How clients outside reach the API.
    pub api_entrance: ApiEntrance,
    /// Every node, by name. At least one main node.
    pub nodes: BTreeMap<NodeName, Node>,
    /// What a person agreed to, as written (`outage main-1`).
    pub consents: BTreeSet<String>,
    /// Digest of the file's meaning: equal specs have equal digests, whatever their comments and order.
    pub digest: Digest,
}

/// Where machines come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Machines that exist, reached by SSH.
    Ssh,
    /// systemd-nspawn machines on this computer, made by FMP, reached by SSH.
    Local,
}

/// The pod and service networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// How pods on different nodes reach each other.
    pub mode: NetworkMode,
    /// The range that all pod addresses come from.
    pub pods: Cidr,
    /// The prefix length of one node's part of `pods`.
    pub node_prefix: u8,
    /// The range that Service addresses come from.
    pub services: Cidr,
    /// The cluster's DNS domain, `cluster.local` unless told.
    pub domain: String,
}

impl Network {
    /// The address of the `kubernetes` Service: the first of the services' range.
    pub fn kubernetes_service(&self) -> Ipv4Addr {
        self.services.nth(1)
    }

    /// The address that cluster DNS has or will have: the tenth of the services' range, as kubeadm does.
    pub fn cluster_dns(&self) -> Ipv4Addr {
        self.services.nth(10)
    }
}

/// How pods on different nodes reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkMode {
    /// flanneld with its host-gw backend: plain routes; all nodes are on one link.
    Routed,
    /// flanneld with its vxlan backend.
    Flannel,
    /// Somebody else brings the pod network; FMP allocates no ranges.
    External,
}

/// How clients outside reach the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiEntrance {
    /// No shared entrance: clients name the mains.
    None,
    /// Somebody else's load balancer; its names and addresses go into the apiservers' certificates.
    External {
        /// Where clients connect: host name or address.
        host: String,
        /// The port, 6443 unless told.
        port: u16,
    },
}

/// One machine of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it does.
    pub role: Role,
    /// The address that the other nodes use.
    pub address: Ipv4Addr,
    /// How FMP reaches it.
    pub ssh: SshTarget,
    /// Labels besides the role's own.
    pub labels: BTreeMap<String, String>,
}

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Runs etcd, kube-apiserver, kube-controller-manager and kube-scheduler.
    Main,
    /// Runs pods.
    Work,
}

/// How FMP reaches a node by SSH.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshTarget {
    /// Host name or address; the node's address unless told.
    pub host: String,
    /// Port, 22 unless told.
    pub port: u16,
    /// User, `root` unless told; others need sudo.
    pub user: String,
    /// The host key that must be shown, as in `known_hosts` (`ssh-ed25519 AAAA…`). None: looked up in known_hosts.
    pub host_key: Option<String>,
    /// A private key file, by reference. None: the SSH agent and the usual files.
    pub identity: Option<String>,
}

impl Spec {
    /// The main nodes, in name order.
    pub fn mains(&self) -> impl Iterator<Item = (&NodeName, &Node)> {
        self.nodes.iter().filter(|(_, node)| node.role == Role::Main)
    }

    /// The work nodes, in name order.
    pub fn workers(&self) -> impl Iterator<Item = (&NodeName, &Node)> {
        self.nodes.iter().filter(|(_, node)| node.role == Role::Work)
    }
}

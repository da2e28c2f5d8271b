//! The API: whose apiserver answers, which Nodes are ready, and what is seen of it.

use std::collections::{BTreeMap, BTreeSet};

use fmp_core::{
    NodeName,
    observed::{Api, Fact, NodeSeen, ObjectSeen},
    role::paths::{inventory, key, unit_file},
};
use fmp_exec::{Besides, Questions};

use super::{World, balancer, host::Host};

pub(super) const APISERVER: &str = "kube-apiserver.service";
pub(super) const KUBELET: &str = "kubelet.service";
pub(crate) const CONTAINERD: &str = "containerd.service";
pub(super) const FLANNELD: &str = "flanneld.service";

impl World {
    pub(crate) fn serves(&self, host: &Host, quorum: Option<u8>) -> bool {
        host.answers(APISERVER) && self.votes(host, quorum)
    }

    pub(crate) fn api_is_ready(&self, node: &str) -> bool {
        self.hosts.get(node).is_some_and(|host| self.is_ready(host, self.quorum_part()))
    }

    /// Whether a host's apiserver answers, and calls itself ready.
    pub(crate) fn is_ready(&self, host: &Host, quorum: Option<u8>) -> bool {
        self.serves(host, quorum) && !host.ills.unready
    }

    /// Whether a main's apiserver answers.
    pub(crate) fn by_api(&self, host: &Host) -> bool {
        self.serves(host, self.quorum_part())
    }

    /// Why a node is not ready; `None`: it is. What the API says of it while it answers, as at `api`.
    pub(crate) fn why_not_ready(&self, node: &str, api: Option<&balancer::Api>) -> Option<&'static str> {
        let Some(host) = self.hosts.get(node) else { return Some("there is no such machine") };
        let network = Self::has_network(host);
        let posts = host.answers(KUBELET) && host.trusts(self.now()) && host.reaches(api);
        match (posts, host.answers(CONTAINERD), network) {
            (false, ..) => Some("Kubelet stopped posting node status."),
            (_, false, _) => Some("container runtime is down"),
            (_, _, false) => Some("container runtime network not ready: cni plugin not initialized"),
            (true, true, true) => None,
        }
    }

    /// Whether pods have a network: a daemon makes it, where there ever was one.
    pub(super) fn has_network(host: &Host) -> bool {
        let is_expected = || host.has_unit(FLANNELD) || host.ledger.contains_key(&key::file(&unit_file(FLANNELD)));
        host.answers(FLANNELD) || !is_expected()
    }

    /// Whether pods run on a node, whatever the API knows of it.
    pub(crate) fn pods_run(host: &Host) -> bool {
        [KUBELET, CONTAINERD].iter().all(|unit| host.answers(unit)) && Self::has_network(host)
    }

    /// Kubelets that reach the API make their Node object, or fill in what is theirs.
    pub(crate) fn register_nodes(&mut self) {
        let api = self.api();
        if api.is_none() || self.has_alarm() || !self.has_leader() {
            return;
        }
        let kubelets = self.hosts.iter().filter(|(_, host)| host.answers(KUBELET) && host.reaches(api.as_ref()));
        for (name, host) in kubelets {
            let own = host.running_version(KUBELET, "kubelet");
            let version = own.map_or_else(|| self.kubelet_version.clone(), |version| format!("v{version}"));
            if self.nodes.get(name.as_str()).is_some_and(|node| {
                node.kubelet_version == version && node.address == host.facts.addresses.first().copied()
            }) {
                continue;
            }
            let node = self.nodes.entry(name.to_string()).or_insert_with(no_node);
            node.kubelet_version = version;
            node.address = host.facts.addresses.first().copied();
            node.labels.insert("kubernetes.io/hostname".to_owned(), name.to_string());
        }
    }

    /// The API as it is seen through the mains.
    pub(crate) fn api_seen(&self, ask: &Questions) -> Fact<Api> {
        // Whose apiserver answers is asked of mains that stay.
        let is_asked = |node: &NodeName| ask.hosts.get(node).is_some_and(|host| host.main);
        let mains = || self.mains().filter(|(node, _)| is_asked(node));
        if self.way_to_cluster(None, Self::by_api).is_some() {
            let way = self.api();
            return Fact::Known(Api {
                ready: self.ready_seen(&mains().collect::<Vec<_>>()),
                cluster_id: Fact::Unknown("the simulator's API does not say".to_owned()),
                nodes: self
                    .nodes
                    .iter()
                    .map(|(name, node)| (name.clone(), self.node_seen(name, node, way.as_ref())))
                    .collect(),
                objects: self.objects_seen(ask),
                network_policies: Fact::Unknown("nobody asked".to_owned()),
                pods: if ask.besides == Besides::Ailments {
                    Fact::Known(self.pods_seen())
                } else {
                    Fact::Unknown("nobody asked".to_owned())
                },
                workloads: (ask.besides == Besides::Workloads).then(|| Fact::Known(self.workloads_seen())),
                health: (ask.besides == Besides::Ailments).then(|| self.api_health(way.as_ref())),
            });
        }
        if mains().any(|(node, _)| self.is_silent(node)) {
            return Fact::Unknown("a main can't be reached".to_owned());
        }
        if mains().all(|(_, host)| host.unit_seen(APISERVER).is_none()) {
            return Fact::Absent;
        }
        Fact::Unknown("no apiserver answers".to_owned())
    }

    /// What is heard of each main's apiserver. Of its own a main is no witness, unless there is no other one.
    fn ready_seen(&self, mains: &[(&NodeName, &Host)]) -> BTreeMap<NodeName, Fact<bool>> {
        let quorum = self.quorum_part();
        let answering: Vec<&NodeName> =
            mains.iter().map(|(node, _)| *node).filter(|node| self.way_to(node).is_ok()).collect();
        let seen = |(node, host): &(&NodeName, &Host)| {
            let is_heard_of = mains.len() == 1 || answering.iter().any(|main| main != node);
            if is_heard_of {
                Fact::Known(self.is_ready(host, quorum))
            } else {
                Fact::Unknown("no other main can be asked".to_owned())
            }
        };
        mains.iter().map(|main| (main.0.clone(), seen(main))).collect()
    }

    /// Those of the kinds that were asked for, or are noted in the API itself.
    fn objects_seen(&self, ask: &Questions) -> BTreeMap<String, Fact<ObjectSeen>> {
        let is_noted = |kind: &str| self.objects.contains_key(&inventory(kind));
        let is_asked =
            |key: &str| key.split_once('/').is_some_and(|(kind, _)| ask.kinds.contains(kind) || is_noted(kind));
        let asked = self.objects.iter().filter(|(key, _)| is_asked(key));
        asked.map(|(key, seen)| (key.clone(), Fact::Known(seen.clone()))).collect()
    }

    fn node_seen(&self, name: &str, node: &NodeSeen, api: Option<&balancer::Api>) -> NodeSeen {
        let why_not = self.why_not_ready(name, api);
        let is_full = self.hosts.get(name).is_some_and(|host| host.full && why_not.is_none());
        let pressures = is_full.then(|| "DiskPressure".to_owned()).into_iter().collect();
        let message = why_not.unwrap_or_default().to_owned();
        NodeSeen { ready: why_not.is_none(), message, pressures, ..node.clone() }
    }
}

/// A Node object of which nobody has said anything.
pub(crate) fn no_node() -> NodeSeen {
    NodeSeen {
        ready: false,
        message: String::new(),
        pressures: BTreeSet::new(),
        kubelet_version: String::new(),
        pod_cidr: None,
        address: None,
        labels: BTreeMap::new(),
        taints: BTreeSet::new(),
        unschedulable: false,
    }
}

//! etcd and the API: who votes, who answers, what follows from it.

use std::collections::{BTreeMap, BTreeSet};

use fmp_core::{
    NodeName,
    observed::{Api, Etcd, EtcdMember, Fact, NodeSeen},
    role::paths::ETCD_BORN,
};

use serde::{Deserialize, Serialize};

use super::{World, files::Content, host::Power};

/// The unit that runs etcd.
pub(crate) const ETCD: &str = "etcd.service";

const APISERVER: &str = "kube-apiserver.service";
const KUBELET: &str = "kubelet.service";
pub(crate) const CONTAINERD: &str = "containerd.service";
const FLANNELD: &str = "flanneld.service";

/// The cluster, as its members agreed on it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EtcdCluster {
    pub(crate) id: String,
    /// By peer URL.
    pub(crate) members: BTreeMap<String, Member>,
}

/// One member.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) id: String,
    /// Empty before its first start.
    pub(crate) name: String,
    pub(crate) learner: bool,
}

impl World {
    /// Whether the process of this very member runs.
    pub(crate) fn is_up(&self, member: &Member) -> bool {
        let holds = |host: &super::Host| host.etcd_data.as_ref() == Some(&member.id) && host.runs(ETCD);
        self.hosts.values().any(holds)
    }

    /// Whether a majority of the voters runs.
    pub(crate) fn has_quorum(&self) -> bool {
        let voters = self.etcd.iter().flat_map(|etcd| etcd.members.values()).filter(|member| !member.learner);
        let (total, up) = voters.fold((0, 0), |(total, up), member| (total + 1, up + usize::from(self.is_up(member))));
        total > 0 && up > total / 2
    }

    /// The member whose data a host holds.
    fn member_of(&self, node: &str) -> Option<&Member> {
        let data = self.hosts.get(node)?.etcd_data.as_ref()?;
        self.etcd.as_ref()?.members.values().find(|member| member.id == *data)
    }

    pub(crate) fn member_is_healthy(&self, node: &str) -> bool {
        self.has_quorum() && self.member_of(node).is_some_and(|member| !member.learner && self.is_up(member))
    }

    pub(crate) fn api_is_ready(&self, node: &str) -> bool {
        self.hosts.get(node).is_some_and(|host| host.runs(APISERVER)) && self.member_is_healthy(node)
    }

    pub(crate) fn any_api_is_ready(&self) -> bool {
        self.hosts.keys().any(|node| self.api_is_ready(node.as_str()))
    }

    /// Why a node is not ready; `None`: it is.
    pub(crate) fn why_not_ready(&self, node: &str) -> Option<&'static str> {
        let Some(host) = self.hosts.get(node) else { return Some("there is no such machine") };
        let network = host.unit_seen(FLANNELD).is_none() || host.runs(FLANNELD);
        match (host.runs(KUBELET), host.runs(CONTAINERD), network) {
            (false, ..) => Some("Kubelet stopped posting node status."),
            (_, false, _) => Some("container runtime is down"),
            (_, _, false) => Some("container runtime network not ready: cni plugin not initialized"),
            (true, true, true) => None,
        }
    }

    /// A member that has a quorum for the first time notes that it was born.
    pub(crate) fn note_births(&mut self) {
        let newborn = |node: &&NodeName| self.member_is_healthy(node.as_str());
        let newborn: Vec<NodeName> = self.hosts.keys().filter(newborn).cloned().collect();
        for node in newborn {
            if !self.hosts[&node].files.contains_key(ETCD_BORN) {
                self.put(node.as_str(), ETCD_BORN, Content::Text("".into()), 0o644);
            }
        }
    }

    /// Kubelets that reach the API make their Node object, or fill in what is theirs.
    pub(crate) fn register_nodes(&mut self) {
        if !self.any_api_is_ready() {
            return;
        }
        let kubelets = self.hosts.iter().filter(|(_, host)| host.runs(KUBELET));
        for (name, host) in kubelets {
            let node = self.nodes.entry(name.to_string()).or_insert_with(no_node);
            node.kubelet_version.clone_from(&self.kubelet_version);
            node.address = host.facts.addresses.first().copied();
            node.labels.insert("kubernetes.io/hostname".to_owned(), name.to_string());
        }
    }

    /// etcd as it is seen through the mains.
    pub(crate) fn etcd_seen(&self) -> Fact<Etcd> {
        let mut mains = self.hosts.values().filter(|host| host.main);
        if let Some(etcd) = &self.etcd
            && self.has_quorum()
        {
            let members = etcd.members.iter().map(|(url, member)| (url.clone(), self.member_seen(member)));
            return Fact::Known(Etcd { cluster_id: etcd.id.clone(), members: members.collect() });
        }
        if mains.clone().any(|host| host.power == Power::Off) {
            return Fact::Unknown("a main can't be reached".to_owned());
        }
        if mains.all(|host| host.etcd_data.is_none()) {
            return Fact::Absent;
        }
        Fact::Unknown("etcd has no quorum".to_owned())
    }

    fn member_seen(&self, member: &Member) -> EtcdMember {
        EtcdMember {
            id: member.id.clone(),
            name: member.name.clone(),
            learner: member.learner,
            started: !member.name.is_empty(),
            healthy: Fact::Known(self.is_up(member)),
            alarms: BTreeSet::new(),
            lag: Some(0),
            leader: false,
        }
    }

    /// The API as it is seen through the mains.
    pub(crate) fn api_seen(&self) -> Fact<Api> {
        let mains = || self.hosts.iter().filter(|(_, host)| host.main);
        if self.any_api_is_ready() {
            let ready = |node: &NodeName| (node.clone(), Fact::Known(self.api_is_ready(node.as_str())));
            return Fact::Known(Api {
                ready: mains().map(|(node, _)| ready(node)).collect(),
                nodes: self.nodes.iter().map(|(name, node)| (name.clone(), self.node_seen(name, node))).collect(),
                objects: self.objects.iter().map(|(key, digest)| (key.clone(), Fact::Known(digest.clone()))).collect(),
                network_policies: Fact::Unknown("nobody asked".to_owned()),
            });
        }
        if mains().any(|(_, host)| host.power == Power::Off) {
            return Fact::Unknown("a main can't be reached".to_owned());
        }
        if mains().all(|(_, host)| host.unit_seen(APISERVER).is_none()) {
            return Fact::Absent;
        }
        Fact::Unknown("no apiserver answers".to_owned())
    }

    fn node_seen(&self, name: &str, node: &NodeSeen) -> NodeSeen {
        let why_not = self.why_not_ready(name);
        NodeSeen { ready: why_not.is_none(), message: why_not.unwrap_or_default().to_owned(), ..node.clone() }
    }
}

/// A Node object of which nobody has said anything.
pub(crate) fn no_node() -> NodeSeen {
    NodeSeen {
        ready: false,
        message: String::new(),
        kubelet_version: String::new(),
        pod_cidr: None,
        address: None,
        labels: BTreeMap::new(),
        taints: BTreeSet::new(),
        unschedulable: false,
    }
}

//! What a cluster still offers: what no step may take away.

use fmp_core::{NodeName, spec::Spec};

use super::World;

/// What a cluster offers now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether a majority of etcd's voters answers each other.
    pub quorum: bool,
    /// Whether an apiserver answers.
    pub api: bool,
    /// How many of etcd's voters answer.
    pub voters: usize,
    /// How many machines run pods, where the API can know of it.
    pub up: usize,
    /// How many nodes that had joined are no longer among them.
    pub away: usize,
    /// How many of these the API calls Ready: nobody who asks it can know.
    pub hidden: usize,
    /// How many pods are missing of those that budgets demand.
    pub short: usize,
}

impl World {
    /// What the cluster offers now. Nobody counts on a node that leaves.
    pub fn standing(&self, spec: &Spec) -> Standing {
        let quorum = self.quorum_part();
        let way = self.api();
        let (mut up, mut away, mut hidden) = (0, 0, 0);
        for (name, host) in self.hosts.iter().filter(|(name, _)| !spec.retired.contains_key(*name)) {
            // What the API has given up already is nobody's any more: to touch it is its cure.
            let is_given_up = match &way {
                Some(_) => !host.reaches(way.as_ref()),
                None => quorum.is_some_and(|part| host.part != part),
            };
            let known = quorum.is_none() || !is_given_up && host.trusts(self.now());
            if known && Self::pods_run(host) && !self.drained.contains(name.as_str()) {
                up += 1;
            } else if self.nodes.get(name.as_str()).is_some_and(|node| !node.kubelet_version.is_empty()) {
                away += 1;
                let is_drained = self.drained.contains(name.as_str());
                hidden += usize::from(!is_drained && self.why_not_ready(name.as_str(), way.as_ref()).is_none());
            }
        }
        let voters = self.mains().filter(|(_, host)| self.votes(host, quorum)).count();
        Standing { quorum: quorum.is_some(), api: way.is_some(), voters, up, away, hidden, short: self.short() }
    }

    /// How many members of etcd have a vote, whether they answer or not.
    pub(crate) fn voters(&self) -> usize {
        self.etcd.iter().flat_map(|etcd| etcd.members.values()).filter(|member| !member.learner).count()
    }

    /// Whether so many voters have lost their data that the others are no quorum: then only a backup helps.
    pub fn has_lost_its_data(&self) -> bool {
        let Some(etcd) = &self.etcd else { return false };
        let voters = || etcd.members.values().filter(|member| !member.learner);
        let held = |id: &str| {
            let holds = |host: &super::host::Host| host.etcd_data.as_ref().is_some_and(|data| data.member == id);
            self.hosts.values().any(holds)
        };
        let kept = voters().filter(|member| held(&member.id)).count();
        kept < voters().count() / 2 + 1
            && self.hosts.values().any(|host| host.files.contains_key(fmp_core::role::paths::ETCD_BORN))
    }

    /// How often a host has lost its power: what ran before is gone.
    pub(crate) fn boots(&self, node: &NodeName) -> u32 {
        self.hosts.get(node).map_or(0, |host| host.boots)
    }

    /// Whether whoever runs FMP reaches a host now.
    pub(crate) fn is_reached(&self, node: &NodeName) -> bool {
        self.way_to(node).is_ok()
    }

    /// Why a host can't be talked to.
    pub(crate) fn reach(&self, node: &NodeName) -> Result<(), fmp_exec::Failure> {
        self.way_to(node)
    }
}

//! Pod ranges: which part of the pods' range each node has.
//!
//! A range that was ever written stays: pods carry its addresses. The API's word goes before a host's, a host's before
//! a new range. A host's own word counts only while nobody else has that range, so a file that was written before its
//! Node object could be made is set right, not believed.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    NodeName,
    net::Cidr,
    observed::{Fact, Observed},
    spec::{Network, NetworkMode, Spec},
};

/// The ranges that are given away.
#[derive(Default)]
struct Taken {
    ranges: BTreeSet<Cidr>,
    /// Those of another size than a node's part has now, which a look-up by equality does not meet.
    odd: Vec<Cidr>,
}

impl Taken {
    fn meets(&self, range: Cidr) -> bool {
        self.ranges.contains(&range) || self.odd.iter().any(|other| other.overlaps(range))
    }

    fn insert(&mut self, range: Cidr, prefix: u8) {
        if range.prefix() == prefix {
            self.ranges.insert(range);
        } else {
            self.odd.push(range);
        }
    }
}

/// Gives every node of the specification its part, in name order. Without observation: as at a cluster's birth.
///
/// Nodes that find no free part have none. Where somebody else allocates, nobody has one.
pub(super) fn allocate<'a>(spec: &'a Spec, observed: Option<&Observed>) -> BTreeMap<&'a NodeName, Cidr> {
    let network = &spec.network;
    if network.mode == NetworkMode::External {
        return BTreeMap::new();
    }
    let mut taken = Taken::default();
    let mut given: BTreeMap<&NodeName, Cidr> = BTreeMap::new();
    let seen = observed.and_then(|observed| observed.api.known());
    for (name, range) in
        seen.into_iter().flat_map(|api| &api.nodes).filter_map(|(name, seen)| Some((name, seen.pod_cidr?)))
    {
        // Nodes that the file does not name keep theirs too, as long as they are there.
        taken.insert(range, network.node_prefix);
        if let Some((name, _)) = spec.nodes.get_key_value(name.as_str()) {
            given.insert(name, range);
        }
    }
    for (name, range) in on_hosts(spec, observed) {
        if !given.contains_key(name) && !taken.meets(range) {
            taken.insert(range, network.node_prefix);
            given.insert(name, range);
        }
    }
    let mut free = free_parts(network);
    let nodes = spec.nodes.iter().filter(|(_, node)| node.role.is_of_kubernetes());
    for name in nodes.map(|(name, _)| name) {
        if !given.contains_key(name)
            && let Some(range) = free.find(|range| !taken.meets(*range))
        {
            given.insert(name, range);
        }
    }
    given
}

/// The ranges that hosts have written down, where they could be ranges of this cluster.
fn on_hosts<'a>(spec: &'a Spec, observed: Option<&Observed>) -> Vec<(&'a NodeName, Cidr)> {
    let Some(observed) = observed else { return Vec::new() };
    let network = &spec.network;
    let ours = |range: &Cidr| range.prefix() == network.node_prefix && range.overlaps(network.pods);
    spec.nodes
        .keys()
        .filter_map(|name| match observed.hosts.get(name) {
            Some(Fact::Known(host)) => Some((name, host.pod_cidr.filter(ours)?)),
            Some(Fact::Absent | Fact::Unknown(_)) | None => None,
        })
        .collect()
}

fn free_parts(network: &Network) -> impl Iterator<Item = Cidr> + use<> {
    let (pods, prefix) = (network.pods, network.node_prefix);
    (0..pods.parts(prefix)).filter_map(move |n| pods.part(prefix, n))
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{cluster, node, nothing},
        *,
    };
    use crate::observed::{Api, NodeSeen};

    fn seen(range: &str) -> NodeSeen {
        NodeSeen {
            ready: true,
            message: String::new(),
            pressures: BTreeSet::new(),
            kubelet_version: String::new(),
            pod_cidr: Some(range.parse().unwrap()),
            address: None,
            labels: BTreeMap::new(),
            taints: BTreeSet::new(),
            unschedulable: false,
        }
    }

    /// The ranges of a cluster whose API shows these Node objects.
    fn allocated(nodes: &[(&str, &str)]) -> Vec<String> {
        let spec = cluster("1.29.15", "routed");
        let nodes = nodes.iter().map(|(name, range)| ((*name).to_owned(), seen(range))).collect();
        let api = Fact::Known(Api {
            ready: BTreeMap::new(),
            cluster_id: Fact::Absent,
            nodes,
            objects: BTreeMap::new(),
            network_policies: Fact::Absent,
            pods: Fact::Absent,
            workloads: None,
            health: None,
        });
        let observed = Observed { api, ..nothing(&spec) };
        allocate(&spec, Some(&observed)).iter().map(|(name, range)| format!("{name} {range}")).collect()
    }

    #[test]
    fn a_new_cluster_is_numbered_in_name_order() {
        let wanted = ["main-1 10.244.0.0/24", "main-2 10.244.1.0/24", "main-3 10.244.2.0/24"];
        assert_eq!(allocated(&[])[..3], wanted);
    }

    #[test]
    fn a_range_that_was_ever_written_stays_and_is_nobody_elses() {
        let ranges = allocated(&[("work-2", "10.244.0.0/24"), ("gone", "10.244.1.0/24"), ("work-1", "10.9.0.0/26")]);
        assert_eq!(
            ranges,
            [
                "main-1 10.244.2.0/24",
                "main-2 10.244.3.0/24",
                "main-3 10.244.4.0/24",
                "work-1 10.9.0.0/26",
                "work-2 10.244.0.0/24"
            ]
        );
    }

    #[test]
    fn a_range_of_another_size_is_not_cut_into() {
        assert_eq!(allocated(&[("gone", "10.244.0.0/22")])[0], "main-1 10.244.4.0/24");
    }

    #[test]
    fn a_full_range_leaves_a_node_without() {
        let mut spec = cluster("1.29.15", "routed");
        spec.network.node_prefix = 18;
        let given = allocate(&spec, None);
        assert_eq!(given.len(), 4);
        assert!(!given.contains_key(&node("work-2")));
    }
}

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
    for (name, range) in seen.into_iter().flat_map(|api| &api.nodes).filter_map(|(name, seen)| Some((name, seen.pod_cidr?))) {
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
    for name in spec.nodes.keys() {
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

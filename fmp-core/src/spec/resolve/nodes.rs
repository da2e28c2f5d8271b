//! Nodes compared with each other, and counted.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    net::Ipv4Addr,
    ops::Range,
};

use toml::Spanned;

use crate::{
    NodeName,
    net::Cidr,
    profile::{Machines, Profile, Size},
    spec::{
        Role,
        problem::{Code, Problem, Sink},
        raw::{Raw, RawNode},
    },
};

/// Notes nodes that can't be told apart, and addresses that are no node's.
///
/// What leaves has its address and its machine until it has left.
pub(super) fn check(sink: &Sink, nodes: &BTreeMap<NodeName, RawNode>, retired: &BTreeMap<NodeName, RawNode>) {
    let all: BTreeMap<&NodeName, &RawNode> = retired.iter().chain(nodes).collect();
    duplicate_addresses(sink, &all);
    duplicate_targets(sink, &all);
    network_addresses(sink, nodes);
}

/// Mains that must stay where one is retired: what survived the loss of one is not to become what doesn't.
const STAYING_MAINS: usize = 2;

/// Notes nodes that stay and leave, and retired mains that leave too few behind.
pub(super) fn check_retired(sink: &Sink, nodes: &BTreeMap<NodeName, RawNode>, retired: &BTreeMap<NodeName, RawNode>) {
    for (name, leaves) in retired {
        if let Some(stays) = nodes.get(name) {
            let message = format!("{name} stands under [nodes] and under [retired]");
            let problem = Problem::new(Code::RetiredNode, message, leaves.place.clone(), "leaves here");
            sink.note(problem.also(stays.place.clone(), "stays here").help("remove one of the two tables"));
        }
    }
    let is_main = |node: &RawNode| node.role.as_ref().is_some_and(|role| *role.get_ref() == Role::Main);
    let stay = nodes.values().filter(|node| is_main(node)).count();
    if let Some((name, leaves)) = retired.iter().find(|(_, leaves)| is_main(leaves)).filter(|_| stay < STAYING_MAINS) {
        let message = format!("{name} is retired, and {stay} of the mains stay: a cluster that loses one is lost");
        let problem = Problem::new(Code::RetiredQuorum, message, leaves.place.clone(), "leaves too few");
        sink.note(problem.help("add a main node before this one leaves, or keep it"));
    }
}

fn duplicate_addresses(sink: &Sink, nodes: &BTreeMap<&NodeName, &RawNode>) {
    let addresses = nodes.iter().filter_map(|(name, node)| Some((*name, node.address.as_ref()?)));
    for ((one, first), (other, second)) in repeated(addresses, |address| *address.get_ref()) {
        let message = format!("{one} and {other} have the same address {}", first.get_ref());
        let problem = Problem::new(Code::DuplicateAddress, message, second.span(), "used again here");
        sink.note(problem.also(first.span(), "used here").help("give each node an address of its own"));
    }
}

fn duplicate_targets(sink: &Sink, nodes: &BTreeMap<&NodeName, &RawNode>) {
    let targets = nodes.iter().filter_map(|(name, node)| Some((*name, (node.host.as_ref()?, node.port.as_ref()?))));
    let same = repeated(targets, |(host, port)| (host.get_ref().clone(), *port.get_ref()));
    for ((one, (host, port)), (other, (again, _))) in same {
        let message = format!("{one} and {other} are reached at the same {}:{}", host.get_ref(), port.get_ref());
        let problem = Problem::new(Code::DuplicateTarget, message, again.span(), "used again here");
        sink.note(problem.also(host.span(), "used here").help("two nodes can't be one machine"));
    }
}

/// Something that a node has.
type Named<'n, T> = (&'n NodeName, T);

/// Pairs of items with the same key: the first that had it, and each later one.
fn repeated<'n, T: Copy, K: Ord>(
    items: impl Iterator<Item = Named<'n, T>>,
    key: impl Fn(T) -> K,
) -> Vec<(Named<'n, T>, Named<'n, T>)> {
    let mut seen = BTreeMap::new();
    let mut pairs = Vec::new();
    for item in items {
        match seen.entry(key(item.1)) {
            Entry::Vacant(free) => _ = free.insert(item),
            Entry::Occupied(first) => pairs.push((*first.get(), item)),
        }
    }
    pairs
}

/// Where all nodes share a link of 256 addresses, its first names the link and its last everybody on it.
fn network_addresses(sink: &Sink, nodes: &BTreeMap<NodeName, RawNode>) {
    let addresses: Vec<&Spanned<Ipv4Addr>> = nodes.values().filter_map(|node| node.address.as_ref()).collect();
    let Some(link) = addresses.first().map(|first| Cidr::containing(*first.get_ref(), 24)) else { return };
    if !addresses.iter().all(|address| link.contains(*address.get_ref())) {
        return;
    }
    for (special, what) in [(link.nth(0), "the network's own address"), (link.nth(255), "the broadcast address")] {
        for address in addresses.iter().filter(|address| *address.get_ref() == special) {
            let message = format!("{special} is {what} of {link}");
            let problem = Problem::new(Code::NetworkAddress, message, address.span(), "not a machine's");
            sink.note(problem.help(format!("use {} to {}", link.nth(1), link.nth(254))));
        }
    }
}

/// Notes too few nodes, and numbers of main nodes that waste one.
pub(super) fn count(sink: &Sink, raw: &Raw, profile: Option<&Profile>, machines: Option<Machines>) {
    let mains = Counted::of(raw, Role::Main);
    let works = Counted::of(raw, Role::Work);
    let needs = |role| profile.zip(machines).map(|(profile, machines)| (profile, profile.size(machines, role)));
    if mains.places.is_empty() {
        let problem =
            Problem::new(Code::NoMain, "there is no main node", works.last(), "no `role = \"main\"` anywhere");
        sink.note(problem.help("a cluster needs one main node to run and three to survive the loss of one"));
    } else if let Some(problem) = needs(Role::Main).and_then(|(profile, size)| mains.too_few(profile, size)) {
        sink.note(problem);
    } else if mains.places.len().is_multiple_of(2) {
        sink.note(mains.even());
    }
    if let Some(problem) = needs(Role::Work).and_then(|(profile, size)| works.too_few(profile, size)) {
        sink.note(problem);
    }
}

/// The nodes of one role, by the places of their names.
struct Counted {
    role: Role,
    /// In the order of the file.
    places: Vec<Range<usize>>,
    /// Where a problem is shown when there are none: the last node of the file.
    elsewhere: Range<usize>,
}

impl Counted {
    fn of(raw: &Raw, role: Role) -> Self {
        let in_order = |mut places: Vec<Range<usize>>| {
            places.sort_by_key(|place| place.start);
            places
        };
        let has_role = |node: &&RawNode| node.role.as_ref().is_some_and(|has| *has.get_ref() == role);
        let places = in_order(raw.nodes.values().filter(has_role).map(|node| node.place.clone()).collect());
        let all = in_order(raw.nodes.values().map(|node| node.place.clone()).collect());
        Self { role, places, elsewhere: all.last().cloned().unwrap_or(0..0) }
    }

    fn last(&self) -> Range<usize> {
        self.places.last().unwrap_or(&self.elsewhere).clone()
    }

    fn too_few(&self, profile: &Profile, size: &Size) -> Option<Problem> {
        let (found, wanted, role, name) = (self.places.len(), size.count as usize, self.role, &profile.name);
        if found >= wanted {
            return None;
        }
        let (code, why) = match role {
            Role::Main => (Code::TooFewMains, "the quorum then survives the loss of one"),
            Role::Work | Role::Images => {
                (Code::TooFewWorkers, "each replicated database then keeps a node more than it needs")
            }
        };
        let plural = if wanted == 1 { "" } else { "s" };
        let message = format!("profile {name} asks for {wanted} {role} node{plural}, the file has {found}");
        let label = if found == 0 { "the last node" } else { "the last of them" };
        let problem = Problem::new(code, message, self.last(), label);
        Some(problem.help(format!("add {} with `role = \"{role}\"`: {why}", wanted - found)))
    }

    fn even(&self) -> Problem {
        let count = self.places.len();
        let message = format!(
            "{count} main nodes survive the loss of no more than {} would: {} of them",
            count - 1,
            (count - 1) / 2
        );
        let help = "etcd needs more than half of its members: add one main node, or make one a work node";
        Problem::new(Code::EvenMains, message, self.last(), "the one that makes it even").help(help)
    }
}

//! Ranges of addresses: large enough, and apart from each other and from the nodes.

use std::{collections::BTreeMap, net::Ipv4Addr};

use toml::Spanned;

use crate::{
    NodeName,
    net::Cidr,
    spec::{
        Network, NetworkMode,
        problem::{Code, Problem, Sink},
        raw::{RawNetwork, RawNode},
    },
};

/// One node's part of the pod range where there is room: 254 pods, more than twice the kubelet's usual 110.
const USUAL_PREFIX: u8 = 24;

/// The smallest part that is chosen by itself: 62 pods.
const SMALLEST_PREFIX: u8 = 26;

/// The largest services range that an apiserver takes: 2^20 addresses
/// ([source](https://github.com/kubernetes/kubernetes/blob/v1.29.15/cmd/kube-apiserver/app/options/validation.go)).
const LARGEST_SERVICES: u8 = 12;

/// The smallest services range: 254 services, since FMP's own are some hundred.
const SMALLEST_SERVICES: u8 = 24;

/// The network, or `None` after a problem was noted.
pub(super) fn resolve(sink: &Sink, raw: &RawNetwork, nodes: &BTreeMap<NodeName, RawNode>) -> Option<Network> {
    let ranges = ranges(raw);
    overlaps(sink, &ranges);
    for (name, node) in nodes {
        if let Some(address) = &node.address {
            inside(sink, &ranges, name.as_str(), address);
        }
    }
    if let Some(services) = &raw.services {
        services_size(sink, services);
    }
    let mode = *raw.mode.as_ref()?.get_ref();
    let pods = raw.pods.as_ref()?;
    let wanted = raw.node_prefix.as_ref();
    // What only stores images has no pods. A role that can't be read may be any.
    let has_pods = |node: &&RawNode| node.role.as_ref().is_none_or(|role| role.get_ref().is_of_kubernetes());
    let node_prefix = match mode {
        NetworkMode::External => wanted.map_or(USUAL_PREFIX, |prefix| *prefix.get_ref()),
        NetworkMode::Routed | NetworkMode::Flannel => {
            sink.ok(node_prefix(pods, wanted, nodes.values().filter(has_pods).count()))?
        }
    };
    let services = *raw.services.as_ref()?.get_ref();
    let domain = raw.domain.as_ref()?.get_ref().clone();
    Some(Network { mode, pods: *pods.get_ref(), node_prefix, services, domain })
}

/// The ranges that could be read, with what each is of.
pub(super) fn ranges(raw: &RawNetwork) -> Vec<(&'static str, &Spanned<Cidr>)> {
    let both = [("pods", &raw.pods), ("services", &raw.services)];
    both.into_iter().filter_map(|(what, range)| Some((what, range.as_ref()?))).collect()
}

fn overlaps(sink: &Sink, ranges: &[(&str, &Spanned<Cidr>)]) {
    let [(one, first), (other, second)] = ranges else { return };
    if first.get_ref().overlaps(*second.get_ref()) {
        let message = format!("{one} {} and {other} {} share addresses", first.get_ref(), second.get_ref());
        let problem = Problem::new(Code::OverlappingRanges, message, first.span(), one).also(second.span(), other);
        sink.note(problem.help("choose two ranges of which none lies in the other"));
    }
}

/// Notes that an address lies in one of the ranges.
pub(super) fn inside(sink: &Sink, ranges: &[(&str, &Spanned<Cidr>)], who: &str, address: &Spanned<Ipv4Addr>) {
    for (what, range) in ranges.iter().filter(|(_, range)| range.get_ref().contains(*address.get_ref())) {
        let message = format!("{who}'s address {} lies in the range of {what}, {}", address.get_ref(), range.get_ref());
        let problem = Problem::new(Code::AddressInRange, message, address.span(), "this address");
        let help = format!("choose a range of {what} that none of your networks uses");
        sink.note(problem.also(range.span(), what).help(help));
    }
}

fn services_size(sink: &Sink, services: &Spanned<Cidr>) {
    let range = *services.get_ref();
    let problem = |message: String| Problem::new(Code::ServicesSize, message, services.span(), "services");
    if range.prefix() > SMALLEST_SERVICES {
        let message = format!("services {range} has {} addresses, a cluster needs 256", range.parts(32));
        sink.note(problem(message).help(format!("use /{SMALLEST_SERVICES} or a shorter prefix")));
    } else if range.prefix() < LARGEST_SERVICES {
        let message = format!("services {range} is larger than an apiserver takes");
        sink.note(problem(message).help(format!("use /{LARGEST_SERVICES} or a longer prefix")));
    }
}

/// The prefix of one node's part: the one asked for, or the shortest that leaves room for twice as many nodes.
fn node_prefix(pods: &Spanned<Cidr>, wanted: Option<&Spanned<u8>>, nodes: usize) -> Result<u8, Problem> {
    let range = *pods.get_ref();
    let parts = |prefix: u8| range.parts(prefix) as usize;
    let chosen = match wanted {
        Some(prefix) => Some(*prefix.get_ref()).filter(|&prefix| parts(prefix) >= nodes),
        None => [2 * nodes, nodes]
            .into_iter()
            .find_map(|enough| (USUAL_PREFIX..=SMALLEST_PREFIX).find(|&prefix| parts(prefix) >= enough)),
    };
    chosen.ok_or_else(|| pods_too_small(pods, wanted, nodes))
}

fn pods_too_small(pods: &Spanned<Cidr>, wanted: Option<&Spanned<u8>>, nodes: usize) -> Problem {
    let range = *pods.get_ref();
    let prefix = wanted.map_or(SMALLEST_PREFIX, |prefix| *prefix.get_ref());
    let (have, each) = (range.parts(prefix), 1_u32 << (32 - prefix));
    let message = format!("pods {range} has {have} parts of {each} addresses (/{prefix}), {nodes} nodes need {nodes}");
    let enough = (0..=prefix.min(USUAL_PREFIX)).rev().find(|&shorter| {
        let whole = Cidr::containing(Ipv4Addr::UNSPECIFIED, shorter);
        whole.parts(prefix.min(USUAL_PREFIX)) as usize >= 2 * nodes
    });
    let enough = enough.unwrap_or(0);
    let problem = Problem::new(Code::PodsTooSmall, message, pods.span(), "too small");
    let problem = wanted.iter().fold(problem, |problem, prefix| problem.also(prefix.span(), "the size of a part"));
    problem
        .help(format!("use /{enough} or a shorter prefix: room for twice as many nodes, so that nodes can be replaced"))
}

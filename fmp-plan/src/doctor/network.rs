//! The network below pods: each node knows the way to each other's pods, and what pods send fits on every link.

use std::{collections::BTreeMap, net::Ipv4Addr};

use fmp_core::{
    NodeName, Severity, check,
    net::Cidr,
    observed::{HostHealth, Link, Route},
    spec::{NetworkMode, Node},
};

use super::{Ailment, Fix, Kind, Patient, starts};

const FLANNELD: &str = "flanneld.service";

/// How links of flanneld's own are called: what goes over one finds its node by itself.
const TUNNELS: &str = "flannel.";

/// What pods send at most: an Ethernet frame, be it theirs or, with VXLAN's headers around it, their node's.
const OF_PODS: u32 = 1500;

/// Whether routes and links are ours to judge.
fn is_ours(patient: &Patient<'_>) -> bool {
    match patient.spec.network.mode {
        NetworkMode::Routed | NetworkMode::Flannel => true,
        NetworkMode::External => false,
    }
}

fn health<'a>(patient: &Patient<'a>, name: &NodeName) -> Option<&'a HostHealth> {
    patient.observed.host(name)?.health.as_ref()
}

/// Routes that a node lacks. Only where flanneld makes them: it runs there, or did.
pub(super) fn routes(patient: &Patient<'_>, name: &NodeName) -> Option<Ailment> {
    let health = health(patient, name).filter(|_| is_ours(patient))?;
    let flanneld = patient.unit(name, FLANNELD)?;
    let missing: Vec<String> = reached(patient, name).filter_map(|other| other.missed_by(health)).collect();
    let cause = if flanneld.is_down() {
        format!("{FLANNELD} does not run there, which makes them")
    } else {
        format!("somebody deleted or changed them, or {FLANNELD} hangs")
    };
    let hand = || format!("`systemctl restart {FLANNELD}` on {name} makes them again");
    let own = format!("{name}/unit/{FLANNELD}");
    (!missing.is_empty()).then(|| Ailment {
        subject: name.to_string(),
        kind: Kind::Route,
        severity: Severity::Error,
        what: format!("it has no way to the pods of {} other nodes", missing.len()),
        evidence: missing,
        cause,
        fix: patient.fix(|step| starts(step, Some(name), FLANNELD), |what| what == own, hand),
    })
}

/// Another node, and where its pods are.
struct Other<'a> {
    name: &'a NodeName,
    address: Ipv4Addr,
    pods: Cidr,
}

/// Nodes to which others must have a route: those whose own flanneld has said where they are.
fn reached<'a>(patient: &Patient<'a>, from: &NodeName) -> impl Iterator<Item = Other<'a>> {
    let others = patient.spec.nodes.iter().filter(move |(name, _)| *name != from);
    others.filter_map(|(name, node)| {
        let runs = patient.unit(name, FLANNELD).is_some_and(|unit| !unit.is_down());
        let seen = patient.observed.api.known()?.nodes.get(name.as_str()).filter(|seen| runs && seen.ready)?;
        Some(Other { name, address: node.address, pods: seen.pod_cidr? })
    })
}

impl Other<'_> {
    /// What is wrong with the way there, or nothing.
    fn missed_by(&self, health: &HostHealth) -> Option<String> {
        let Self { name, address, pods } = self;
        let leads = |route: &&Route| route.via == Some(*address) || route.link.starts_with(TUNNELS);
        let ways: Vec<&Route> = health.routes.iter().filter(|route| route.to == *pods).collect();
        match ways.first() {
            _ if ways.iter().any(leads) => None,
            None => Some(format!("no route to {pods}, where {name}'s are")),
            Some(way) => {
                let via = way.via.map_or_else(|| format!("over {}", way.link), |via| format!("by {via}"));
                Some(format!("the route to {pods} leads {via}, and {name} is {address}"))
            }
        }
    }
}

/// The link that carries each node's address, and what goes over it.
fn links<'a>(patient: &Patient<'a>) -> BTreeMap<&'a NodeName, (&'a str, u32)> {
    let link = |(name, node): (&'a NodeName, &'a Node)| {
        let own = |(_, link): &(&String, &Link)| link.addresses.contains(&node.address);
        let (link, seen) = health(patient, name)?.links.iter().find(own)?;
        Some((name, (link.as_str(), seen.mtu)))
    };
    patient.spec.nodes.iter().filter(|(_, node)| node.role.is_of_kubernetes()).filter_map(link).collect()
}

/// Links that take less than most others, or all less than pods send.
pub(super) fn mtus(patient: &Patient<'_>) -> Vec<Ailment> {
    if !is_ours(patient) {
        return Vec::new();
    }
    let links = links(patient);
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    links.values().for_each(|(_, mtu)| *counts.entry(*mtu).or_default() += 1);
    let Some((usual, _)) = counts.iter().max_by_key(|(mtu, count)| (**count, **mtu)) else { return Vec::new() };
    let small = (*usual < OF_PODS).then(|| small(*usual, links.len()));
    let odd = links.iter().filter(|(_, (_, mtu))| mtu != usual);
    small.into_iter().chain(odd.map(|(name, (link, mtu))| odd_one(name, link, *mtu, *usual))).collect()
}

fn small(usual: u32, links: usize) -> Ailment {
    Ailment {
        subject: check::CLUSTER.to_owned(),
        kind: Kind::Mtu,
        severity: Severity::Warning,
        what: format!("links between nodes take packets of {usual} bytes, and pods send {OF_PODS}"),
        evidence: vec![format!("the links of {links} nodes were looked at")],
        cause: "the network below adds headers of its own, as clouds do, or was set so".to_owned(),
        fix: Fix::Hand(format!(
            "raise it to {OF_PODS} on the network's devices and on each node; until then large answers rest on ICMP, \
             which firewalls like to drop"
        )),
    }
}

fn odd_one(name: &NodeName, link: &str, mtu: u32, usual: u32) -> Ailment {
    Ailment {
        subject: name.to_string(),
        kind: Kind::Mtu,
        severity: Severity::Error,
        what: format!("its link {link} takes packets of {mtu} bytes, most others {usual}"),
        evidence: vec![format!("`ip link show {link}`: mtu {mtu}")],
        cause: "somebody changed it, or its network's configuration differs".to_owned(),
        fix: Fix::Hand(format!(
            "`ip link set dev {link} mtu {usual}` on {name}, and the same in its network's configuration"
        )),
    }
}

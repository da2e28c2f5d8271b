//! How machines and the cluster feel: what only the doctor asks for, and what a person or an accident can do to it.

use std::collections::{BTreeMap, BTreeSet};

use fmp_core::{
    NodeName,
    observed::{ApiHealth, EndpointSeen, Fact, HostHealth, Latencies, LeaseSeen, Link, NameAnswer, NodeSeen, Route},
};
use fmp_exec::provider::HealthQuestion;
use serde::{Deserialize, Serialize};

use super::{
    World,
    api::{FLANNELD, KUBELET},
    balancer,
    etcd::ETCD,
    host::Host,
};

const PROXY: &str = "kube-proxy.service";

/// How every machine's link is called, and what goes over it.
const LINK: (&str, u32) = ("eth0", 1500);

/// What a write of etcd takes on a disk that is well, in microseconds.
const FSYNC_US: u64 = 2_000;

/// Writes that etcd made since it started.
const WRITES: u64 = 100_000;

/// How long leases last in seconds: those of nodes, and those of controllers.
const LASTS_S: (i64, i64) = (40, 15);

/// How old a lease is in seconds that nobody renews.
const GIVEN_UP_S: i64 = 300;

/// What ails a machine while all that it runs goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ills {
    /// What a write of etcd takes there, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fsync_ms: Option<u32>,
    /// What goes over its link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mtu: Option<u32>,
    /// Whether somebody deleted its routes since flanneld made them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) without_routes: bool,
    /// Whether its apiserver answers and calls itself not ready, until it is started again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) unready: bool,
}

impl Ills {
    pub(crate) fn are_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What a person or an accident does.
impl World {
    /// A disk takes so long for each write of etcd.
    pub fn slow_disk(&mut self, node: &NodeName, ms: u32) {
        self.change(node, |host| host.ills.fsync_ms = (ms > 0).then_some(ms));
    }

    /// Somebody sets the MTU of a machine's link.
    pub fn set_mtu(&mut self, node: &NodeName, mtu: u32) {
        self.change(node, |host| host.ills.mtu = (mtu != LINK.1).then_some(mtu));
    }

    /// Somebody deletes a machine's routes. flanneld makes them again when it starts.
    pub fn drop_routes(&mut self, node: &NodeName) {
        self.change(node, |host| host.ills.without_routes = true);
    }

    /// A main's apiserver answers, and `/readyz` says no: one of its hooks or checks hangs until it is started again.
    pub fn hang_apiserver(&mut self, node: &NodeName) {
        self.change(node, |host| host.ills.unready = true);
    }
}

/// What is seen.
impl World {
    pub(crate) fn host_health(&self, node: &NodeName, ask: &HealthQuestion) -> Option<HostHealth> {
        let host = self.hosts.get(node)?;
        let mtu = host.ills.mtu.unwrap_or(LINK.1);
        let link = Link { mtu, addresses: host.facts.addresses.clone() };
        let etcd_fsync = match ask.etcd_metrics {
            Some(_) if host.answers(ETCD) => Fact::Known(host.fsync()),
            Some(_) => Fact::Unknown("etcd did not tell its figures".to_owned()),
            None => Fact::Absent,
        };
        Some(HostHealth {
            file_systems: BTreeMap::new(),
            links: [(LINK.0.to_owned(), link)].into(),
            routes: self.routes(node, host),
            etcd_fsync,
            name: if ask.name.is_some() { Fact::Known(self.name(host)) } else { Fact::Absent },
            // Whoever answers there is no part of this world, and well.
            entrances: match ask.entrances.iter().map(|at| (at.clone(), true)).collect::<BTreeMap<_, _>>() {
                asked if asked.is_empty() => Fact::Absent,
                asked => Fact::Known(asked),
            },
        })
    }

    /// To every other node's pods, by its address.
    fn routes(&self, node: &NodeName, host: &Host) -> BTreeSet<Route> {
        if host.ills.without_routes || !host.has_unit(FLANNELD) {
            return BTreeSet::new();
        }
        let others = self.nodes.iter().filter(|(name, _)| **name != *node.as_str());
        let route = |(_, seen): (&String, &NodeSeen)| {
            Some(Route { to: seen.pod_cidr?, via: Some(seen.address?), link: LINK.0.to_owned() })
        };
        others.filter_map(route).collect()
    }

    /// What a host hears when it asks for a name.
    fn name(&self, host: &Host) -> NameAnswer {
        let is_heard = host.answers(PROXY) && Self::has_network(host) && !host.ills.without_routes;
        if is_heard && self.dns().iter().any(|pod| pod.ready) { NameAnswer::Right } else { NameAnswer::Silence }
    }

    /// `CoreDNS` on the first nodes that pods may be bound to.
    fn dns(&self) -> Vec<EndpointSeen> {
        if !self.objects.contains_key("Deployment/kube-system/coredns") {
            return Vec::new();
        }
        let pod = |(at, node): (usize, NodeName)| EndpointSeen {
            pod: format!("coredns-{at}"),
            node: Some(node.to_string()),
            ready: true,
        };
        (1..=2).zip(self.fit_nodes()).map(pod).collect()
    }

    pub(crate) fn api_health(&self, api: Option<&balancer::Api>) -> ApiHealth {
        ApiHealth {
            leases: Fact::Known(self.node_leases(api).chain(self.controller_leases(api)).collect()),
            budgets: Fact::Known(self.tight_budgets()),
            dns: Fact::Known(self.dns()),
            load_balancers: Fact::Known(Vec::new()),
        }
    }

    fn node_leases(&self, api: Option<&balancer::Api>) -> impl Iterator<Item = LeaseSeen> {
        let renews =
            move |name: &str| self.hosts.get(name).is_some_and(|host| host.answers(KUBELET) && host.reaches(api));
        let known = self.nodes.iter().filter(|(_, seen)| !seen.kubelet_version.is_empty());
        known.map(move |(name, _)| lease(LeaseSeen::OF_NODES, name, name, LASTS_S.0, renews(name)))
    }

    fn controller_leases(&self, api: Option<&balancer::Api>) -> impl Iterator<Item = LeaseSeen> {
        let part = api.map(|api| api.part);
        LeaseSeen::CONTROLLERS.into_iter().filter_map(move |name| {
            let unit = format!("{name}.service");
            let ran = self.mains().find(|(_, host)| host.has_unit(&unit))?.0;
            let runs = self.mains().find(|(_, host)| Some(host.part) == part && host.answers(&unit));
            let holder = runs.map_or(ran, |(node, _)| node).to_string();
            Some(lease("kube-system", name, &holder, LASTS_S.1, runs.is_some()))
        })
    }
}

impl Host {
    /// What its etcd tells of its writes.
    fn fsync(&self) -> Latencies {
        let took_us = self.ills.fsync_ms.map_or(FSYNC_US, |ms| u64::from(ms) * 1_000);
        Latencies { at_most_us: [(took_us - 1, 0), (took_us, WRITES)].into(), total: WRITES }
    }
}

fn lease(namespace: &str, name: &str, holder: &str, lasts_s: i64, is_renewed: bool) -> LeaseSeen {
    LeaseSeen {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        holder: holder.to_owned(),
        age_s: if is_renewed { 1 } else { GIVEN_UP_S },
        lasts_s,
    }
}

//! The lease on the mains, and the epoch that every host remembers.

use std::collections::BTreeMap;

use fmp_core::NodeName;
use fmp_exec::lease::{Answer, Glance, Holding, LeaseRecord};
use serde::{Deserialize, Serialize};

use super::{
    Deed, World,
    host::{Host, Power},
};

/// Milliseconds until a lease runs out that nobody renews, by its host's monotonic clock.
const EXPIRY_MS: u64 = 30_000;

/// A lease on one main.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Taken {
    record: LeaseRecord,
    first_ms: u64,
    last_ms: u64,
}

impl World {
    /// What each main says before a lease is taken.
    pub fn glance(&self) -> BTreeMap<NodeName, Glance> {
        self.asked().map(|(node, host)| (node.clone(), self.glance_at(node, host))).collect()
    }

    /// The mains whose machines are not known to be absent.
    fn asked(&self) -> impl Iterator<Item = (&NodeName, &Host)> {
        let is_absent = |host: &Host| self.environment.makes_machines() && host.power == Power::Absent;
        self.mains().filter(move |(_, host)| !is_absent(host))
    }

    /// Whether a host is a machine that is off, as its environment says.
    pub(crate) fn is_known_to_be_off(&self, node: &NodeName) -> bool {
        self.environment.makes_machines() && self.hosts.get(node).is_some_and(|host| host.power == Power::Off)
    }

    fn glance_at(&self, node: &NodeName, host: &Host) -> Glance {
        match self.way_to(node) {
            Err(why) => Glance::Silent(why.kind.to_string()),
            Ok(()) => self.held(host).map_or(Glance::Free { newest: host.epoch }, Glance::Held),
        }
    }

    fn held(&self, host: &Host) -> Option<Holding> {
        let taken = host.lease.as_ref().filter(|taken| self.clock_ms - taken.last_ms < EXPIRY_MS)?;
        Some(Holding { record: taken.record.clone(), age_s: (self.clock_ms - taken.first_ms) / 1000 })
    }

    /// Takes or renews a lease on every main that answers.
    pub fn take_lease(&mut self, record: &LeaseRecord) -> BTreeMap<NodeName, Answer> {
        let mains: Vec<NodeName> = self.asked().map(|(node, _)| node.clone()).collect();
        mains.into_iter().map(|node| (node.clone(), self.take_at(&node, record))).collect()
    }

    fn take_at(&mut self, node: &NodeName, record: &LeaseRecord) -> Answer {
        if let Err(why) = self.way_to(node) {
            return Answer::Silent(why.kind.to_string());
        }
        let host = &self.hosts[node];
        let own = |holding: &Holding| holding.record.epoch == record.epoch && holding.record.pid == record.pid;
        let held = self.held(host);
        let first_ms = match held {
            Some(holding) if !own(&holding) => return Answer::Held(holding),
            Some(_) => host.lease.as_ref().map_or(self.clock_ms, |taken| taken.first_ms),
            None => self.clock_ms,
        };
        if host.epoch > record.epoch || (host.epoch == record.epoch && host.epoch_of != Some(record.pid)) {
            return Answer::Overtaken(host.epoch);
        }
        let (machine, last_ms) = (host.machine, self.clock_ms);
        if let Some(host) = self.hosts.get_mut(node) {
            (host.epoch, host.epoch_of) = (record.epoch, Some(record.pid));
            host.lease = Some(Taken { record: record.clone(), first_ms, last_ms });
        }
        self.tell(Deed::Heard { machine, epoch: record.epoch });
        Answer::Granted
    }

    /// Lets every host that was ever visited hear of a run before it begins: older ones change nothing there any more.
    pub fn fence_all(&mut self, epoch: u64) {
        let visited = |(node, host): &(&NodeName, &Host)| host.cluster_id().is_some() && self.way_to(node).is_ok();
        let visited: Vec<NodeName> = self.hosts.iter().filter(visited).map(|(node, _)| node.clone()).collect();
        for node in visited {
            if let Some(host) = self.hosts.get_mut(&node).filter(|host| host.epoch < epoch) {
                (host.epoch, host.epoch_of) = (epoch, None);
                let machine = host.machine;
                self.tell(Deed::Heard { machine, epoch });
            }
        }
    }

    /// Gives a lease back where it is still held.
    pub fn release_lease(&mut self, record: &LeaseRecord) {
        let mains: Vec<NodeName> = self.mains().map(|(node, _)| node.clone()).collect();
        for node in mains {
            if self.way_to(&node).is_ok()
                && let Some(host) = self.hosts.get_mut(&node)
                && host.lease.as_ref().is_some_and(|taken| taken.record.pid == record.pid)
            {
                host.lease = None;
            }
        }
    }
}

//! The world: machines, files, units, etcd and who leads it, balancers, the API, pods.
//!
//! Every action takes effect honestly: what an observation answers afterwards is what a real host would answer. Nothing
//! here is taken from the planner's idea of an action's effect, so a plan that is empty after it was applied says
//! something. Persons and accidents change the world by its hooks (see [`hooks`]).

mod accidents;
mod api;
mod balancer;
pub mod deed;
mod disks;
mod effects;
mod etcd;
mod files;
mod health;
pub mod hooks;
mod host;
mod leader;
mod lease;
mod mirror;
mod observe;
mod pace;
mod places;
mod pods;
mod setup;
mod skew;
mod standing;
#[cfg(test)]
mod tests;
mod time;
mod units;
mod watch;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use accidents::SetAside;
pub use deed::{Deed, Guards};
use etcd::EtcdCluster;
use fmp_core::{
    NodeName,
    observed::{NodeSeen, ObjectSeen},
    spec::Environment,
};
use fmp_exec::{Effect, Failure, FailureKind, Retry};
use host::Host;
pub use pace::Pace;
use pods::Workload;
use serde::{Deserialize, Serialize};
pub use setup::{Setup, machine};
pub use standing::Standing;

/// Everything there is. It can be written down and read again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct World {
    /// The true time when the world began: seconds since 1970.
    began: i64,
    /// Milliseconds since then.
    clock_ms: u64,
    /// When something comes up by itself next.
    due_ms: Option<u64>,
    pace: Pace,
    guards: Guards,
    environment: Environment,
    hosts: BTreeMap<NodeName, Host>,
    /// Disks that machines have for a volume, by their stable names: whatever machine stands there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    bays: BTreeMap<NodeName, BTreeSet<String>>,
    /// The host keys that whoever runs FMP knows.
    pinned: BTreeMap<NodeName, u64>,
    etcd: Option<EtcdCluster>,
    /// Node objects. They live in etcd: seen only while an apiserver answers.
    nodes: BTreeMap<String, NodeSeen>,
    /// Nodes whose pods have left, and where none came since.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    drained: BTreeSet<String>,
    /// What people run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    workloads: Vec<Workload>,
    /// Objects that were applied.
    objects: BTreeMap<String, ObjectSeen>,
    kubelet_version: String,
    /// Grows with everything that must differ from all before: inodes, keys, invocations.
    serial: u64,
    /// How many more changes the step under way can make before it is broken off; none where it is not.
    strokes: Option<u32>,
    /// The host that the command under way has reached: it needs no way to it any more.
    there: Option<NodeName>,
    /// What was done since somebody last asked, where somebody asks.
    deeds: Option<Vec<Deed>>,
}

impl World {
    /// A fresh world.
    pub fn new(setup: Setup) -> Self {
        let Setup { now, environment, mains, works, images, disks, machine, kubelet_version, pace } = setup;
        let others = works.into_iter().chain(images).map(|node| (node, false));
        let nodes = mains.into_iter().map(|node| (node, true)).chain(others);
        let hosts = (1..).zip(nodes).map(|(at, ((name, address), main))| {
            let host = Host::bare(&name, address, main, &machine, at, !environment.makes_machines());
            (name, host)
        });
        let hosts: BTreeMap<NodeName, Host> = hosts.collect();
        let mut world = Self {
            began: now,
            clock_ms: 0,
            due_ms: None,
            pace,
            guards: Guards::default(),
            environment,
            pinned: hosts.iter().map(|(node, host)| (node.clone(), host.machine)).collect(),
            serial: hosts.len() as u64,
            hosts,
            etcd: None,
            nodes: BTreeMap::new(),
            drained: BTreeSet::new(),
            workloads: Vec::new(),
            objects: BTreeMap::new(),
            kubelet_version,
            strokes: None,
            there: None,
            deeds: None,
            bays: BTreeMap::new(),
        };
        world.plug_in(&disks);
        world
    }

    /// How fast its machines are.
    pub(crate) const fn pace(&self) -> Pace {
        self.pace
    }

    fn next(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// Whether one more change can be made before the step under way is broken off.
    fn stroke(&mut self) -> bool {
        match &mut self.strokes {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    fn tell(&mut self, deed: Deed) {
        if let Some(deeds) = &mut self.deeds {
            deeds.push(deed);
        }
    }

    /// What was done since the last time this was asked. From the first time on it is kept.
    pub fn deeds(&mut self) -> Vec<Deed> {
        self.deeds.replace(Vec::new()).unwrap_or_default()
    }

    fn mains(&self) -> impl Iterator<Item = (&NodeName, &Host)> {
        self.hosts.iter().filter(|(_, host)| host.main)
    }

    /// Whether a host can be talked to.
    fn way_to(&self, node: &NodeName) -> Result<(), Failure> {
        let unreachable = || FailureKind::Unreachable(node.to_string());
        match self.hosts.get(node) {
            // No retry makes a machine answer with a key that it does not have.
            Some(host) if self.guards.host_keys && self.pinned.get(node) != Some(&host.machine) => {
                Err(never(unreachable()))
            }
            Some(host) if host.power.is_on() && (host.reachable || self.there.as_ref() == Some(node)) => Ok(()),
            Some(_) | None => Err(later(unreachable())),
        }
    }

    /// A host that can be talked to.
    fn running(&mut self, node: &NodeName) -> Result<&mut Host, Failure> {
        self.way_to(node)?;
        self.hosts.get_mut(node).ok_or_else(|| later(FailureKind::Unreachable(node.to_string())))
    }
}

/// A failure before anything happened, that may pass by itself.
fn later(kind: FailureKind) -> Failure {
    Failure { effect: Effect::None, retry: Retry::Later, kind, source: None }
}

/// A failure before anything happened, that a person must mend.
fn never(kind: FailureKind) -> Failure {
    Failure { effect: Effect::None, retry: Retry::Never, kind, source: None }
}

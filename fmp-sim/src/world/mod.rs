//! The world: machines, files, units, etcd, the API.
//!
//! Every action takes effect honestly: what an observation answers afterwards is what a real host would answer. Nothing
//! here is taken from the planner's idea of an action's effect, so a plan that is empty after it was applied says
//! something. Persons and accidents change the world by its hooks (see [`hooks`]).

mod effects;
mod etcd;
mod files;
pub mod hooks;
mod host;
mod observe;
mod setup;
#[cfg(test)]
mod tests;
mod units;
mod watch;

use std::collections::BTreeMap;

use etcd::EtcdCluster;
use fmp_core::{NodeName, observed::NodeSeen, spec::Environment};
use fmp_exec::{Effect, Failure, FailureKind, Retry};
use host::Host;
use serde::{Deserialize, Serialize};
pub use setup::{Setup, machine};

/// Everything there is. It can be written down and read again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct World {
    now: i64,
    environment: Environment,
    hosts: BTreeMap<NodeName, Host>,
    etcd: Option<EtcdCluster>,
    /// Node objects. They live in etcd: seen only while an apiserver answers.
    nodes: BTreeMap<String, NodeSeen>,
    /// Digests of objects that were applied.
    objects: BTreeMap<String, String>,
    kubelet_version: String,
    /// Grows with everything that must differ from all before: inodes, keys, invocations.
    serial: u64,
}

impl World {
    /// A fresh world.
    pub fn new(setup: Setup) -> Self {
        let Setup { now, environment, mains, works, machine, kubelet_version } = setup;
        let nodes = mains.into_iter().map(|node| (node, true)).chain(works.into_iter().map(|node| (node, false)));
        let hosts = (1..).zip(nodes).map(|(at, ((name, address), main))| {
            let host = Host::bare(&name, address, main, &machine, at, environment == Environment::Ssh);
            (name, host)
        });
        Self {
            now,
            environment,
            hosts: hosts.collect(),
            etcd: None,
            nodes: BTreeMap::new(),
            objects: BTreeMap::new(),
            kubelet_version,
            serial: 0,
        }
    }

    fn next(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// A host that is switched on.
    fn running(&mut self, node: &NodeName) -> Result<&mut Host, Failure> {
        match self.hosts.get_mut(node) {
            Some(host) if host.power.is_on() => Ok(host),
            _ => Err(later(FailureKind::Unreachable(node.to_string()))),
        }
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

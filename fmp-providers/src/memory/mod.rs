//! A world in memory: machines, files, units, etcd, the API. Without faults, without I/O.
//!
//! Every action takes effect at once and honestly: what an observation answers afterwards is what a real host would
//! answer. Nothing here is taken from the planner's idea of an action's effect, so a plan that is empty after it was
//! applied says something. Tests change the world by its hooks (see [`hooks`]), as a person or an accident would.

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

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use etcd::EtcdCluster;
use fmp_core::{
    NodeName,
    observed::{NodeSeen, Observed},
    resource::Check,
    spec::Environment,
};
use fmp_exec::{Applied, Context, Effect, Failure, FailureKind, Provider, Questions, Retry, Task, Watched};
use fmp_plan::{Step, step::Subject};
use host::Host;
pub use setup::{Setup, machine};

/// A world in memory. Clones are the same world.
#[derive(Debug, Clone)]
pub struct MemoryWorld(Arc<Mutex<World>>);

/// Everything there is.
#[derive(Debug)]
struct World {
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

impl MemoryWorld {
    /// A fresh world.
    pub fn new(setup: Setup) -> Self {
        let Setup { now, environment, mains, works, machine, kubelet_version } = setup;
        let nodes = mains.into_iter().map(|node| (node, true)).chain(works.into_iter().map(|node| (node, false)));
        let hosts = (1..).zip(nodes).map(|(at, ((name, address), main))| {
            let host = Host::bare(&name, address, main, &machine, at, environment == Environment::Ssh);
            (name, host)
        });
        Self(Arc::new(Mutex::new(World {
            now,
            environment,
            hosts: hosts.collect(),
            etcd: None,
            nodes: BTreeMap::new(),
            objects: BTreeMap::new(),
            kubelet_version,
            serial: 0,
        })))
    }

    /// Answers questions, as [`Provider::observe`] does.
    pub fn observe(&self, ask: &Questions) -> Observed {
        self.lock().observe(ask)
    }

    /// Makes a step's change, as [`Provider::apply`] does.
    ///
    /// # Errors
    /// What a host would say.
    pub fn apply(&self, cx: &Context, step: &Step) -> Result<Applied, Failure> {
        let mut world = self.lock();
        let applied = world.apply(cx, step);
        world.settle();
        applied
    }

    /// Whether `check` holds. Nothing comes true by waiting here: what does not hold now has failed.
    ///
    /// # Errors
    /// With the last state seen.
    pub fn watch(&self, check: &Check) -> Result<Watched, Failure> {
        self.lock().watch(check)
    }

    /// A panic in one test thread must not hide the panic's own message behind a poisoned lock.
    fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Provider for MemoryWorld {
    fn claims(&self, _: &Subject) -> bool {
        true
    }

    fn observe<'a>(&'a self, _: &'a Context, ask: &'a Questions) -> Task<'a, Observed> {
        Box::pin(async move { self.observe(ask) })
    }

    fn apply<'a>(&'a self, cx: &'a Context, step: &'a Step) -> Task<'a, Result<Applied, Failure>> {
        Box::pin(async move { self.apply(cx, step) })
    }

    fn watch<'a>(&'a self, _: &'a Context, check: &'a Check) -> Task<'a, Result<Watched, Failure>> {
        Box::pin(async move { self.watch(check) })
    }
}

impl World {
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

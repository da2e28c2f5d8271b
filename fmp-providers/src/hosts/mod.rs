//! Hosts: seen by one script, changed by one command a step.
//!
//! Owns what runs on a host and how its answers are read. Knows nothing of order or safety: those are in the plan.
//! Read [`HostProvider`] first; `observe/` asks, `apply/` has a file an action, `watch` waits.

mod apply;
mod destroy;
mod fence;
mod ledger;
pub(crate) mod observe;
mod settle;
#[cfg(test)]
pub(crate) mod testing;
mod watch;

use std::{collections::BTreeMap, error::Error, net::Ipv4Addr, path::PathBuf, sync::Arc, time::Duration};

pub use fence::Fenced;
use fmp_bundle::Store;
use fmp_core::{Digest, NodeName, observed::Observed, profile::Directories, resource::Check};
use fmp_exec::{Applied, Context, Failure, Provider, Questions, Task, Watched};
use fmp_plan::{Step, step::Subject};

use crate::transport::{Transport, TransportError};

/// What looks at a disk.
const DISK: &str = include_str!("disk.sh");

/// The unit of etcd's member.
const ETCD_UNIT: &str = "etcd.service";

/// One host that this provider is for.
#[derive(Debug, Clone)]
pub struct Managed {
    /// How it is reached.
    pub transport: Arc<dyn Transport>,
    /// The address that the other nodes know it by.
    pub address: Ipv4Addr,
    /// Whether etcd and the API can be reached through it.
    pub main: bool,
    /// How fast it is.
    pub pace: Pace,
}

/// How fast a host's processors are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// As fast as processors are.
    #[default]
    Own,
    /// They are emulated.
    Emulated,
}

impl Pace {
    /// How long is waited for what takes `usual` at most on other hosts: an emulated processor needs ten times as long for
    /// everything.
    pub(crate) const fn patience(self, usual: Duration) -> Duration {
        match self {
            Self::Own => usual,
            Self::Emulated => usual.saturating_mul(10),
        }
    }
}

/// How programs and images go over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Packing {
    /// As they are: where the wire is faster than the hosts unpack.
    Plain,
    /// Packed by gzip: a third of the bytes.
    #[default]
    Gzip,
}

impl Packing {
    /// The command that undoes it.
    const fn unpack(self) -> &'static str {
        match self {
            Self::Plain => "cat",
            Self::Gzip => "gzip -dc",
        }
    }
}

/// The provider of all hosts and of the cluster that runs on them.
#[derive(Debug)]
pub struct HostProvider {
    hosts: BTreeMap<NodeName, Managed>,
    store: Store,
    packing: Packing,
    directories: Directories,
    files: BTreeMap<Digest, PathBuf>,
}

impl HostProvider {
    /// A provider for these hosts, which takes programs and images from `store`.
    pub fn new(hosts: BTreeMap<NodeName, Managed>, store: Store) -> Self {
        Self { hosts, store, packing: Packing::default(), directories: Directories::default(), files: BTreeMap::new() }
    }

    /// The same for hosts that keep their data where this profile says.
    #[must_use]
    pub fn keeping(self, directories: Directories) -> Self {
        Self { directories, ..self }
    }

    /// The same with files of this computer whose content objects of the API get, by what they held when they were looked at.
    #[must_use]
    pub fn giving(self, files: BTreeMap<Digest, PathBuf>) -> Self {
        Self { files, ..self }
    }

    /// The same with another way to send.
    #[must_use]
    pub fn packed(self, packing: Packing) -> Self {
        Self { packing, ..self }
    }
}

impl HostProvider {
    /// What it takes to carry a step out.
    fn work<'a>(&'a self, cx: &'a Context, step: &'a Step) -> apply::Work<'a> {
        let Self { hosts, store, packing, directories, files } = self;
        let now = observe::unix_ms() / 1000;
        apply::Work { hosts, store, packing: *packing, directories, files, cx, step, now }
    }
}

impl Provider for HostProvider {
    fn claims(&self, subject: &Subject) -> bool {
        match subject {
            Subject::Host(node) => self.hosts.contains_key(node),
            Subject::Cluster => true,
            Subject::Machine(_) => false,
        }
    }

    fn observe<'a>(&'a self, _: &'a Context, ask: &'a Questions) -> Task<'a, Observed> {
        Box::pin(observe::observe(&self.hosts, &self.directories, ask))
    }

    fn apply<'a>(&'a self, cx: &'a Context, step: &'a Step) -> Task<'a, Result<Applied, Failure>> {
        Box::pin(apply::apply(self.work(cx, step)))
    }

    fn watch<'a>(&'a self, _: &'a Context, check: &'a Check) -> Task<'a, Result<Watched, Failure>> {
        Box::pin(watch::watch(&self.hosts, check))
    }
}

/// An error and its causes in one line, as facts and messages hold them.
pub(crate) fn told(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// A transport's error and what a person can do about it.
pub(crate) fn unreachable(error: &TransportError) -> String {
    format!("{}; {}", told(error), error.remedy())
}

//! Hosts: seen by one script, changed by one command a step.
//!
//! Owns what runs on a host and how its answers are read. Knows nothing of order or safety: those are in the plan.
//! Read [`HostProvider`] first; `observe/` asks, `apply/` has a file an action, `watch` waits.

mod ledger;
pub(crate) mod observe;

use std::{collections::BTreeMap, error::Error, net::Ipv4Addr, sync::Arc};

use fmp_core::{NodeName, observed::Observed};
use fmp_exec::provider::Questions;

use crate::transport::{Transport, TransportError};

/// One host that this provider is for.
#[derive(Debug, Clone)]
pub struct Managed {
    /// How it is reached.
    pub transport: Arc<dyn Transport>,
    /// The address that the other nodes know it by.
    pub address: Ipv4Addr,
    /// Whether etcd and the API can be reached through it.
    pub main: bool,
}

/// The provider of all hosts and of the cluster that runs on them.
#[derive(Debug)]
pub struct HostProvider {
    hosts: BTreeMap<NodeName, Managed>,
}

impl HostProvider {
    /// A provider for these hosts.
    pub fn new(hosts: BTreeMap<NodeName, Managed>) -> Self {
        Self { hosts }
    }

    /// See trait.
    pub async fn look(&self, ask: &Questions) -> Observed {
        observe::observe(&self.hosts, ask).await
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

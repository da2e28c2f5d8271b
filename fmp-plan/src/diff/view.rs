//! One host as the difference sees it.

use fmp_core::{
    NodeName,
    observed::{Fact, Host, Observed},
};

use crate::fact::FactKey;

/// Why a fact is unknown that no question asked for.
pub(crate) const NOT_ASKED: &str = "it was not asked";

/// A host: there, known not to be there yet, or not answering.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HostView<'a> {
    pub(crate) name: &'a NodeName,
    pub(crate) state: &'a Fact<Host>,
    /// Nothing of FMP lies on it: one fact stands for all.
    pub(crate) bare: bool,
}

impl<'a> HostView<'a> {
    pub(crate) fn new(observed: &'a Observed, name: &'a NodeName) -> Self {
        // A host without an entry was not asked: `lower` leaves those out, so this is a host that comes to be.
        let state = observed.hosts.get(name).unwrap_or(&Fact::Absent);
        let bare = match state {
            Fact::Known(host) => matches!(host.cluster_id, Fact::Absent) && crate::fact::is_bare(host),
            Fact::Absent => true,
            Fact::Unknown(_) => false,
        };
        Self { name, state, bare }
    }

    pub(crate) fn is(&self, name: &NodeName) -> bool {
        self.name == name
    }

    /// An answer about this host; `Absent` on a host that is yet to be made.
    pub(crate) fn ask<T>(&self, ask: impl FnOnce(&'a Host) -> Option<&'a Fact<T>>) -> Fact<&'a T> {
        match self.state {
            Fact::Known(host) => ask(host).map_or_else(|| Fact::Unknown(NOT_ASKED.to_owned()), Fact::as_ref),
            Fact::Absent => Fact::Absent,
            Fact::Unknown(why) => Fact::Unknown(why.clone()),
        }
    }

    /// What a change here rests on: of a bare host, that it is bare.
    pub(crate) fn premises(&self, fact: impl FnOnce() -> FactKey) -> Vec<FactKey> {
        if self.bare { Vec::new() } else { vec![fact()] }
    }

    /// "work-1 answers", as something to wait for.
    pub(crate) fn until(&self, what: &str, why: &str) -> String {
        format!("{} says what {what} is: {why}", self.name)
    }
}

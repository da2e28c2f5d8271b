//! What a machine that leaves can still do, and how that is known.

use std::sync::Arc;

use fmp_core::{
    observed::{Fact, Host, Pin},
    spec::Spec,
};

use super::{departure::Departure, goes_on};
use crate::{diff::NOT_ASKED, fact::is_bare};

/// What can still be done by a machine that leaves.
pub(super) enum Machine {
    /// These units of ours run there, or would after a boot.
    Runs(Vec<Arc<str>>),
    /// Nothing: it is proven, or a person's word is given.
    Gone,
}

impl Departure<'_> {
    /// What its machine can still do, or what has to be known first.
    pub(super) fn machine(self) -> Result<Machine, String> {
        let is_off = match &self.sides.observed.machines {
            Fact::Known(machines) => machines.get(self.name).is_none_or(|machine| !machine.running),
            Fact::Absent | Fact::Unknown(_) => false,
        };
        let host = self.sides.observed.hosts.get(self.name);
        let why = match host {
            Some(Fact::Known(host)) if !is_bare(host) && !is_off => return self.answers(host),
            Some(Fact::Known(_) | Fact::Absent) => return Ok(Machine::Gone),
            Some(Fact::Unknown(_)) | None if is_off || self.sides.spec.is_destroyed(self.name) => {
                return Ok(Machine::Gone);
            }
            Some(Fact::Unknown(why)) => why,
            None => NOT_ASKED,
        };
        Err(format!("it answers, so that what runs there can be stopped: {why}; {}", self.way_out()))
    }

    /// A machine that answers: whether it is the one that leaves, and what runs there. A person's word that it is gone
    /// does not count against that.
    fn answers(self, host: &Host) -> Result<Machine, String> {
        let address = self.node.address;
        if !self.is_ours(host) {
            let way_out = self.way_out();
            return Err(format!("the machine at {address} is its own: now another cluster's or nobody's; {way_out}"));
        }
        if !host.facts.addresses.contains(&address) {
            return Err(format!(
                "its [retired.{}.ssh] leads to it: what answers there has no address {address}",
                self.name
            ));
        }
        self.units(host).map(Machine::Runs)
    }

    /// Whether its host answers and belongs to this cluster.
    pub(super) fn is_known_as_ours(self) -> bool {
        self.sides.observed.host(self.name).is_some_and(|host| self.is_ours(host))
    }

    fn way_out(self) -> String {
        format!(
            "where its machine is gone for good, agree in cluster.toml with `consent = [\"{}\"]`",
            Spec::word_that_destroyed(self.name)
        )
    }

    /// Whether a host's ledger names the cluster that the mains name.
    pub(super) fn is_ours(self, host: &Host) -> bool {
        let mut mains = self.sides.spec.mains().filter_map(|(main, _)| self.sides.observed.host(main));
        let is_same = !matches!(host.pin(), Pin::Other(_));
        is_same && host.cluster_id.known().is_some() && mains.any(|main| main.cluster_id == host.cluster_id)
    }

    /// Units that run, or would after a boot.
    fn units(self, host: &Host) -> Result<Vec<Arc<str>>, String> {
        let mut found = Vec::new();
        for (unit, fact) in &host.units {
            if goes_on(self.name, unit, fact)? {
                found.push(unit.as_str().into());
            }
        }
        Ok(found)
    }
}

//! One machine: what survives a power cut and what does not.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use fmp_core::{
    Digest, NodeName,
    observed::{HostFacts, LedgerEntry},
};

use serde::{Deserialize, Serialize};

use super::{files::File, units::Unit};

/// One machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Host {
    pub(crate) main: bool,
    pub(crate) power: Power,
    pub(crate) facts: HostFacts,
    pub(crate) files: BTreeMap<String, File>,
    /// By full name, for every unit that was enabled, started or masked.
    pub(crate) units: BTreeMap<String, Unit>,
    pub(crate) images: BTreeSet<String>,
    /// Which member etcd's data directory holds.
    pub(crate) etcd_data: Option<String>,
    pub(crate) ledger: BTreeMap<String, LedgerEntry>,
}

/// Whether a machine is there, and runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Power {
    Absent,
    Off,
    On,
}

impl Power {
    pub(crate) const fn is_on(self) -> bool {
        matches!(self, Self::On)
    }
}

impl Host {
    /// A machine with nothing of ours on it.
    pub(crate) fn bare(
        name: &NodeName,
        address: Ipv4Addr,
        main: bool,
        machine: &HostFacts,
        serial: u64,
        exists: bool,
    ) -> Self {
        let mut machine_id = Digest::of(format!("{name} {serial}")).hex();
        machine_id.truncate(32);
        let addresses = [address].into();
        Self {
            main,
            power: if exists { Power::On } else { Power::Absent },
            facts: HostFacts { hostname: name.to_string(), machine_id, addresses, ..machine.clone() },
            files: BTreeMap::new(),
            units: BTreeMap::new(),
            images: BTreeSet::new(),
            etcd_data: None,
            ledger: BTreeMap::new(),
        }
    }

    /// The cluster that it belongs to.
    pub(crate) fn cluster_id(&self) -> Option<&str> {
        self.files.get("/var/lib/fmp/cluster-id").and_then(File::text).map(str::trim_end)
    }

    /// Notes what is about to be made. What is noted already stays: `previous` is what was there before all of ours.
    pub(crate) fn note(&mut self, key: String, kind: &str, previous: impl FnOnce(&Self) -> String) {
        if !self.ledger.contains_key(&key) {
            let cluster_id = self.cluster_id().unwrap_or_default().to_owned();
            let entry = LedgerEntry { kind: kind.to_owned(), cluster_id, previous: previous(self) };
            self.ledger.insert(key, entry);
        }
    }

    /// Whether a path is there: a file, a directory with a file in it, or etcd's data.
    pub(crate) fn exists(&self, path: &str) -> bool {
        let below = format!("{}/", path.trim_end_matches('/'));
        let in_files = self.files.range(below.clone()..).next().is_some_and(|(path, _)| path.starts_with(&below));
        in_files || self.files.contains_key(path) || (path.ends_with("/member") && self.etcd_data.is_some())
    }

    /// Whether a unit runs.
    pub(crate) fn runs(&self, unit: &str) -> bool {
        self.power.is_on() && self.units.get(unit).is_some_and(|unit| unit.running.is_some())
    }

    /// The power is cut: what runs ends, what lies in memory is gone.
    pub(crate) fn lose_power(&mut self) {
        self.power = Power::Off;
        self.files.retain(|path, _| !path.starts_with("/run/"));
        for unit in self.units.values_mut() {
            unit.running = None;
        }
    }
}

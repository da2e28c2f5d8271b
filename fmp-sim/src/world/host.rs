//! One machine: what survives a power cut and what does not.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use fmp_core::{
    Digest, NodeName,
    observed::{HostFacts, LedgerEntry, PackageSeen, VolumeNote},
};
use serde::{Deserialize, Serialize};

use super::{
    disks::{Disk, Group},
    files::{Content, File},
    health::Ills,
    lease::Taken,
    units::Unit,
};

/// One machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about a machine")]
pub(crate) struct Host {
    pub(crate) main: bool,
    pub(crate) power: Power,
    /// How often it lost its power: what ran before is gone.
    pub(crate) boots: u32,
    /// Which machine it is, whatever it is called: its host key.
    pub(crate) machine: u64,
    /// Whether it belongs to somebody else.
    pub(crate) strange: bool,
    /// Whether whoever runs FMP reaches it.
    pub(crate) reachable: bool,
    /// Hosts reach those of the same part of the network.
    pub(crate) part: u8,
    /// Whether its disk is full.
    pub(crate) full: bool,
    /// Its clock minus the true time, in seconds.
    pub(crate) clock_off_s: i64,
    pub(crate) facts: HostFacts,
    pub(crate) files: BTreeMap<String, File>,
    /// When all its certificates are valid: seconds since 1970.
    valid: (i64, i64),
    /// By full name, for every unit that was enabled, started or masked.
    pub(crate) units: BTreeMap<String, Unit>,
    /// Units whose process ended by itself: systemd is about to start it again.
    pub(crate) crashed: BTreeSet<String>,
    pub(crate) images: BTreeSet<String>,
    pub(crate) etcd_data: Option<Data>,
    /// The disks for its volume.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) disks: Vec<Disk>,
    /// What LVM has joined of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<Group>,
    /// What the ledger says of its volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) volume: Option<VolumeNote>,
    /// Packages of its system that somebody asks for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) packages: BTreeMap<String, PackageSeen>,
    /// Those that the ledger calls begun.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) begun: BTreeSet<String>,
    pub(crate) ledger: BTreeMap<String, LedgerEntry>,
    /// The newest epoch that it has heard of. Lies on the disk.
    pub(crate) epoch: u64,
    /// Which process took it, where that was by a lease.
    pub(crate) epoch_of: Option<u32>,
    /// Who holds the lease here. Lies in memory.
    pub(crate) lease: Option<Taken>,
    /// What ails it that only the doctor asks for.
    #[serde(default, skip_serializing_if = "Ills::are_none")]
    pub(crate) ills: Ills,
}

/// What etcd's data directory holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Data {
    /// Which member.
    pub(crate) member: String,
    /// Which directory: a wiped one is another one.
    pub(crate) life: u64,
    /// When it has caught up with the others, by the world's milliseconds.
    pub(crate) in_sync_ms: u64,
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
            boots: 0,
            machine: serial,
            strange: false,
            reachable: true,
            part: 0,
            full: false,
            clock_off_s: 0,
            facts: HostFacts { hostname: name.to_string(), machine_id, addresses, ..machine.clone() },
            files: BTreeMap::new(),
            valid: (i64::MIN, i64::MAX),
            units: BTreeMap::new(),
            crashed: BTreeSet::new(),
            images: BTreeSet::new(),
            etcd_data: None,
            disks: Vec::new(),
            group: None,
            volume: None,
            packages: BTreeMap::new(),
            begun: BTreeSet::new(),
            ledger: BTreeMap::new(),
            epoch: 0,
            epoch_of: None,
            lease: None,
            ills: Ills::default(),
        }
    }

    /// The cluster that it belongs to.
    pub(crate) fn cluster_id(&self) -> Option<&str> {
        self.files.get("/var/lib/fmp/cluster-id").and_then(File::text).map(str::trim_end)
    }

    /// How its member is known.
    pub(crate) fn peer_url(&self) -> Option<String> {
        self.facts.addresses.first().map(|address| format!("https://{address}:2380"))
    }

    /// Notes what is about to be made. What is noted already stays: `previous` is what was there before all of ours.
    pub(crate) fn note(&mut self, key: String, kind: &str, previous: impl FnOnce(&Self) -> String) {
        if !self.ledger.contains_key(&key) {
            let cluster_id = self.cluster_id().unwrap_or_default().to_owned();
            let entry = LedgerEntry { kind: kind.to_owned(), cluster_id, previous: previous(self) };
            self.ledger.insert(key, entry);
        }
    }

    /// Puts a file there as a rename does: it is a new one, whole.
    pub(crate) fn put(&mut self, path: &str, file: File) {
        let certificate = matches!(file.content, Content::Certificate(_));
        self.files.insert(path.to_owned(), file);
        if certificate {
            self.look_at_certificates();
        }
    }

    fn look_at_certificates(&mut self) {
        self.valid = (i64::MIN, i64::MAX);
        for file in self.files.values() {
            if let Content::Certificate(certificate) = &file.content {
                self.valid.0 = self.valid.0.max(certificate.not_before);
                self.valid.1 = self.valid.1.min(certificate.not_after);
            }
        }
    }

    /// Whether it finds its own certificates valid when the true time is `now`: others find theirs so, and talk to it.
    pub(crate) const fn trusts(&self, now: i64) -> bool {
        let clock = now + self.clock_off_s;
        self.valid.0 <= clock && clock < self.valid.1
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

    /// Whether a unit runs and has come so far that it answers.
    pub(crate) fn answers(&self, unit: &str) -> bool {
        let answers = |unit: &Unit| unit.running.as_ref().is_some_and(|running| running.answers);
        self.power.is_on() && self.units.get(unit).is_some_and(answers)
    }

    /// The power is cut: what runs ends, what lies in memory is gone.
    pub(crate) fn lose_power(&mut self) {
        self.power = Power::Off;
        self.boots += 1;
        self.lease = None;
        self.crashed.clear();
        self.files.retain(|path, _| !path.starts_with("/run/"));
        for unit in self.units.values_mut() {
            unit.running = None;
        }
    }
}

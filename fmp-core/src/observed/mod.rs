//! What was seen: facts about hosts, etcd, the API and the environment's machines.
//!
//! An observation is data. It holds its own `now`, so that a plan made from a stored one is the same on another day.

mod cluster;
mod health;
mod host;
mod object;
mod packages;
mod volume;
mod workload;

use std::collections::BTreeMap;

pub use cluster::{Api, Etcd, EtcdMember, NodeSeen, PodSeen};
pub use health::{
    ApiHealth, BudgetSeen, BudgetsSeen, EndpointSeen, FileSystem, HostHealth, Latencies, LeaseSeen, Link,
    LoadBalancerSeen, NameAnswer, Route, TightBudgets,
};
pub use object::{FieldsSeen, ObjectSeen};
/// Words of the sets of fields that the API writes.
pub mod field {
    pub use super::object::{find, is};
}
pub use host::{
    Certificate, Cgroup, ClockSync, Disk, FileSeen, Host, HostFacts, LedgerEntry, Listener, Pin, Stamp, UnitSeen,
};
pub use packages::{PackageSeen, PackagesSeen};
use serde::{Deserialize, Serialize};
pub use volume::{DirectorySeen, DiskSeen, DiskTrait, GroupSeen, MemberSeen, VolumeGroupSeen, VolumeNote, VolumeSeen};
pub use workload::PodSet;

use crate::{NodeName, spec::MachineKind};

/// An answer to one question. What was not asked is `Unknown`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact<T> {
    /// It is there, and this is it.
    Known(T),
    /// It is known not to be there.
    Absent,
    /// It could not be seen, and why. Never to be taken for `Absent`.
    Unknown(String),
}

impl<T> Fact<T> {
    /// The value, where it is known.
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Absent | Self::Unknown(_) => None,
        }
    }

    /// The same fact about another value.
    pub fn map_known<U>(self, map: impl FnOnce(T) -> U) -> Fact<U> {
        self.and_then_known(|value| Fact::Known(map(value)))
    }

    /// A further question about a known value.
    pub fn and_then_known<U>(self, ask: impl FnOnce(T) -> Fact<U>) -> Fact<U> {
        match self {
            Self::Known(value) => ask(value),
            Self::Absent => Fact::Absent,
            Self::Unknown(why) => Fact::Unknown(why),
        }
    }

    /// A fact that borrows.
    pub fn as_ref(&self) -> Fact<&T> {
        match self {
            Self::Known(value) => Fact::Known(value),
            Self::Absent => Fact::Absent,
            Self::Unknown(why) => Fact::Unknown(why.clone()),
        }
    }
}

/// Everything that one observation saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observed {
    /// When: seconds since 1970-01-01 UTC, by the observer's clock. Never printed in a plan's text.
    pub now: i64,
    /// Machines as their environment knows them. `Unknown` where the environment makes none (`ssh`).
    pub machines: Fact<BTreeMap<NodeName, Machine>>,
    /// Every node of the specification, by name.
    pub hosts: BTreeMap<NodeName, Fact<Host>>,
    /// Hosts that showed another SSH key than the one that is pinned or known, and what was told: whoever answers there is
    /// nobody that we know, and was not asked anything.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub other_keys: BTreeMap<NodeName, String>,
    /// etcd, seen through its members. `Absent`: every main is known to hold no member.
    pub etcd: Fact<Etcd>,
    /// The API, seen through an apiserver. `Absent`: no main has an apiserver unit.
    pub api: Fact<Api>,
}

/// A machine as its environment sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Whether it is switched on.
    pub running: bool,
    /// What it was made as. None where all machines of its environment are alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<MachineKind>,
}

/// No cluster has seen so many runs. What hosts count with, shells, counts further.
const IMPLAUSIBLE_EPOCH: u64 = 1 << 40;

impl Observed {
    /// A host's facts, where it answered.
    pub fn host(&self, node: &NodeName) -> Option<&Host> {
        self.hosts.get(node).and_then(Fact::known)
    }

    /// The newest epoch of a run that any host has heard of, 0 for none. One that no run can have had counts for none: a
    /// damaged file on one host must not decide for all.
    pub fn newest_epoch(&self) -> u64 {
        let heard = self.hosts.values().filter_map(Fact::known).map(|host| host.epoch);
        heard.filter(|epoch| *epoch < IMPLAUSIBLE_EPOCH).max().unwrap_or_default()
    }

    /// Whether a node's machine is switched off, as its environment says: one that only does not answer may run.
    pub fn is_off(&self, node: &NodeName) -> bool {
        self.machines.known().and_then(|machines| machines.get(node)).is_some_and(|machine| !machine.running)
    }
}

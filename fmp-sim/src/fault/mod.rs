//! Faults: a closed set, drawn from a seed as a swarm.
//!
//! Each run has a random subset of the kinds, with rates and times of its own: what is rare together with everything is
//! frequent where little else happens. A fault has a begin and an end; when all have ended, nothing is left of them but
//! what they did. Knows nothing of plans.

mod act;
mod draw;

use std::fmt;

pub(crate) use act::{begin, end};
use fmp_core::NodeName;
use serde::{Deserialize, Serialize};

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// A host does everything that many times slower.
    Slow(NodeName, u64),
    /// The `nth` of the processes on a host ends; systemd starts it again when the fault ends.
    Crash(NodeName, u64),
    /// A host loses its power until the fault ends.
    PowerCut(NodeName),
    /// A host's disk is full.
    DiskFull(NodeName),
    /// These hosts reach each other and nobody else.
    Partition(Vec<NodeName>),
    /// Whoever runs FMP does not reach a host.
    Unreachable(NodeName),
    /// Somebody does something by hand to the `nth` of FMP's files or units on a host.
    Edit(NodeName, Hand, u64),
    /// A host's clock is off by so many seconds.
    Clock(NodeName, i64),
    /// etcd's data on a host is lost, and its unit starts again.
    Wipe(NodeName),
    /// The controller at work ends in the middle; some of its commands live on.
    ControllerDies,
    /// The controller at work stands still until the fault ends, with what it had begun under way.
    ControllerStops,
    /// Somebody asks the controller at work to stop.
    Interrupt,
    /// Somebody starts a second controller.
    SecondController,
    /// Another machine answers under a host's address.
    Stranger(NodeName),
    /// The member on a host raises an alarm, which ends when somebody has seen to it.
    Alarm(NodeName, Alarm),
    /// Learners fall back that far, in milliseconds.
    LearnerLags(u64),
}

/// An alarm of etcd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alarm {
    /// Its database is as large as it may be.
    NoSpace,
    /// Its data differs from the others'.
    Corrupt,
}

/// What somebody does by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hand {
    /// Writes into a file.
    Write,
    /// Removes a file.
    Remove,
    /// `systemctl stop`.
    Stop,
    /// `systemctl disable`.
    Disable,
    /// `systemctl edit`.
    DropIn,
}

/// A fault in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blow {
    /// When it begins: milliseconds since the first controller began.
    pub at_ms: u64,
    /// How long it lasts.
    pub lasts_ms: u64,
    /// What it is.
    pub fault: Fault,
}

/// How often commands go wrong, in a thousand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    /// Lost on the way there.
    pub lost_before: u64,
    /// Carried out, and the answer lost on the way back.
    pub lost_after: u64,
    /// Broken off in the middle.
    pub torn: u64,
}

/// All that goes wrong in one run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swarm {
    /// Commands.
    pub rates: Rates,
    /// The rest, in order of time.
    pub blows: Vec<Blow>,
}

impl Swarm {
    /// Whether anything goes wrong.
    pub fn is_empty(&self) -> bool {
        self.blows.is_empty() && self.rates == Rates::default()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slow(node, times) => write!(f, "{node} is {times} times slower"),
            Self::Crash(node, nth) => write!(f, "process {nth} on {node} ends"),
            Self::PowerCut(node) => write!(f, "{node} has no power"),
            Self::DiskFull(node) => write!(f, "the disk of {node} is full"),
            Self::Partition(nodes) => {
                let names: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
                write!(f, "{} are cut off", names.join(" and "))
            }
            Self::Unreachable(node) => write!(f, "{node} is not reached"),
            Self::Edit(node, hand, nth) => write!(f, "by hand on {node}: {hand:?} {nth}"),
            Self::Clock(node, seconds) => write!(f, "the clock of {node} is off by {seconds} s"),
            Self::Wipe(node) => write!(f, "etcd's data on {node} is lost"),
            Self::ControllerDies => f.write_str("the controller ends"),
            Self::ControllerStops => f.write_str("the controller stands still"),
            Self::Interrupt => f.write_str("the controller is asked to stop"),
            Self::SecondController => f.write_str("a second controller starts"),
            Self::Stranger(node) => write!(f, "another machine answers as {node}"),
            Self::Alarm(node, alarm) => write!(f, "the member on {node} raises {alarm:?}"),
            Self::LearnerLags(ms) => write!(f, "learners fall back by {ms} ms"),
        }
    }
}

//! How long machines take: what was started does not answer at once.

use serde::{Deserialize, Serialize};

use crate::{random::Stream, step_times::StepTimes};

/// How fast the machines of a world are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// Everything answers at once: for tests of what is done, not of when.
    Instant,
    /// About as fast as machines are, with round figures that never change: seeds rest on them.
    Machines,
    /// As fast as machines were when it was measured: [`StepTimes::measured`].
    Measured,
}

/// Milliseconds until a unit answers, by its name; others take [`OTHERS`]. Measured on small virtual machines, rounded.
const UNITS: [(&str, u64); 5] = [
    ("etcd.service", 1_500),
    ("kube-apiserver.service", 4_000),
    ("kubelet.service", 2_500),
    ("containerd.service", 700),
    ("flanneld.service", 1_000),
];

const OTHERS: u64 = 400;

/// Milliseconds until voters without a leader have elected one: etcd's `--election-timeout`.
const ELECTION: u64 = 1_000;

/// Milliseconds until a pod that was bound is ready, its image being there.
const POD: u64 = 3_000;

/// Milliseconds until a learner of a small cluster has caught up.
const CATCH_UP: u64 = 2_000;

impl Pace {
    /// Milliseconds until a unit answers that was started now, as the first of its name or beside others; `serial` makes
    /// starts differ.
    pub(crate) fn unit(self, name: &str, has_others: bool, serial: u64) -> u64 {
        let round = || UNITS.iter().find(|(unit, _)| *unit == name).map_or(OTHERS, |(_, usual)| *usual);
        let measured = (self == Self::Measured).then(|| StepTimes::measured().unit(name, has_others)).flatten();
        self.about(measured.unwrap_or_else(round), serial)
    }

    /// Milliseconds until a learner has caught up.
    pub(crate) fn catch_up(self, serial: u64) -> u64 {
        self.about(CATCH_UP, serial)
    }

    /// Milliseconds until voters without a leader have elected one.
    pub(crate) fn election(self, serial: u64) -> u64 {
        self.about(ELECTION, serial)
    }

    /// Milliseconds until a pod that was bound is ready.
    pub(crate) fn pod(self, serial: u64) -> u64 {
        self.about(POD, serial)
    }

    /// From three quarters to five quarters of what is usual.
    fn about(self, usual: u64, serial: u64) -> u64 {
        match self {
            Self::Instant => 0,
            Self::Machines | Self::Measured => usual * 3 / 4 + Stream::of(serial).below(usual / 2 + 1),
        }
    }
}

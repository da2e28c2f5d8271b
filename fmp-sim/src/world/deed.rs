//! What was done, for whoever judges it afterwards.
//!
//! The world notes facts and judges nothing: an invariant that is kept by a guard of the world must still be seen to be
//! broken where the guard is taken away.

use fmp_core::{NodeName, resource::Holding};
use serde::{Deserialize, Serialize};

/// Something that happened and leaves no other trace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// A run changed something on a machine.
    Wrote {
        /// Under this name.
        node: NodeName,
        /// Which machine it really was.
        machine: u64,
        /// The run's epoch.
        epoch: u64,
        /// Whether the machine belongs to somebody else.
        strange: bool,
    },
    /// A machine heard of a run's epoch.
    Heard {
        /// Which machine.
        machine: u64,
        /// The epoch.
        epoch: u64,
    },
    /// A member took part in a quorum for the first time with this data.
    Voted {
        /// Its id.
        member: String,
        /// Which life of its data directory.
        life: u64,
    },
    /// Something that is made once in a cluster's life was made.
    Made {
        /// What.
        what: Holding,
        /// Where.
        node: NodeName,
        /// Whether another one of it was in use somewhere.
        again: bool,
    },
    /// A member was taken out of etcd.
    Removed {
        /// Its id.
        member: String,
        /// Whether its data was still there, with a unit that runs or would at the next boot.
        may_vote: bool,
    },
    /// A kubelet was started again with another minor version.
    Upgraded {
        /// Where.
        node: NodeName,
        /// Whether its pods had left.
        drained: bool,
    },
    /// A Node was deleted.
    Deleted {
        /// Which.
        node: NodeName,
        /// Whether pods still ran on its machine: those made in their stead would be second ones.
        beneath_pods: bool,
    },
    /// A learner got its vote.
    Promoted {
        /// Its id.
        member: String,
        /// Whether it had caught up.
        in_sync: bool,
    },
}

/// What keeps the world's machines from harm, each as a real host does it. Tests take one away and look whether the harm
/// is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each guard is there or not, independent of the others")]
pub struct Guards {
    /// Hosts refuse a run that is older than the newest they heard of.
    pub fencing: bool,
    /// A machine with another host key is not talked to.
    pub host_keys: bool,
    /// etcd's unit starts on an empty data directory only with a permit.
    pub permits: bool,
    /// etcd promotes only learners that have caught up.
    pub in_sync: bool,
    /// A key that is there is not made again.
    pub keys: bool,
    /// An eviction that a budget forbids is refused.
    pub budgets: bool,
}

impl Default for Guards {
    fn default() -> Self {
        Self { fencing: true, host_keys: true, permits: true, in_sync: true, keys: true, budgets: true }
    }
}

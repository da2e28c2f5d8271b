//! Running systemd units.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::NodeName;

/// A systemd unit that is enabled and runs with the inputs that are wanted. Its unit file is a [`File`](super::File).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Full name: `etcd.service`.
    pub name: Arc<str>,
    /// What it reads when it starts, and what a change of each asks for. Same list on all nodes of a role.
    pub inputs: Arc<[Input]>,
    /// What must hold after its start before anything that needs it goes on.
    pub ready: Check,
}

/// Something that a unit reads when it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Absolute path of a file, a program, a certificate or a secret.
    pub path: Arc<str>,
    /// What a change asks for.
    pub effect: Effect,
}

/// What a changed input asks of a running unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// The unit sees the change by itself.
    None,
    /// `systemctl reload`.
    Reload,
    /// `systemctl restart`.
    Restart,
}

/// A condition that is watched until it holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "check")]
pub enum Check {
    /// The unit is active, and stays so.
    UnitActive {
        /// Where.
        node: NodeName,
        /// Full name.
        unit: Arc<str>,
    },
    /// The unit is active and something listens on the port at the host's loopback.
    Listening {
        /// Where.
        node: NodeName,
        /// Full name of the unit.
        unit: Arc<str>,
        /// TCP port.
        port: u16,
    },
    /// This main's etcd member is a healthy voter.
    EtcdHealthy {
        /// Which main.
        node: NodeName,
    },
    /// This main's apiserver answers `/readyz`.
    ApiReady {
        /// Which main.
        node: NodeName,
    },
    /// The Node object's Ready condition is True.
    NodeReady {
        /// Which node.
        node: NodeName,
    },
    /// The machine answers on SSH.
    MachineUp {
        /// Which node.
        node: NodeName,
    },
}

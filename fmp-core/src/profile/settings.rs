//! Settings: what a profile tells roles to write into the configuration of hosts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::spec::Role;

/// Figures and switches that depend on the machines, not on the cluster's specification.
///
/// The profile `local` differs where machines share one computer's kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Who makes cgroups: the same word for the kubelet (`cgroupDriver`) and containerd (`SystemdCgroup`).
    pub cgroup_driver: CgroupDriver,
    /// containerd's snapshotter.
    pub snapshotter: Snapshotter,
    /// containerd's `restrict_oom_score_adj`: for hosts whose root may not lower a process's score.
    pub restrict_oom_score_adj: bool,
    /// The kubelet's `failSwapOn`.
    pub fail_swap_on: bool,
    /// The kubelet's `localStorageCapacityIsolation`.
    pub local_storage_capacity_isolation: bool,
    /// kube-proxy's `conntrack.maxPerCore`; 0 leaves the kernel's limit alone.
    pub conntrack_max_per_core: u32,
    /// The kubelet's `maxPods`, at most; a node's part of the pod range may hold fewer.
    pub max_pods: u32,
    /// The kubelet's `shutdownGracePeriod`, in seconds.
    pub shutdown_grace_s: u32,
    /// The kubelet's `shutdownGracePeriodCriticalPods`, in seconds: the last part of the former.
    pub shutdown_grace_critical_s: u32,
    /// etcd's `--quota-backend-bytes`.
    pub etcd_quota_bytes: u64,
    /// The apiserver's `--audit-log-maxage`, in days.
    pub audit_max_age_days: u32,
    /// The apiserver's `--audit-log-maxbackup`, in files.
    pub audit_max_backups: u32,
    /// The apiserver's `--audit-log-maxsize`, in megabytes.
    pub audit_max_size_mb: u32,
    /// The kubelet's `containerLogMaxSize`, in MiB.
    pub container_log_max_mb: u32,
    /// The kubelet's `containerLogMaxFiles`.
    pub container_log_max_files: u32,
    /// The kubelet's `evictionHard`: thresholds by signal.
    pub eviction_hard: BTreeMap<String, String>,
    /// What the kubelet keeps from pods, by the node's role.
    pub reserved: ReservedByRole,
    /// Where programs keep their data.
    pub directories: Directories,
}

/// Who makes cgroups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CgroupDriver {
    /// systemd, as Kubernetes advises where systemd is init.
    Systemd,
    /// The kubelet and the runtime themselves.
    Cgroupfs,
}

/// How containerd lays an image's layers over each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Snapshotter {
    /// The kernel's overlayfs.
    Overlayfs,
    /// Copies: works on any file system, also on an overlay.
    Native,
}

/// What the kubelet keeps from pods, by the node's role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReservedByRole {
    /// On main nodes: etcd and the control plane live from it.
    pub main: Reserved,
    /// On work nodes.
    pub work: Reserved,
}

/// Processor time and memory for what is not a pod (`systemReserved`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Reserved {
    /// Thousandths of a processor.
    pub cpu_milli: u32,
    /// Memory in MiB.
    pub memory_mb: u32,
}

/// Absolute paths of data directories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directories {
    /// containerd's images and snapshots.
    pub containerd: String,
    /// etcd's write-ahead log and backend.
    pub etcd: String,
    /// The kubelet's pods.
    pub kubelet: String,
}

impl Default for Directories {
    /// Where everybody looks for them.
    fn default() -> Self {
        let [containerd, etcd, kubelet] = ["containerd", "etcd", "kubelet"].map(|name| format!("/var/lib/{name}"));
        Self { containerd, etcd, kubelet }
    }
}

impl Settings {
    /// What the kubelet keeps from pods on nodes of `role`.
    pub const fn reserved(&self, role: Role) -> Reserved {
        match role {
            Role::Main => self.reserved.main,
            // Nothing is kept where no pods are.
            Role::Work | Role::Images => self.reserved.work,
        }
    }
}

impl CgroupDriver {
    /// The word in the kubelet's configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Cgroupfs => "cgroupfs",
        }
    }
}

impl Snapshotter {
    /// The name of containerd's plugin.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Overlayfs => "overlayfs",
            Self::Native => "native",
        }
    }
}

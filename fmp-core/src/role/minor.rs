//! What differs between the minor versions of Kubernetes, as data.
//!
//! A difference that no row names is a difference that FMP does not write. Patch versions don't differ.

use crate::KubeVersion;

/// One row: how configuration is written for a minor version.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Minor {
    /// 29 for 1.29.
    number: u16,
    /// Where the kubelet is told its container runtime.
    pub(super) runtime_endpoint: RuntimeEndpoint,
    /// Who the person behind `admin.conf` is.
    pub(super) administrator: Administrator,
}

/// Where the kubelet is told its container runtime.
///
/// A field of `KubeletConfiguration` since 1.27, which deprecates the flag
/// (<https://github.com/kubernetes/kubernetes/pull/112136>); before, the strict decoder refuses the field.
/// `--container-runtime` is written nowhere: `remote` is its default and only value in 1.25 and 1.26, and 1.27 has no
/// such flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RuntimeEndpoint {
    /// `--container-runtime-endpoint`.
    Flag,
    /// `containerRuntimeEndpoint`.
    Config,
}

/// Who the person behind `admin.conf` is.
///
/// Since 1.29 kubeadm binds a group of its own and keeps `system:masters`, which no binding can take away, for
/// `super-admin.conf` (<https://github.com/kubernetes/kubernetes/pull/121305>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Administrator {
    /// A member of `system:masters`.
    Master,
    /// A member of `kubeadm:cluster-admins`; `super-admin.conf` stands beside.
    Bound,
}

const TABLE: [Minor; 5] = [
    Minor { number: 25, runtime_endpoint: RuntimeEndpoint::Flag, administrator: Administrator::Master },
    Minor { number: 26, runtime_endpoint: RuntimeEndpoint::Flag, administrator: Administrator::Master },
    Minor { number: 27, runtime_endpoint: RuntimeEndpoint::Config, administrator: Administrator::Master },
    Minor { number: 28, runtime_endpoint: RuntimeEndpoint::Config, administrator: Administrator::Master },
    Minor { number: 29, runtime_endpoint: RuntimeEndpoint::Config, administrator: Administrator::Bound },
];

/// The row of `version`, or `None` for a minor version that FMP does not know.
pub(super) fn of(version: KubeVersion) -> Option<&'static Minor> {
    TABLE.iter().find(|row| row.number == version.minor)
}

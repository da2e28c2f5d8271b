//! What differs between the minor versions of Kubernetes, as data.
//!
//! A difference that no row names is a difference that FMP does not write. Patch versions don't differ.

use std::fmt;

use super::LowerError;
use crate::{KubeVersion, bundle::Lock};

/// One row: how configuration is written for a minor version.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Minor {
    /// 29 for 1.29.
    number: u16,
    /// Where the kubelet is told its container runtime.
    pub(super) runtime_endpoint: RuntimeEndpoint,
    /// Who the person behind `admin.conf` is.
    pub(super) administrator: Administrator,
    /// Which releases of containerd serve.
    containerd: Serves,
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

/// Which releases of a program beside Kubernetes serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Serves {
    /// The oldest that does.
    least: Release,
    /// The first that does not any more.
    below: Option<Release>,
}

/// The number of a release: `3.5.21`. Candidates and builds of somebody's own are no releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Release(u16, u16, u16);

/// etcd, whatever the minor version. Releases before 3.5.20 promote a learner in one of their two stores only, so that the
/// next step to 3.6 finds a voter that is none
/// (<https://etcd.io/blog/2025/upgrade_from_3.5_to_3.6_issue/>); 3.6 can't go back to 3.5, and none of these minor versions
/// was released with it (<https://etcd.io/docs/v3.6/upgrades/upgrade_3_6/>).
const ETCD: Serves = Serves { least: Release(3, 5, 20), below: Some(Release(3, 6, 0)) };

/// The oldest containerd of each minor version, by containerd's own table
/// (<https://github.com/containerd/containerd/blob/main/RELEASES.md#kubernetes-support>): from 1.26 on the kubelet speaks
/// only the first whole version of the runtime's interface
/// (<https://kubernetes.io/blog/2022/11/18/upcoming-changes-in-kubernetes-1-26/>).
const CONTAINERD_25: Serves = Serves { least: Release(1, 6, 4), below: None };
const CONTAINERD_26: Serves = Serves { least: Release(1, 6, 15), below: None };

const TABLE: [Minor; 5] = [
    Minor {
        number: 25,
        runtime_endpoint: RuntimeEndpoint::Flag,
        administrator: Administrator::Master,
        containerd: CONTAINERD_25,
    },
    Minor {
        number: 26,
        runtime_endpoint: RuntimeEndpoint::Flag,
        administrator: Administrator::Master,
        containerd: CONTAINERD_26,
    },
    Minor {
        number: 27,
        runtime_endpoint: RuntimeEndpoint::Config,
        administrator: Administrator::Master,
        containerd: CONTAINERD_26,
    },
    Minor {
        number: 28,
        runtime_endpoint: RuntimeEndpoint::Config,
        administrator: Administrator::Master,
        containerd: CONTAINERD_26,
    },
    Minor {
        number: 29,
        runtime_endpoint: RuntimeEndpoint::Config,
        administrator: Administrator::Bound,
        containerd: CONTAINERD_26,
    },
];

/// The row of `version`, or `None` for a minor version that FMP does not know.
pub(super) fn of(version: KubeVersion) -> Option<&'static Minor> {
    TABLE.iter().find(|row| row.number == version.minor)
}

impl Minor {
    /// Refuses a bundle whose programs beside Kubernetes don't serve this minor version. What it lacks is found elsewhere.
    ///
    /// # Errors
    /// One does not.
    pub(super) fn check(&self, wanted: KubeVersion, lock: &Lock) -> Result<(), LowerError> {
        for (name, serves) in [("containerd", self.containerd), ("etcd", ETCD)] {
            let Some(entry) = lock.entry(name) else { continue };
            if !Release::read(&entry.version).is_some_and(|release| serves.includes(release)) {
                let (locked, needed) = (entry.version.clone(), serves.to_string());
                return Err(LowerError::Unfit { name: name.to_owned(), locked, needed, wanted });
            }
        }
        Ok(())
    }
}

impl Serves {
    fn includes(self, release: Release) -> bool {
        release >= self.least && self.below.is_none_or(|below| release < below)
    }
}

impl Release {
    fn read(version: &str) -> Option<Self> {
        let mut numbers = version.split('.').map(|number| number.parse().ok());
        let release = Self(numbers.next()??, numbers.next()??, numbers.next()??);
        numbers.next().is_none().then_some(release)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl fmt::Display for Serves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.below {
            None => write!(f, "{} or later", self.least),
            Some(below) => write!(f, "{} or later, and before {below}", self.least),
        }
    }
}

//! Requirement profiles: what a cluster and its hosts must bring, as data.
//!
//! Owns the typed content of a profile; a new edition of the requirements is a new file under `data/`, or a person's
//! own file, never a change of code. Knows nothing of hosts, which `check` compares with it. Read [`Profile`] first.

mod load;
mod rules;
mod settings;

use std::{collections::BTreeMap, fmt};

pub use load::{ProfileError, Profiles};
pub use rules::{
    HostRules, KernelIs, KernelVersion, KubeMinor, PackageManager, Ports, PortsRule, Swap, SysctlRule, System,
    TimeService, VersionRule,
};
use serde::{Deserialize, Serialize};
pub use settings::{CgroupDriver, Directories, Reserved, ReservedByRole, Settings, Snapshotter};

use crate::{Digest, spec::Role};

/// What one edition of the requirements asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Profile {
    /// The profile's name, such as `fmp-23.12`, or the path of its file.
    #[serde(skip_deserializing)]
    pub name: String,
    /// What it is about, in words.
    pub title: String,
    /// What it relaxes of the real requirements, in words. Empty: nothing, FMP may run on it.
    #[serde(default)]
    pub relaxes: Vec<String>,
    /// The minor versions of Kubernetes that are allowed, ascending.
    pub kubernetes: Vec<KubeMinor>,
    /// Operating systems that are allowed.
    pub systems: Vec<System>,
    /// Machines, by their kind.
    pub machines: BTreeMap<Machines, Fleet>,
    /// When disks need work.
    pub storage: Storage,
    /// What every host must bring.
    pub host: HostRules,
    /// What roles set on hosts.
    pub settings: Settings,
    /// What is asked of virtual machines among others that share this computer's kernel. None: the same.
    #[serde(skip)]
    pub vm: Option<Box<Self>>,
    /// Digest of the profile's meaning: comments and order don't change it. What is asked of virtual machines has a digest of its
    /// own.
    #[serde(skip, default = "unread")]
    pub digest: Digest,
}

/// Stands in [`Profile::digest`] until the profile is read to its end.
const fn unread() -> Digest {
    Digest::from_bytes([0; 32])
}

/// Whether machines are virtual: requirements differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Machines {
    /// Virtual machines, or machines that share a computer.
    Virtual,
    /// Computers.
    BareMetal,
}

/// The machines of one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Fleet {
    /// Main nodes.
    pub main: Size,
    /// Work nodes.
    pub work: Size,
    /// The machine that stores images, where there is one: its count means nothing.
    #[serde(default = "Size::of_image_storage", skip_serializing_if = "Size::is_of_image_storage")]
    pub images: Size,
}

/// How many machines of a role there must be, and how large each, at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Size {
    /// Machines.
    pub count: u32,
    /// Processors of each.
    pub cpus: u32,
    /// Memory of each in GB of 2^30 bytes.
    pub memory_gb: u32,
    /// All disks of each together, in GB of 10^9 bytes.
    pub disk_gb: u32,
}

/// When disks need work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Storage {
    /// Every node's root file system, at least, in GB of 10^9 bytes: programs, images and logs are there.
    pub root_gb: u32,
    /// From this size of a work node's root file system on, in GB of 10^9 bytes, it needs no storage of its own.
    pub root_enough_gb: u32,
}

impl Size {
    /// What a machine needs that stores images, where a profile says nothing: a program that serves files.
    const fn of_image_storage() -> Self {
        Self { count: 0, cpus: 1, memory_gb: 1, disk_gb: 40 }
    }

    fn is_of_image_storage(&self) -> bool {
        *self == Self::of_image_storage()
    }
}

impl Profile {
    /// What machines of `role` must be like.
    ///
    /// # Panics
    /// Never: a profile that was read has both kinds of machines.
    pub fn size(&self, machines: Machines, role: Role) -> &Size {
        let fleet = self.machines.get(&machines).expect("a profile has both kinds of machines");
        match role {
            Role::Main => &fleet.main,
            Role::Work => &fleet.work,
            Role::Images => &fleet.images,
        }
    }

    /// Whether Kubernetes 1.`minor` is allowed.
    pub fn allows(&self, minor: u16) -> bool {
        self.kubernetes.contains(&KubeMinor(minor))
    }
}

impl Machines {
    /// The word in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Virtual => "virtual",
            Self::BareMetal => "bare-metal",
        }
    }
}

impl fmt::Display for Machines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

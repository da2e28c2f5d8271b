//! What the author of a provider writes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    future::Future,
    net::{Ipv4Addr, SocketAddrV4},
    pin::Pin,
    sync::Arc,
};

use fmp_core::{
    Digest, NodeName,
    observed::{Fact, Machine, Observed},
    resource::{Check, Filesystem, Holding, VirtualMachine},
};
use fmp_plan::{Step, step::Subject};
use serde::{Deserialize, Serialize};

use crate::Failure;

/// A piece of work under way. Dropping it stops the waiting, not the effect on the host.
pub type Task<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What every call of one run shares.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// This run's epoch: hosts refuse an older one.
    pub epoch: u64,
    /// Which life of which process this run is, as in its lease: of two runs that begin before there is any main to hold
    /// a lease on, both have the first epoch.
    pub run: Arc<str>,
    /// Texts that steps write, by digest.
    pub texts: Arc<BTreeMap<Digest, Arc<str>>>,
}

/// Carries out steps on the subjects that it claims.
pub trait Provider: Send + Sync {
    /// Whether this provider is the one for `subject`. Two claims or none are refused before the first step.
    fn claims(&self, subject: &Subject) -> bool;

    /// Answers each question with a fact; never writes, never fails as a whole.
    fn observe<'a>(&'a self, cx: &'a Context, ask: &'a Questions) -> Task<'a, Observed>;

    /// Compares what the action expects and makes the change in one go.
    ///
    /// # Errors
    /// With what is known of the effect.
    fn apply<'a>(&'a self, cx: &'a Context, step: &'a Step) -> Task<'a, Result<Applied, Failure>>;

    /// Returns when `check` holds or its own deadline is reached.
    ///
    /// # Errors
    /// With the last state seen.
    fn watch<'a>(&'a self, cx: &'a Context, check: &'a Check) -> Task<'a, Result<Watched, Failure>>;
}

/// Where machines come from: what the author of an Incus, libvirt or Redfish crate writes.
pub trait Environment: Send + Sync {
    /// Every machine of this cluster. What is not among them is known to be absent.
    fn machines(&self) -> Task<'_, Fact<BTreeMap<NodeName, Machine>>>;

    /// Makes a machine, starts it, returns when it answers. With `vm` it is such a virtual machine; an environment whose
    /// machines are all alike is never asked for one.
    ///
    /// # Errors
    /// With what is known of the effect.
    fn create<'a>(
        &'a self,
        node: &'a NodeName,
        address: Ipv4Addr,
        vm: Option<&'a VirtualMachine>,
    ) -> Task<'a, Result<Applied, Failure>>;

    /// Switches a machine on or off. Off is a power cut.
    ///
    /// # Errors
    /// With what is known of the effect.
    fn power<'a>(&'a self, node: &'a NodeName, want: Power) -> Task<'a, Result<Applied, Failure>>;

    /// Deletes a machine and all that it holds.
    ///
    /// # Errors
    /// With what is known of the effect.
    fn delete<'a>(&'a self, node: &'a NodeName) -> Task<'a, Result<Applied, Failure>>;
}

/// Whether a machine is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// It runs.
    On,
    /// It does not.
    Off,
}

/// How an action ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// The change was made.
    Done,
    /// It had been made before.
    AlreadyDone,
    /// What was found is neither what was expected nor what is wanted: nothing was touched.
    Stale(Mismatch),
}

/// What differs from what a plan expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mismatch {
    /// About what: a path, a member, a machine.
    pub what: String,
    /// What the plan expected.
    pub expected: String,
    /// What was found.
    pub found: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: the plan expected {}, found {}", self.what, self.expected, self.found)
    }
}

/// What a watch saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// The check holds.
    Holds,
}

/// What an observation asks, by host. The host adds what its ledger names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Questions {
    /// Whom to ask what.
    pub hosts: BTreeMap<NodeName, HostQuestions>,
    /// Whether large files are read again although their digest is cached.
    pub deep: bool,
    /// Kinds of objects of the API of which FMP applies some, such as `ClusterRole`.
    pub kinds: BTreeSet<String>,
    /// Whether network policies are looked for, whoever applied them.
    pub network_policies: bool,
    /// What no plan needs.
    pub besides: Besides,
}

/// What is asked of the API that no plan needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Besides {
    /// Nothing.
    #[default]
    Nothing,
    /// What the doctor wants to know: pods in trouble, leases, budgets, who answers for names.
    Ailments,
    /// What people run, for a rehearsal.
    Workloads,
}

/// What one host is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostQuestions {
    /// Text files, with the digest that is wanted: the text of one that differs comes back.
    pub files: BTreeMap<Arc<str>, Digest>,
    /// Programs: their digest is cached on the host.
    pub programs: BTreeSet<Arc<str>>,
    /// Certificates.
    pub certificates: BTreeSet<Arc<str>>,
    /// Private keys: whether they are there, and their `stat`.
    pub keys: BTreeSet<Arc<str>>,
    /// Shared things.
    pub trust: BTreeSet<Holding>,
    /// Units, full names.
    pub units: BTreeSet<Arc<str>>,
    /// Whether this host is a main: etcd and the API can be asked through it.
    pub main: bool,
    /// Packages of the operating system, by whatever name some system has for them. Empty: none are asked for.
    pub packages: BTreeSet<Arc<str>>,
    /// The volume.
    pub volume: Option<VolumeQuestion>,
    /// What only the doctor wants to know.
    pub health: Option<HealthQuestion>,
    /// What the requirement profile wants to know.
    pub programs_wanted: BTreeSet<String>,
    /// Kernel modules.
    pub modules: BTreeSet<String>,
    /// Sysctls.
    pub sysctls: BTreeSet<String>,
    /// TCP ports.
    pub ports: BTreeSet<u16>,
}

/// What a host is asked about how it feels; links and routes are told in any case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealthQuestion {
    /// Directories whose file systems are looked at.
    pub directories: BTreeSet<Arc<str>>,
    /// Where its etcd tells its figures, if it has one.
    pub etcd_metrics: Option<SocketAddrV4>,
    /// A name that the cluster's DNS should know.
    pub name: Option<NameQuestion>,
    /// Entrances at which somebody should take connections: `HOST:PORT`.
    pub entrances: BTreeSet<String>,
}

/// A name that somebody should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameQuestion {
    /// Who is asked.
    pub server: SocketAddrV4,
    /// The name.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
}

/// What a host is asked about a volume group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupQuestion {
    /// Its name.
    pub name: Arc<str>,
    /// The stable names of its disks.
    pub disks: Vec<Arc<str>>,
}

/// What a host is asked about its volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeQuestion {
    /// The disk's stable name, or the device of the logical volume.
    pub disk: Arc<str>,
    /// What lies beneath a logical volume.
    pub group: Option<GroupQuestion>,
    /// What is, or will be, made on it.
    pub filesystem: Filesystem,
    /// Where it is mounted: first itself.
    pub directories: Vec<Arc<str>>,
}

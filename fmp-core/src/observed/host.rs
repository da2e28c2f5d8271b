//! One host as its own programs describe it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use serde::{Deserialize, Serialize};

use super::{Fact, HostHealth, PackagesSeen, VolumeSeen};
use crate::{Digest, KubeVersion, net::Cidr, role::paths::kubernetes_version};

/// Everything seen on one host in one round trip. Paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// The machine itself.
    pub facts: HostFacts,
    /// The cluster that the ledger says this host belongs to.
    pub cluster_id: Fact<String>,
    /// The machine id of whoever took this cluster's id (`/var/lib/fmp/machine-id`): a copied disk shows another.
    pub pinned_machine_id: Fact<String>,
    /// What FMP wrote on this host, by resource key (`file/etc/…`, `unit/etcd.service`).
    pub ledger: BTreeMap<String, LedgerEntry>,
    /// Every path that was asked for, and every path that the ledger names.
    pub files: BTreeMap<String, Fact<FileSeen>>,
    /// Every unit that was asked for.
    pub units: BTreeMap<String, Fact<UnitSeen>>,
    /// Every certificate that was asked for.
    pub certificates: BTreeMap<String, Fact<Certificate>>,
    /// Keyed digests of secrets, with this observation's nonce: equal on two hosts exactly when the secrets are.
    pub secrets: BTreeMap<String, Fact<Digest>>,
    /// Container images that the runtime holds, by reference. `Unknown` while the runtime is down.
    pub images: Fact<BTreeSet<String>>,
    /// Whether etcd's data directory holds a member.
    pub etcd_data: bool,
    /// Whether etcd on this host was ever ready (`/var/lib/fmp/etcd-born`): an empty data directory was wiped then.
    pub etcd_born: bool,
    /// The newest epoch of a run that this host has heard of, 0 for none: it refuses older ones. Volatile.
    #[serde(default)]
    pub epoch: u64,
    /// Commands and transient units that some `fmp` began and that still run, such as `fmp-7-main-1-files`: its epoch
    /// and its step. Volatile.
    pub running: BTreeSet<String>,
    /// The node's part of the pod range, as `/etc/fmp/node.env` says it.
    pub pod_cidr: Option<Cidr>,
    /// The volume that was asked for. None: nobody asked, since none is wanted here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<VolumeSeen>,
    /// Packages of the operating system. None: nobody asked, since FMP installs none here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packages: Option<PackagesSeen>,
    /// What only the doctor wants to know. None: nobody asked. Volatile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HostHealth>,
    /// Signs of another installer at our paths: `kubeadm`, `k3s`, `docker`, …, each with what was found.
    pub strangers: BTreeMap<String, String>,
}

/// The machine: what a profile compares and what lowering reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostFacts {
    /// The host name, as the kernel says it.
    pub hostname: String,
    /// `/etc/machine-id`, 32 hexadecimal digits.
    pub machine_id: String,
    /// As `uname -m` says it: `x86_64`, `aarch64`.
    pub architecture: String,
    /// `ID` of os-release: `debian`, `ubuntu`, `astra`, `rocky`.
    pub os_id: String,
    /// `VERSION_ID` of os-release: `12`, `22.04`; of Astra Linux, whose every update says `1.7_x86-64` there, its build:
    /// `1.7.5.16`.
    pub os_version: String,
    /// `PRETTY_NAME` of os-release.
    pub os_name: String,
    /// As `uname -r` says it.
    pub kernel: String,
    /// systemd's version: 252.
    pub systemd: u32,
    /// Processors online.
    pub cpus: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Size of the root file system in bytes.
    pub root_bytes: u64,
    /// Free bytes in the root file system. Volatile.
    pub root_free_bytes: u64,
    /// Block devices.
    pub disks: Vec<Disk>,
    /// How cgroups are mounted.
    pub cgroup: Cgroup,
    /// Swap in use or ready to be, in bytes.
    pub swap_bytes: u64,
    /// The host's clock minus the observer's, in milliseconds, as far as it is certain. Volatile.
    pub clock_offset_ms: i64,
    /// Whether a time service keeps the clock.
    pub clock_sync: ClockSync,
    /// Programs that were asked for, with their path; those not found are missing here.
    pub programs: BTreeMap<String, String>,
    /// Kernel modules that are loaded or built in, of those asked for.
    pub modules: BTreeSet<String>,
    /// Sysctls that were asked for; those that the kernel lacks are missing here.
    pub sysctls: BTreeMap<String, String>,
    /// TCP ports with a listener, of those asked for.
    pub listeners: BTreeMap<u16, Listener>,
    /// The addresses of the host's interfaces, IPv4.
    pub addresses: BTreeSet<Ipv4Addr>,
    /// The length of the prefix of each, where its interface has one: who else is on that link.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub prefixes: BTreeMap<Ipv4Addr, u8>,
}

/// A block device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// Kernel name: `vda`.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
}

/// How cgroups are mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cgroup {
    /// Version 1, perhaps with version 2 beside it for systemd alone.
    V1,
    /// Version 2 alone.
    V2,
}

/// Whether a time service keeps the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockSync {
    /// The kernel says that the clock is synchronised.
    Synchronised,
    /// It says that it is not.
    Unsynchronised,
    /// Nothing could be asked.
    Unknown,
}

/// Who listens on a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// The systemd unit of the listening process, or its program's name where it has none.
    pub owner: String,
}

/// What FMP noted before it made something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerEntry {
    /// The resource's kind: `file`, `unit`, `certificate`, …
    pub kind: String,
    /// The cluster that it belongs to.
    pub cluster_id: String,
    /// What stood there before, in words: `absent`, or a digest.
    pub previous: String,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSeen {
    /// SHA-256 of its content. None for secrets, whose plain digest is never taken.
    pub digest: Option<Digest>,
    /// Permission bits, such as 0o644.
    pub mode: u32,
    /// `user:group`, numeric.
    pub owner: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Device, inode, size, mtime and ctime, as `stat` prints them: the digest cache's key.
    pub stat: String,
    /// Its text, where it differs from what was asked for, is text, no secret, and at most 64 KiB.
    pub text: Option<String>,
}

/// Whether a host is the machine that joined its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin<'a> {
    /// It is, or there is nothing to compare yet.
    Same,
    /// It belongs to a cluster, and nothing says on which machine that began.
    Missing,
    /// It began on this machine, which is another one.
    Other(&'a str),
}

impl Host {
    /// Whether this is still the machine on which its ledger began. A machine that belongs to no cluster, and one that
    /// has no id, can't be another one than before.
    pub fn pin(&self) -> Pin<'_> {
        match (&self.cluster_id, &self.pinned_machine_id) {
            (Fact::Absent | Fact::Unknown(_), _) | (Fact::Known(_), Fact::Unknown(_)) => Pin::Same,
            (Fact::Known(_), _) if self.facts.machine_id.is_empty() => Pin::Same,
            (Fact::Known(_), Fact::Absent) => Pin::Missing,
            (Fact::Known(_), Fact::Known(pinned)) if *pinned == self.facts.machine_id => Pin::Same,
            (Fact::Known(_), Fact::Known(pinned)) => Pin::Other(pinned),
        }
    }
}

/// Larger files are stamped by `stat`: hashing a program at each start would cost half a second.
const STAMPED_BY_DIGEST: u64 = 1 << 20;

impl FileSeen {
    /// The value with which `stamp.sh` would note this file, which lies at `path`: its digest, or `stat` where it is
    /// large or a secret.
    pub fn as_stamped(&self, path: &str) -> String {
        let is_key = std::path::Path::new(path).extension().is_some_and(|kind| kind == "key");
        let is_secret = is_key || path.ends_with("/encryption.yaml");
        match self.digest {
            Some(digest) if !is_secret && self.bytes <= STAMPED_BY_DIGEST => digest.to_string(),
            Some(_) | None => format!("stat:{}", self.stat),
        }
    }
}

/// A systemd unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnitSeen {
    /// `ActiveState`: `active`, `inactive`, `failed`, `activating`, … Volatile while activating.
    pub active: String,
    /// `SubState`.
    pub sub: String,
    /// `UnitFileState`: `enabled`, `disabled`, `masked`, …
    pub enabled: String,
    /// `NeedDaemonReload`.
    pub needs_reload: bool,
    /// `DropInPaths`, sorted, with the digest of each.
    pub drop_ins: BTreeMap<String, Digest>,
    /// `ConditionResult`: false when a condition kept it from starting.
    pub condition: bool,
    /// What the unit's last start really read, when that start is the one that runs now.
    pub stamp: Option<Stamp>,
}

/// What a unit's start read: for each path a digest (small files) or `stat` (programs), as FMP's stamp wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stamp(pub BTreeMap<String, String>);

impl UnitSeen {
    /// Whether nothing of it runs.
    pub fn is_down(&self) -> bool {
        matches!(self.active.as_str(), "inactive" | "failed")
    }
}

impl Stamp {
    /// The version of a program of Kubernetes that the start read.
    pub fn version_of(&self, program: &str) -> Option<KubeVersion> {
        self.0.keys().find_map(|path| kubernetes_version(path, program))
    }
}

/// A certificate, parsed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// Common name of the subject.
    pub common_name: String,
    /// Organisations of the subject, sorted.
    pub organizations: BTreeSet<String>,
    /// Subject alternative names: `DNS:…`, `IP:…`.
    pub names: BTreeSet<String>,
    /// Whether it may be used by a server, by a client, by both: `server`, `client`.
    pub usages: BTreeSet<String>,
    /// Whether it is an authority.
    pub authority: bool,
    /// Seconds since 1970.
    pub not_before: i64,
    /// Seconds since 1970.
    pub not_after: i64,
    /// SHA-256 of its own public key (`SubjectPublicKeyInfo`).
    pub key: Digest,
    /// The authority key identifier, hexadecimal: which key signed it.
    pub signer: String,
    /// The subject key identifier, hexadecimal; empty where there is none.
    pub subject_key: String,
}

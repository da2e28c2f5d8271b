//! Actions: the closed set of changes that a step can make. Pure data, complete in itself.
//!
//! Most say what they expect to find. Whoever carries one of these out compares first, on the host, in the same go: what is
//! already as wanted is left alone, what is neither as expected nor as wanted is *stale* and nothing is touched. Restarts,
//! reloads and new certificates have nothing to compare with, and are done whenever their step is.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use fmp_core::{
    Digest, NodeName,
    os::Manager,
    resource::{
        CertificateRequest, Filesystem, Holding, NodeObject, PackageFile, Uuid, VirtualMachine,
        lvm::{LogicalVolume, LvmId},
    },
};
use serde::{Deserialize, Serialize};

use crate::safety;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do", deny_unknown_fields)]
pub enum Action {
    /// The environment makes a machine and starts it.
    CreateMachine {
        /// Its address.
        address: Ipv4Addr,
        /// What it is, where it is a virtual machine among others that are none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        vm: Option<VirtualMachine>,
    },
    /// The environment starts a machine that is switched off.
    StartMachine,
    /// Makes or copies what all holders share.
    EstablishTrust {
        /// What, in order.
        items: Vec<TrustItem>,
    },
    /// Puts a program into the host's store.
    Upload {
        /// Name in the bundle.
        name: Arc<str>,
        /// What it holds.
        digest: Digest,
        /// Where it goes.
        path: Arc<str>,
        /// Size in bytes.
        bytes: u64,
        /// What lies there now.
        before: Before,
    },
    /// Writes text files and removes others, each whole or not at all; then systemd reads its units again where one of
    /// them is a unit's.
    WriteFiles {
        /// What is written, by path.
        files: Vec<FileWrite>,
        /// What is removed: drop-ins that nobody ordered.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        remove: Vec<FileRemoval>,
    },
    /// Makes key pairs, has them signed, puts them on the host.
    IssueCertificates {
        /// Which, by path.
        certificates: Vec<CertificateIssue>,
    },
    /// Enables a unit, starts it where it does not run.
    StartUnit {
        /// Full name.
        unit: Arc<str>,
    },
    /// Enables and restarts a unit.
    RestartUnit {
        /// Full name.
        unit: Arc<str>,
        /// How far it has come.
        #[serde(default, skip_serializing_if = "UnitBefore::is_active")]
        before: UnitBefore,
    },
    /// Has a unit read its configuration again.
    ReloadUnit {
        /// Full name.
        unit: Arc<str>,
    },
    /// Enables a unit that runs: only what happens at the next boot changes.
    EnableUnit {
        /// Full name.
        unit: Arc<str>,
    },
    /// Starts this main's first etcd member of a new cluster: the one moment when an empty data directory may be born.
    BootstrapEtcd {
        /// Peer URL of every first member.
        members: BTreeMap<NodeName, String>,
    },
    /// Takes a member out of etcd, by peer URL and id.
    RemoveEtcdMember {
        /// How it is known.
        peer_url: String,
        /// Which life of it: hexadecimal.
        id: String,
        /// What is known of it.
        #[serde(default, skip_serializing_if = "MemberBefore::is_silent")]
        before: MemberBefore,
    },
    /// Announces a member that has no vote yet.
    AddEtcdLearner {
        /// How it is known.
        peer_url: String,
    },
    /// Starts the member that was announced, with an empty data directory.
    StartEtcdLearner {
        /// Peer URL of every member, itself included.
        members: BTreeMap<NodeName, String>,
    },
    /// Gives a learner that is in sync its vote.
    PromoteEtcdLearner {
        /// How it is known.
        peer_url: String,
    },
    /// Loads an image archive into the runtime and pins it.
    ImportImage {
        /// Full reference.
        reference: Arc<str>,
        /// Digest of the archive in the bundle.
        archive: Digest,
        /// Size in bytes.
        bytes: u64,
    },
    /// Puts an image archive's content where the image storage's registry serves it; the tag comes last.
    StoreImage {
        /// Full reference.
        reference: Arc<str>,
        /// Digest of the archive in the bundle.
        archive: Digest,
        /// Size in bytes.
        bytes: u64,
        /// The digest of its manifest.
        manifest: Digest,
        /// The file that says which manifest the tag is.
        path: Arc<str>,
        /// What lies there now.
        before: Before,
    },
    /// Has the runtime pull an image from where its hosts file says, by digest, and pins it.
    PullImage {
        /// Full reference.
        reference: Arc<str>,
        /// The digest of its manifest.
        manifest: Digest,
    },
    /// Installs packages of the operating system, and nothing that they only recommend; what they would start stays off.
    InstallPackages {
        /// What installs them.
        manager: Manager,
        /// Which. One that is there, in whatever version, is left alone.
        packages: Vec<PackageInstall>,
        /// Where they come from.
        from: PackagesFrom,
    },
    /// Makes a file system on a disk that is empty, or that an earlier run of this began; or on a volume group of such disks.
    MakeVolume {
        /// The disk's stable name, or the device of the logical volume.
        disk: Arc<str>,
        /// What is made.
        filesystem: Filesystem,
        /// The id that it gets.
        uuid: Uuid,
        /// What the disk was when the plan was made. None: its machine was not there yet, or the group's disks say so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<DiskBefore>,
        /// What is made beneath a logical volume.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<GroupWrite>,
    },
    /// Mounts a volume, and from there each data directory, none of which holds anything; at each boot from then on.
    MountVolume {
        /// The disk's stable name, or the device of the logical volume.
        disk: Arc<str>,
        /// What is on it.
        filesystem: Filesystem,
        /// Its id.
        uuid: Uuid,
        /// Where, in order: first the volume itself.
        mounts: Vec<MountPoint>,
    },
    /// Lets a volume's file system take all of its disk, which has grown, or all disks of its group.
    GrowVolume {
        /// The disk's stable name, or the device of the logical volume.
        disk: Arc<str>,
        /// What is on it.
        filesystem: Filesystem,
        /// Its id.
        uuid: Uuid,
        /// Where it is mounted.
        directory: Arc<str>,
        /// The size of the disk, or of all disks, in bytes.
        bytes: u64,
        /// What lies beneath a logical volume, and is to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<GroupWrite>,
    },
    /// Keeps new pods away from a node, and marks it with [`CORDONED`](fmp_core::resource::CORDONED).
    CordonNode {
        /// The Node's name.
        node: NodeName,
    },
    /// Has the pods of a cordoned node evicted, within their disruption budgets; those of `DaemonSets` stay.
    DrainNode {
        /// The Node's name.
        node: NodeName,
        /// Which pods may go.
        evict: Evict,
    },
    /// Lets pods come again, where FMP kept them away.
    UncordonNode {
        /// The Node's name.
        node: NodeName,
    },
    /// Stops units for good: none starts at the next boot.
    StopUnits {
        /// Full names, in order.
        units: Vec<Arc<str>>,
    },
    /// Deletes a Node object.
    DeleteNode {
        /// The Node's name.
        node: NodeName,
    },
    /// Makes a Node object, or brings what FMP owns of it up to date.
    ApplyNode {
        /// The Node's name.
        node: NodeName,
        /// What FMP owns.
        object: NodeObject,
    },
    /// Deletes an object that FMP applied and nothing wants any more.
    DeleteObject {
        /// `Kind/namespace/name`.
        key: String,
        /// Digest of the manifest that it was made from, as its annotation says.
        before: String,
    },
    /// Applies one object by the server with FMP's field manager.
    ApplyObject {
        /// `Kind/namespace/name`.
        key: String,
        /// Digest of the manifest among the plan's texts.
        manifest: Digest,
        /// Fields that somebody else holds and that this takes. Another field that somebody holds makes it stale.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        taking: Vec<String>,
    },
}

/// A file system grows when its disk is larger by this much, in bytes: a file system rounds its size down to whole groups
/// of blocks, which is always less, and a smaller gain is worth no step.
pub const GROWTH_BYTES: u64 = 64 << 20;

/// A package to install.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageInstall {
    /// Its name.
    pub name: Arc<str>,
    /// Units that it would start by itself, full names: they neither start now nor at the next boot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quiet: Vec<Arc<str>>,
}

/// Where packages come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PackagesFrom {
    /// The host's own repository: in the version that it has, with whatever else they need.
    Repository,
    /// These files of the bundle, all that is not there yet of what they need; no repository is asked.
    Bundle(Vec<PackageFile>),
}

impl PackagesFrom {
    /// The word in files and on hosts.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Repository => "repository",
            Self::Bundle(_) => "bundle",
        }
    }

    /// The files that come; none where a repository brings whatever is needed.
    pub fn files(&self) -> &[PackageFile] {
        match self {
            Self::Repository => &[],
            Self::Bundle(files) => files,
        }
    }
}

/// A volume group as it is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupWrite {
    /// The group's name, and that of the one logical volume, which takes all of it.
    pub logical: LogicalVolume,
    /// Every disk of it.
    pub disks: Vec<MemberWrite>,
}

/// A disk that belongs to a volume group as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberWrite {
    /// Its stable name.
    pub disk: Arc<str>,
    /// The id that it has within LVM, or gets.
    pub id: LvmId,
    /// What it was when the plan was made. None: its machine was not there yet, or it belongs to the group already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<DiskBefore>,
}

/// A disk as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskBefore {
    /// Size in bytes.
    pub bytes: u64,
    /// Its world-wide id or serial number; empty where it has none.
    pub identity: String,
}

/// What is known of a member that is to be taken out of etcd.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemberBefore {
    /// Its data is gone, or nothing starts it any more: it need not hear of it.
    #[default]
    Silent,
    /// It answers and so hears of it, and ends by itself. Where it does not, the step is stale: what has not heard of its
    /// removal is stopped first.
    Answering,
}

impl MemberBefore {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives what may be left out by reference")]
    const fn is_silent(&self) -> bool {
        matches!(self, Self::Silent)
    }
}

/// How far a unit has come that is to be restarted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnitBefore {
    /// It may serve: its restart takes away what it gives, and was judged.
    #[default]
    Active,
    /// It is on its way up and serves nobody, so nobody judged its restart. Where it has arrived meanwhile, the step is
    /// stale: others may rest on it now.
    Starting,
}

impl UnitBefore {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives what may be left out by reference")]
    const fn is_active(&self) -> bool {
        matches!(self, Self::Active)
    }
}

/// A unit that mounts, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MountPoint {
    /// Full name.
    pub unit: Arc<str>,
    /// Absolute path.
    pub directory: Arc<str>,
}

/// Which pods a drain may evict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evict {
    /// Those that somebody makes again elsewhere and that lose no data of their own.
    Replaceable,
    /// All, also those that nobody makes again and those with data in an `emptyDir`: a person agreed.
    All,
}

/// What lies at a path before a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Before {
    /// Nothing.
    Absent,
    /// A file with this content.
    Digest(Digest),
}

/// A text file to write, owned by root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileWrite {
    /// Absolute path.
    pub path: Arc<str>,
    /// Permission bits.
    pub mode: u32,
    /// Digest of the content, which stands among the plan's texts.
    pub content: Digest,
    /// What lies there now.
    pub before: Before,
}

/// A file to remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRemoval {
    /// Absolute path.
    pub path: Arc<str>,
    /// What lies there now.
    pub before: Digest,
}

/// One shared thing to bring to a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustItem {
    /// Which.
    pub what: Holding,
    /// Whether the private part comes too.
    pub private: bool,
    /// Where it comes from.
    pub from: TrustSource,
}

/// Where a shared thing comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrustSource {
    /// It is made here, for the first and only time.
    Create,
    /// It is copied from any of these hosts; all hold the same.
    Copy(Vec<NodeName>),
}

/// One certificate to issue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateIssue {
    /// Path of the certificate.
    pub path: Arc<str>,
    /// Path of the private key.
    pub key_path: Arc<str>,
    /// What it must say.
    pub request: CertificateRequest,
    /// Hosts that hold the authority's key, any of which may lend it for this step.
    pub holders: Vec<NodeName>,
}

impl Action {
    /// The unit that it starts or restarts, if it does.
    pub fn starts(&self) -> Option<&str> {
        match self {
            Self::StartUnit { unit } | Self::RestartUnit { unit, .. } => Some(unit),
            Self::BootstrapEtcd { .. } | Self::StartEtcdLearner { .. } => Some(safety::ETCD),
            Self::CreateMachine { .. }
            | Self::StartMachine
            | Self::EstablishTrust { .. }
            | Self::Upload { .. }
            | Self::WriteFiles { .. }
            | Self::IssueCertificates { .. }
            | Self::ReloadUnit { .. }
            | Self::EnableUnit { .. }
            | Self::RemoveEtcdMember { .. }
            | Self::AddEtcdLearner { .. }
            | Self::PromoteEtcdLearner { .. }
            | Self::ImportImage { .. }
            | Self::StoreImage { .. }
            | Self::PullImage { .. }
            | Self::InstallPackages { .. }
            | Self::MakeVolume { .. }
            | Self::MountVolume { .. }
            | Self::GrowVolume { .. }
            | Self::CordonNode { .. }
            | Self::DrainNode { .. }
            | Self::UncordonNode { .. }
            | Self::StopUnits { .. }
            | Self::DeleteNode { .. }
            | Self::ApplyNode { .. }
            | Self::DeleteObject { .. }
            | Self::ApplyObject { .. } => None,
        }
    }

    /// The Node that an action on the API is about.
    pub const fn api_node(&self) -> Option<&NodeName> {
        match self {
            Self::CordonNode { node }
            | Self::DrainNode { node, .. }
            | Self::UncordonNode { node }
            | Self::DeleteNode { node }
            | Self::ApplyNode { node, .. } => Some(node),
            Self::CreateMachine { .. }
            | Self::StartMachine
            | Self::EstablishTrust { .. }
            | Self::Upload { .. }
            | Self::WriteFiles { .. }
            | Self::IssueCertificates { .. }
            | Self::StartUnit { .. }
            | Self::RestartUnit { .. }
            | Self::ReloadUnit { .. }
            | Self::EnableUnit { .. }
            | Self::StopUnits { .. }
            | Self::BootstrapEtcd { .. }
            | Self::RemoveEtcdMember { .. }
            | Self::AddEtcdLearner { .. }
            | Self::StartEtcdLearner { .. }
            | Self::PromoteEtcdLearner { .. }
            | Self::ImportImage { .. }
            | Self::StoreImage { .. }
            | Self::PullImage { .. }
            | Self::InstallPackages { .. }
            | Self::MakeVolume { .. }
            | Self::MountVolume { .. }
            | Self::GrowVolume { .. }
            | Self::DeleteObject { .. }
            | Self::ApplyObject { .. } => None,
        }
    }
}

//! Resources: the small, closed set of things that a cluster is made of.
//!
//! A resource says *what* is wanted, never how it is reached. Ids derive from content, never from position.
//! Kinds that later stages add (Firewall, `SecurityLabel`) get a file each here, an arm in each
//! exhaustive match, and nothing else.

mod artifact;
mod certificate;
mod etcd_member;
mod file;
mod id;
mod image;
pub mod lvm;
mod machine;
mod node_object;
mod object;
mod package;
mod trust;
mod unit;
mod volume;

pub use artifact::Artifact;
pub use certificate::{BACKDATED_S, Certificate, CertificateRequest, Usage};
pub use etcd_member::EtcdMember;
pub use file::{File, Text};
pub use id::{ResourceId, Scope};
pub use image::{Image, ImageName, Stored, Way};
pub use machine::{BadSerial, Serial, VirtualMachine};
pub use node_object::{CORDONED, DRAINED, EMPTYING, NodeObject};
pub use object::Object;
pub use package::{Package, PackageFile, PackageSource};
use serde::{Deserialize, Serialize};
pub use trust::{Authority, Holding, Trust};
pub use unit::{Check, Effect, Input, Unit};
pub use volume::{BadUuid, Filesystem, Mount, Uuid, Volume, programs};

/// One wanted thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// A machine that the environment makes.
    Machine,
    /// A program in the host's content-addressed store.
    Artifact(Artifact),
    /// A text file.
    File(File),
    /// Something that all holders share: the cluster's id, an authority, a key.
    Trust(Trust),
    /// A key pair with a certificate, for one purpose on one host.
    Certificate(Certificate),
    /// A running systemd unit.
    Unit(Unit),
    /// A voting member of etcd.
    EtcdMember(EtcdMember),
    /// A container image in a node's runtime, or in the storage that nodes pull from.
    Image(Image),
    /// A Node object: its pod range, labels and taints.
    NodeObject(NodeObject),
    /// An object of the API that FMP owns.
    Object(Object),
    /// A disk, or several of them, with a file system for a node's data.
    Volume(Volume),
    /// A package of the operating system.
    Package(Package),
}

/// The name of a resource's kind, as ids, ledgers and plans write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A machine that the environment makes.
    Machine,
    /// A program.
    Artifact,
    /// A text file.
    File,
    /// Something that all holders share.
    Trust,
    /// A key pair with a certificate.
    Certificate,
    /// A systemd unit.
    Unit,
    /// A voting member of etcd.
    EtcdMember,
    /// A container image.
    Image,
    /// A Node object.
    NodeObject,
    /// Another object of the API.
    Object,
    /// A disk with a file system.
    Volume,
    /// A package of the operating system.
    Package,
}

impl Resource {
    /// The unit, if it is one.
    pub const fn unit(&self) -> Option<&Unit> {
        match self {
            Self::Unit(unit) => Some(unit),
            Self::Machine
            | Self::Artifact(_)
            | Self::File(_)
            | Self::Trust(_)
            | Self::Certificate(_)
            | Self::EtcdMember(_)
            | Self::Image(_)
            | Self::NodeObject(_)
            | Self::Object(_)
            | Self::Volume(_)
            | Self::Package(_) => None,
        }
    }

    /// Which kind it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Machine => Kind::Machine,
            Self::Artifact(_) => Kind::Artifact,
            Self::File(_) => Kind::File,
            Self::Trust(_) => Kind::Trust,
            Self::Certificate(_) => Kind::Certificate,
            Self::Unit(_) => Kind::Unit,
            Self::EtcdMember(_) => Kind::EtcdMember,
            Self::Image(_) => Kind::Image,
            Self::NodeObject(_) => Kind::NodeObject,
            Self::Object(_) => Kind::Object,
            Self::Volume(_) => Kind::Volume,
            Self::Package(_) => Kind::Package,
        }
    }
}

/// Something that a cluster is able to do and that a step may take away for a while.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what", content = "node")]
pub enum Capability {
    /// A voter of etcd answers.
    Voter(crate::NodeName),
    /// An apiserver answers.
    Apiserver(crate::NodeName),
    /// A controller-manager stands ready to lead.
    ControllerManager(crate::NodeName),
    /// A scheduler stands ready to lead.
    Scheduler(crate::NodeName),
    /// A node's pods run and are reached.
    Pods(crate::NodeName),
    /// etcd's list of members is free to change: this main's member is being changed.
    Membership(crate::NodeName),
}

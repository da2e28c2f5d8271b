//! What is wanted: the typed, legal content of `cluster.toml`.
//!
//! Everything here is already checked: a [`Spec`] that exists can be lowered. Raw text stays in `decode`, `shapes` and
//! `raw`; what must agree is compared in `resolve`; what is wrong comes out as [`Problems`]. Read [`parse`] first.

mod canonical;
mod components;
mod decode;
mod entrance;
mod images;
mod platform;
mod problem;
mod raw;
mod resolve;
mod shapes;
mod suggest;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::Ipv4Addr,
    ops::Range,
};

pub use components::{Bundled, Components, Dns, INGRESS_PORTS, Ingress, Metrics, Volumes};
pub use entrance::{ApiEntrance, AppsAddress, AppsBalancer, AppsEntrance, SharedAddress};
pub use images::{IMAGES_PORT, ImageSource, Mirror};
pub use platform::{platform_files, platform_path};
pub use problem::{Code, Problem, Problems};

use serde::{Deserialize, Serialize};

use toml::de::{DeTable, DeValue};

use self::problem::Sink;
use crate::{
    Digest, KubeVersion, NodeName,
    manifest::Manifests,
    net::Cidr,
    platform::{Archive, Platform},
    profile::{Machines, Profile, Profiles},
    resource::{Filesystem, Serial, VirtualMachine, lvm::LogicalVolume},
};

/// Reads `text`, the content of the file `name`, with the profiles that it may name.
///
/// A profile that is a file of its own is read by the caller: [`profile_path`] says which.
///
/// # Errors
/// Everything that is wrong with the file at once, each at its characters. After an error of TOML's syntax nothing is
/// said that the damaged part could have caused.
pub fn parse(name: &str, text: &str, profiles: &Profiles) -> Result<Spec, Problems> {
    parse_with(name, text, profiles, &Beside::default())
}

/// What lies beside the cluster's file and belongs to it. The caller reads it: [`manifest_paths`], [`platform_path`] and
/// [`platform_files`] say what.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// The objects of each folder of manifests.
    pub manifests: Manifests,
    /// The platform's archive, with the path that the file names it by.
    pub archive: Option<(String, Archive)>,
    /// Digests of files whose content the platform gets, by the path that the file names them by.
    pub files: BTreeMap<String, Digest>,
}

impl Beside {
    /// The archive at `path`, if anybody read it.
    fn archive(&self, path: &str) -> Option<&Archive> {
        self.archive.as_ref().filter(|(own, _)| own == path).map(|(_, archive)| archive)
    }

    /// The digest of the file at `path`, if anybody read it.
    fn file(&self, path: &str) -> Option<Digest> {
        self.files.get(path).copied()
    }
}

/// The same for a file that names others, which the caller reads too.
///
/// # Errors
/// As [`parse`].
pub fn parse_with(name: &str, text: &str, profiles: &Profiles, beside: &Beside) -> Result<Spec, Problems> {
    let (table, broken) = DeTable::parse_recoverable(text);
    let sink = Sink::default();
    let raw = raw::decode(&sink, &table);
    let mut problems: Vec<Problem> = if broken.is_empty() {
        let spec = resolve::resolve(&sink, raw, profiles, beside);
        match (spec, sink.into_problems()) {
            (Some(spec), problems) if problems.is_empty() => return Ok(spec),
            (_, problems) => problems,
        }
    } else {
        let damaged: Vec<Range<usize>> = broken.iter().map(|error| lines_of(text, error)).collect();
        let apart = |at: Range<usize>| damaged.iter().all(|lines| at.end < lines.start || lines.end < at.start);
        let mut sound = sink.into_problems();
        sound.retain(|problem| problem.code() != Code::MissingKey && problem.places().all(apart));
        sound
    };
    problems.extend(broken.iter().map(|error| syntax(text, error)));
    Err(Problems::new(name, text, problems))
}

/// The profile that `text` names, where that is a path: something with `/` or ending with `.toml`.
pub fn profile_path(text: &str) -> Option<String> {
    let (table, _) = DeTable::parse_recoverable(text);
    let cluster = table.get_ref().get("cluster").map(toml::Spanned::get_ref)?;
    let profile = cluster.get("profile").map(toml::Spanned::get_ref).and_then(DeValue::as_str)?;
    let file = profile.rsplit_once('.').is_some_and(|(_, kind)| kind == "toml");
    (file || profile.contains('/')).then(|| profile.to_owned())
}

/// The folders of manifests that `text` names, in order of their names there.
pub fn manifest_paths(text: &str) -> Vec<String> {
    let (table, _) = DeTable::parse_recoverable(text);
    let components = table.get_ref().get("components").map(toml::Spanned::get_ref);
    let manifests = components.and_then(|components| components.get("manifests")).map(toml::Spanned::get_ref);
    let folders = manifests.and_then(DeValue::as_table).into_iter().flat_map(|table| table.values());
    folders.filter_map(|folder| folder.get_ref().as_str().map(str::to_owned)).collect()
}

/// What TOML's parser says, at the characters where it stopped understanding.
fn syntax(text: &str, error: &toml::de::Error) -> Problem {
    let place = error.span().unwrap_or(text.len()..text.len());
    let help = match error.message() {
        "duplicate key" => "remove one of the two",
        _ => "texts stand in quotation marks, as in `kubernetes = \"1.29.15\"`; each key stands on a line of its own",
    };
    Problem::new(Code::Syntax, format!("not TOML: {}", error.message()), place, "here").help(help)
}

/// The whole lines that an error of syntax touches.
fn lines_of(text: &str, error: &toml::de::Error) -> Range<usize> {
    let place = error.span().unwrap_or(text.len()..text.len());
    let start = text[..place.start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[place.end..].find('\n').map_or(text.len(), |at| place.end + at);
    start..end
}

/// One cluster as a person wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// The cluster's name: a DNS label; shown to people, part of kubeconfig contexts.
    pub name: String,
    /// The version of Kubernetes on every node.
    pub kubernetes: KubeVersion,
    /// The requirements that hosts are compared with.
    pub profile: Profile,
    /// Where the machines come from.
    pub environment: Environment,
    /// What the machines are: the profile asks for other figures of virtual ones.
    pub machines: Machines,
    /// Addresses of pods and services, and how pods reach each other.
    pub network: Network,
    /// How clients outside reach the API.
    pub api_entrance: ApiEntrance,
    /// How clients outside reach applications on the work nodes.
    pub apps_entrance: AppsEntrance,
    /// What runs on the cluster besides its own parts.
    pub components: Components,
    /// What becomes of the disks that work nodes name. None: nothing, all data lies on their root file systems.
    pub storage: Option<Storage>,
    /// Who brings packages of the operating system.
    pub packages: Packages,
    /// Where nodes get images from. Exactly one node stores them where they come from such a storage, and none otherwise.
    pub images: ImageSource,
    /// The installation of FMP itself. None: nobody asks for one.
    pub platform: Option<Platform>,
    /// Every machine, by name. At least one main node.
    pub nodes: BTreeMap<NodeName, Node>,
    /// Nodes that leave the cluster, by name, as they stood among `nodes`, where none of them is now.
    pub retired: BTreeMap<NodeName, Node>,
    /// What a person agreed to, as written (`outage main-1`).
    pub consents: BTreeSet<String>,
    /// Digest of the file's and the profile's meaning: equal specs have equal digests, whatever comments and order.
    pub digest: Digest,
}

/// Where machines come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Machines that exist, reached by SSH.
    Ssh,
    /// systemd-nspawn machines on this computer, made by FMP, reached by SSH.
    Local,
    /// No machines at all: a simulated world, for trying plans out.
    Sim,
}

/// The pod and service networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// How pods on different nodes reach each other.
    pub mode: NetworkMode,
    /// The range that all pod addresses come from.
    pub pods: Cidr,
    /// The prefix length of one node's part of `pods`.
    pub node_prefix: u8,
    /// The range that Service addresses come from.
    pub services: Cidr,
    /// The cluster's DNS domain, `cluster.local` unless told.
    pub domain: String,
}

impl Network {
    /// The address of the `kubernetes` Service: the first of the services' range.
    pub fn kubernetes_service(&self) -> Ipv4Addr {
        self.services.nth(1)
    }

    /// The address that cluster DNS has or will have: the tenth of the services' range, as kubeadm does.
    pub fn cluster_dns(&self) -> Ipv4Addr {
        self.services.nth(10)
    }
}

/// How pods on different nodes reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkMode {
    /// flanneld with its host-gw backend: plain routes; all nodes are on one link.
    Routed,
    /// flanneld with its vxlan backend.
    Flannel,
    /// Somebody else brings the pod network; FMP allocates no ranges.
    External,
}

impl NetworkMode {
    /// Whether network policies may be enforced: flanneld enforces none, what somebody else brings is theirs to know.
    pub const fn may_enforce_policies(self) -> bool {
        match self {
            Self::Routed | Self::Flannel => false,
            Self::External => true,
        }
    }
}

/// What becomes of the disks that work nodes name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// What is made on each.
    pub filesystem: Filesystem,
    /// What a node's disks are joined to by LVM. None: each node names one disk, which holds the file system itself.
    pub logical: Option<LogicalVolume>,
    /// The data directories where it is mounted: absolute paths, none in another.
    pub mounts: BTreeSet<String>,
}

/// Who brings packages of the operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packages {
    /// The hosts: `fmp check` names what is missing.
    None,
    /// FMP, from the system's own repository.
    Repository,
    /// FMP, from files of the bundle: for hosts that reach no repository.
    Bundle,
}

/// One machine of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What it does.
    pub role: Role,
    /// The address that the other nodes use.
    pub address: Ipv4Addr,
    /// How FMP reaches it.
    pub ssh: SshTarget,
    /// Labels besides the role's own.
    pub labels: BTreeMap<String, String>,
    /// What its machine is, where the environment makes it.
    pub machine: MachineKind,
    /// The stable names of the disks that its volume is made on: `/dev/disk/by-id/…`. Several only with LVM.
    pub disks: BTreeSet<String>,
}

/// What a machine is that FMP makes on this computer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MachineKind {
    /// It shares the computer's kernel.
    Container,
    /// It has a kernel and disks of its own.
    Vm,
}

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Runs etcd, kube-apiserver, kube-controller-manager and kube-scheduler.
    Main,
    /// Runs pods.
    Work,
    /// Stores images for the others, and is no node of Kubernetes.
    Images,
}

/// How FMP reaches a node by SSH.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshTarget {
    /// Host name or address; the node's address unless told.
    pub host: String,
    /// Port, 22 unless told.
    pub port: u16,
    /// User, `root` unless told; others need sudo.
    pub user: String,
    /// The host key that must be shown, as in `known_hosts` (`ssh-ed25519 AAAA…`). None: looked up there.
    pub host_key: Option<String>,
    /// A private key, by reference: `file:PATH` or `env:NAME`. None: the SSH agent and the usual files.
    pub identity: Option<String>,
}

impl Spec {
    /// The main nodes, in name order.
    pub fn mains(&self) -> impl Iterator<Item = (&NodeName, &Node)> {
        self.of_role(Role::Main)
    }

    /// The work nodes, in name order.
    pub fn workers(&self) -> impl Iterator<Item = (&NodeName, &Node)> {
        self.of_role(Role::Work)
    }

    /// The machine that stores images, where one does.
    pub fn image_storage(&self) -> Option<(&NodeName, &Node)> {
        self.of_role(Role::Images).next()
    }

    /// The role of the nodes on which components run: work nodes, and mains where there are none.
    pub fn component_role(&self) -> Role {
        if self.workers().next().is_some() { Role::Work } else { Role::Main }
    }

    /// The requirements and settings of a node: virtual machines among others may have a profile of their own.
    pub fn profile_of(&self, node: &Node) -> &Profile {
        match (node.machine, &self.profile.vm) {
            (MachineKind::Vm, Some(vm)) => vm,
            (MachineKind::Vm, None) | (MachineKind::Container, _) => &self.profile,
        }
    }

    /// Every profile that a node of this cluster has, the cluster's own first.
    pub fn profiles(&self) -> impl Iterator<Item = &Profile> {
        let is_vm = |node: &Node| node.machine == MachineKind::Vm;
        let vm = self.profile.vm.as_deref().filter(|_| self.nodes.values().any(is_vm));
        [&self.profile].into_iter().chain(vm)
    }

    /// The nodes of a role, in name order.
    pub fn of_role(&self, role: Role) -> impl Iterator<Item = (&NodeName, &Node)> {
        self.nodes.iter().filter(move |(_, node)| node.role == role)
    }

    /// Entrances of somebody else that nodes of `role` ask whether anybody is there, as `HOST:PORT`. Each is asked by nodes
    /// that it does not lead to, where there are such: many a balancer leads nobody back to himself.
    pub fn entrances_asked(&self, role: Role) -> BTreeSet<String> {
        let api = match &self.api_entrance {
            ApiEntrance::External { host, port } if role == self.component_role() => Some(format!("{host}:{port}")),
            ApiEntrance::External { .. } | ApiEntrance::Keepalived(_) | ApiEntrance::None => None,
        };
        let apps = match &self.apps_entrance {
            AppsEntrance::External(balancer) if role == Role::Main => Some(balancer),
            AppsEntrance::External(_) | AppsEntrance::Keepalived(_) | AppsEntrance::None => None,
        };
        let at = |balancer: &AppsBalancer| {
            let AppsBalancer { host, ports, proxies: _ } = balancer;
            ports.iter().map(|port| format!("{host}:{port}")).collect::<Vec<_>>()
        };
        api.into_iter().chain(apps.into_iter().flat_map(at)).collect()
    }

    /// All nodes that are reached: those that are wanted, then those that leave.
    pub fn everyone(&self) -> impl Iterator<Item = (&NodeName, &Node)> {
        self.nodes.iter().chain(&self.retired)
    }

    /// Whether a person says that a machine is gone for good: `consent = ["destroyed work-3"]`.
    pub fn is_destroyed(&self, node: &NodeName) -> bool {
        self.consents.contains(&Self::word_that_destroyed(node))
    }

    /// The consent by which a person says so.
    pub fn word_that_destroyed(node: &NodeName) -> String {
        format!("destroyed {node}")
    }
}

impl Environment {
    /// The word in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ssh => "ssh",
            Self::Local => "local",
            Self::Sim => "sim",
        }
    }

    /// The word of the system that its machines have, where it makes them: nobody needs to look first.
    pub const fn system(self) -> Option<&'static str> {
        match self {
            Self::Ssh => None,
            Self::Local | Self::Sim => Some("debian-12"),
        }
    }

    /// Whether it makes the machines itself. Where it does not, they are there before FMP comes.
    pub const fn makes_machines(self) -> bool {
        match self {
            Self::Ssh => false,
            Self::Local | Self::Sim => true,
        }
    }
}

impl Node {
    /// The virtual machine that it is, where it is one.
    pub fn virtual_machine(&self) -> Option<VirtualMachine> {
        match self.machine {
            MachineKind::Container => None,
            MachineKind::Vm => {
                Some(VirtualMachine { disks: self.disks.iter().filter_map(|disk| Serial::of_disk(disk)).collect() })
            }
        }
    }
}

impl MachineKind {
    /// The word in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Vm => "vm",
        }
    }
}

impl Packages {
    /// The word in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Repository => "repository",
            Self::Bundle => "bundle",
        }
    }
}

impl NetworkMode {
    /// The word in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Routed => "routed",
            Self::Flannel => "flannel",
            Self::External => "external",
        }
    }
}

impl Role {
    /// Every role, in the order in which people are told.
    pub const ALL: [Self; 3] = [Self::Main, Self::Work, Self::Images];

    /// Whether its machines are nodes of Kubernetes: with a runtime, a kubelet and a Node object.
    pub const fn is_of_kubernetes(self) -> bool {
        match self {
            Self::Main | Self::Work => true,
            Self::Images => false,
        }
    }

    /// The word in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Work => "work",
            Self::Images => "images",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

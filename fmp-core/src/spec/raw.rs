//! The file as written: every value legal by itself, its place kept, nothing compared with anything else.
//!
//! `None` is a value that is wrong or missing where it must not be; its problem is noted already.

use std::{collections::BTreeMap, net::Ipv4Addr, ops::Range};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    Environment, ImageSource, MachineKind, NetworkMode, Packages, Role,
    components::{self, RawComponents},
    decode::{Section, Value, wrong_type},
    entrance::{self, Entrances},
    images,
    platform::{self, RawPlatform},
    problem::{Code, Problem, Sink},
    shapes,
};
use crate::{KubeVersion, NodeName, net::Cidr, profile::Machines, resource::Filesystem};

/// Keys of later versions at the top of the file, each with what it is for.
const LATER: &[(&str, &str)] =
    &[("proxy", "the proxies on the way to the internet"), ("rotate", "the rotation of authorities and keys")];

/// The whole file.
pub(super) struct Raw {
    pub(super) name: Option<Spanned<String>>,
    pub(super) profile: Option<Spanned<String>>,
    pub(super) kubernetes: Option<Spanned<KubeVersion>>,
    pub(super) machines: Option<Spanned<Machines>>,
    pub(super) environment: Option<Spanned<Environment>>,
    pub(super) network: RawNetwork,
    pub(super) entrances: Entrances,
    pub(super) components: RawComponents,
    pub(super) storage: RawStorage,
    pub(super) images: Option<Spanned<ImageSource>>,
    /// None where nobody wants it.
    pub(super) platform: Option<RawPlatform>,
    pub(super) packages: Option<Spanned<Packages>>,
    pub(super) nodes: BTreeMap<NodeName, RawNode>,
    pub(super) retired: BTreeMap<NodeName, RawNode>,
    /// Whether every node's name and role could be read, so that they may be counted.
    pub(super) countable: bool,
    pub(super) consents: Vec<Spanned<String>>,
}

pub(super) struct RawNetwork {
    pub(super) mode: Option<Spanned<NetworkMode>>,
    pub(super) pods: Option<Spanned<Cidr>>,
    pub(super) node_prefix: Option<Spanned<u8>>,
    pub(super) services: Option<Spanned<Cidr>>,
    pub(super) domain: Option<Spanned<String>>,
}

pub(super) struct RawStorage {
    /// Whether disks are used at all, at the place where that is said.
    pub(super) kind: Option<Spanned<StorageKind>>,
    pub(super) filesystem: Option<Spanned<Filesystem>>,
    /// Where volumes are mounted. None: where the profile's programs keep their data.
    pub(super) mounts: Option<Spanned<Vec<String>>>,
    /// The volume group's name, and the logical volume's.
    pub(super) group: Option<Spanned<String>>,
    pub(super) volume: Option<Spanned<String>>,
}

/// The words of `storage.kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StorageKind {
    None,
    Disk,
    Lvm,
}

pub(super) struct RawNode {
    /// Where its name stands.
    pub(super) place: Range<usize>,
    pub(super) role: Option<Spanned<Role>>,
    pub(super) address: Option<Spanned<Ipv4Addr>>,
    pub(super) labels: BTreeMap<String, String>,
    /// Where its labels stand, where there are any.
    pub(super) labelled: Option<Range<usize>>,
    pub(super) host: Option<Spanned<String>>,
    pub(super) port: Option<Spanned<u16>>,
    pub(super) user: Option<Spanned<String>>,
    pub(super) host_key: Option<Spanned<String>>,
    pub(super) identity: Option<Spanned<String>>,
    pub(super) machine: Option<Spanned<MachineKind>>,
    /// From `disk` or from `disks`.
    pub(super) disks: Vec<Spanned<String>>,
}

/// Reads the whole file.
pub(super) fn decode(sink: &Sink, table: &Spanned<DeTable<'_>>) -> Raw {
    let mut root = Section::root(sink, table);
    root.reserved(LATER);
    let mut cluster = root.section("cluster");
    let name = cluster.required("name", "\"fmp\"", shapes::label_name);
    let profile = cluster.optional("profile", shapes::text);
    let kubernetes = cluster.required("kubernetes", "\"1.29.15\"", shapes::version);
    let kinds = [("virtual", Machines::Virtual), ("bare-metal", Machines::BareMetal)];
    let machines = cluster.optional("machines", |value| shapes::choice(value, &kinds, &[]));
    cluster.finish();

    let environment = environment(root.section("environment"));
    let network = network(root.section("network"));
    let entrances = entrance::decode(root.section("entrance"));
    let components = components::decode(sink, root.section("components"));
    let storage = storage(root.section("storage"));
    let platform = platform::decode(sink, root.section("platform"));
    let images = images::decode(root.section("images"));
    let packages = packages(root.section("packages"));
    let (nodes, countable) = nodes(sink, root.section("nodes"));
    let retired = retired(sink, root.section("retired"));
    let consents = root.optional("consent", shapes::texts).map_or_else(Vec::new, Spanned::into_inner);
    root.finish();
    Raw {
        name,
        profile,
        kubernetes,
        machines,
        environment,
        network,
        entrances,
        components,
        storage,
        images,
        platform,
        packages,
        nodes,
        retired,
        countable,
        consents,
    }
}

fn environment(mut section: Section<'_>) -> Option<Spanned<Environment>> {
    let known = [("local", Environment::Local), ("sim", Environment::Sim), ("ssh", Environment::Ssh)];
    let later = [
        ("incus", "machines that Incus makes"),
        ("libvirt", "machines that libvirt makes"),
        ("proxmox", "machines that Proxmox makes"),
    ];
    let kind = section.required("kind", "\"ssh\"", |value| shapes::choice(value, &known, &later));
    section.finish();
    kind
}

fn network(mut section: Section<'_>) -> RawNetwork {
    let modes = [NetworkMode::Routed, NetworkMode::Flannel, NetworkMode::External].map(|mode| (mode.as_str(), mode));
    let network = RawNetwork {
        mode: section.or("mode", NetworkMode::Routed, |value| shapes::choice(value, &modes, &[])),
        pods: section.or("pods", default_range([10, 244, 0, 0]), shapes::range),
        node_prefix: section.optional("node-prefix", |value| shapes::number(value, &(8..=28))),
        services: section.or("services", default_range([10, 96, 0, 0]), shapes::range),
        domain: section.or("domain", "cluster.local".to_owned(), shapes::domain),
    };
    section.finish();
    network
}

/// The ranges that kubeadm's and flannel's documentation use, so that people recognise them.
fn default_range(base: [u8; 4]) -> Cidr {
    Cidr::containing(base.into(), 16)
}

/// What `[storage]` says of all volumes.
fn storage(mut section: Section<'_>) -> RawStorage {
    let kinds = [("none", StorageKind::None), ("disk", StorageKind::Disk), ("lvm", StorageKind::Lvm)];
    let kind = section.or("kind", StorageKind::None, |value| shapes::choice(value, &kinds, &[]));
    match kind.as_ref().map(|kind| *kind.get_ref()) {
        Some(StorageKind::None) => {
            for key in ["filesystem", "mounts", "group", "volume"] {
                section.unused(key, "no disk is used", "write `kind = \"disk\"`, or remove the key");
            }
        }
        Some(StorageKind::Disk) => {
            for key in ["group", "volume"] {
                section.unused(key, "only LVM has groups", "write `kind = \"lvm\"`, or remove the key");
            }
        }
        Some(StorageKind::Lvm) | None => {}
    }
    let kinds = [Filesystem::Ext4, Filesystem::Xfs].map(|kind| (kind.as_str(), kind));
    let filesystem = section.or("filesystem", Filesystem::Ext4, |value| shapes::choice(value, &kinds, &[]));
    let mounts = section.optional("mounts", shapes::directories);
    let group = section.or("group", "fmp".to_owned(), shapes::volume_name);
    let volume = section.or("volume", "data".to_owned(), shapes::volume_name);
    section.finish();
    RawStorage { kind, filesystem, mounts, group, volume }
}

/// Who brings packages of the operating system.
fn packages(mut section: Section<'_>) -> Option<Spanned<Packages>> {
    let sources = [Packages::None, Packages::Repository, Packages::Bundle].map(|source| (source.as_str(), source));
    let source = section.or("source", Packages::None, |value| shapes::choice(value, &sources, &[]));
    section.finish();
    source
}

fn nodes(sink: &Sink, section: Section<'_>) -> (BTreeMap<NodeName, RawNode>, bool) {
    let mut countable = true;
    let mut nodes = BTreeMap::new();
    for (key, value) in section.entries() {
        let read = node(sink, "nodes", &key, value);
        countable &= read.role.is_some();
        if let Some(name) = sink.ok(node_name(&key)) {
            nodes.insert(name, read);
        } else {
            countable = false;
        }
    }
    (nodes, countable)
}

/// Tables that stood under `[nodes]`: whoever retires a node renames its table.
fn retired(sink: &Sink, section: Section<'_>) -> BTreeMap<NodeName, RawNode> {
    let read = section.entries().map(|(key, value)| (node(sink, "retired", &key, value), key));
    read.filter_map(|(node, key)| Some((sink.ok(node_name(&key))?, node))).collect()
}

fn node_name(key: &Spanned<&str>) -> Result<NodeName, Problem> {
    let bad = |message: String| Problem::new(Code::BadName, message, key.span(), "not a node's name");
    match key.get_ref().parse::<NodeName>() {
        // Findings about all nodes together have this subject.
        Ok(name) if name.as_str() == "cluster" => {
            Err(bad("a node can't be called `cluster`".to_owned()).help("plans call so what belongs to no node"))
        }
        Ok(name) => Ok(name),
        Err(error) => Err(bad(error.to_string()).help(shapes::DNS_LABEL)),
    }
}

/// A node's table under `[within]`.
fn node(sink: &Sink, within: &str, key: &Spanned<&str>, value: &Value<'_>) -> RawNode {
    let mut section = Section::named(sink, format!("{within}.{}", key.get_ref()), value);
    let roles = Role::ALL.map(|role| (role.as_str(), role));
    let role = section.required("role", "\"work\"", |value| shapes::choice(value, &roles, &[]));
    let address = section.required("address", "\"192.0.2.21\"", shapes::address);
    let kinds = [MachineKind::Container, MachineKind::Vm].map(|kind| (kind.as_str(), kind));
    let machine = section.optional("machine", |value| shapes::choice(value, &kinds, &[]));
    let labels = section.section("labels");
    let labelled = labels.written();
    let labels = self::labels(sink, labels);
    let mut storage = section.section("storage");
    let disks = storage.optional("disks", shapes::disks).map(Spanned::into_inner);
    if disks.is_some() {
        storage.unused("disk", "`disks` names them all", "remove one of the two keys");
    }
    let disk = storage.optional("disk", shapes::disk);
    let disks = disks.unwrap_or_else(|| disk.into_iter().collect());
    storage.finish();
    let mut ssh = section.section("ssh");
    ssh.reserved(&[("jump", "hosts on the way to this one")]);
    let node = RawNode {
        place: key.span(),
        role,
        address,
        labels,
        labelled,
        host: ssh.optional("host", shapes::host),
        port: ssh.or("port", 22, shapes::port),
        user: ssh.or("user", "root".to_owned(), shapes::user),
        host_key: ssh.optional("host-key", shapes::host_key),
        identity: ssh.optional("identity", shapes::reference),
        machine,
        disks,
    };
    ssh.finish();
    section.finish();
    node
}

fn labels(sink: &Sink, section: Section<'_>) -> BTreeMap<String, String> {
    let read = |(key, value): (Spanned<&str>, &Value<'_>)| {
        let key = sink.ok(label_key(&key));
        let value = sink.ok(label_value(value));
        key.zip(value)
    };
    section.entries().filter_map(read).collect()
}

/// A label's key: a name, perhaps with a DNS name and `/` before it
/// ([syntax](https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set)).
fn label_key(key: &Spanned<&str>) -> Result<String, Problem> {
    let text = *key.get_ref();
    let bad = |message: String| Problem::new(Code::BadLabel, message, key.span(), "not a label's key");
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    if prefix.is_some_and(|prefix| prefix == "node-role.kubernetes.io") {
        return Err(bad(format!("the label `{text}` is the role's own")).help("FMP sets it by the node's `role`"));
    }
    if prefix.is_none_or(shapes::is_domain) && !name.is_empty() && is_label_word(name) {
        return Ok(text.to_owned());
    }
    let help = "at most 63 of A-Z, a-z, 0-9, `-`, `_` and `.`, with a letter or digit at both ends; \
                a DNS name and `/` may stand before it";
    Err(bad(format!("`{text}` can't be a label's key")).help(help))
}

fn label_value(value: &Value<'_>) -> Result<String, Problem> {
    let DeValue::String(text) = value.get_ref() else { return Err(wrong_type(value, "a text")) };
    if is_label_word(text) {
        return Ok(text.clone().into_owned());
    }
    let help = "empty, or at most 63 of A-Z, a-z, 0-9, `-`, `_` and `.`, with a letter or digit at both ends";
    let message = format!("`{}` can't be a label's value", text.escape_default());
    Err(Problem::new(Code::BadLabel, message, value.span(), "not a label's value").help(help))
}

fn is_label_word(text: &str) -> bool {
    let edge = |c: Option<u8>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    let bytes = text.as_bytes();
    let inner = bytes.iter().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(c));
    inner && bytes.len() <= 63 && edge(bytes.first().copied()) && edge(bytes.last().copied())
}

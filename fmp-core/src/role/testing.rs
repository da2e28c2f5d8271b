//! Clusters for the tests of roles: small files, a bundle that has everything, one way to look at a file.

use std::fmt::Write as _;

use super::{Lowered, lower};
use crate::{
    Digest, NodeName,
    bundle::{Entry, Kind, Lock, SourceKind},
    graph::Desired,
    observed::{Fact, Observed},
    profile::Profiles,
    resource::{Resource, ResourceId, Unit},
    spec::{self, Spec},
};

/// A cluster of three main nodes and two work nodes, with its network of this `mode`.
pub(super) fn cluster(kubernetes: &str, mode: &str) -> Spec {
    let mut text = format!(
        "[cluster]\nname = 'lab'\nprofile = 'local'\nkubernetes = '{kubernetes}'\n\n\
         [environment]\nkind = 'ssh'\n\n[network]\nmode = '{mode}'\n"
    );
    for (name, role, last) in [
        ("main-1", "main", 11),
        ("main-2", "main", 12),
        ("main-3", "main", 13),
        ("work-1", "work", 21),
        ("work-2", "work", 22),
    ] {
        write!(text, "\n[nodes.{name}]\nrole = '{role}'\naddress = '198.18.0.{last}'\n").unwrap();
    }
    spec::parse("cluster.toml", &text, &Profiles::shipped()).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// A bundle that has everything, with Kubernetes of this version.
pub(super) fn bundle(kubernetes: &str) -> Lock {
    let binaries = super::programs::MAIN.into_iter().chain(super::programs::NODE).chain(super::programs::CNI);
    let mut lock: Lock = binaries
        .chain([super::programs::FLANNELD, "crictl"])
        .map(|name| entry(name, version_of(name, kubernetes), Kind::Binary))
        .collect();
    for (name, version, reference) in [
        ("pause-image", "3.9", "registry.k8s.io/pause:3.9"),
        ("coredns-image", "1.11.3", "registry.k8s.io/coredns/coredns:v1.11.3"),
        ("metrics-server-image", "0.7.2", "registry.k8s.io/metrics-server/metrics-server:v0.7.2"),
        ("local-path-provisioner-image", "0.0.30", "docker.io/rancher/local-path-provisioner:v0.0.30"),
        ("busybox-image", "1.35.0", "fmp.local/busybox:1.35.0"),
        ("traefik-image", "3.6.12", "docker.io/library/traefik:v3.6.12"),
        ("metallb-controller-image", "0.15.3", "quay.io/metallb/controller:v0.15.3"),
    ] {
        lock.insert(entry(name, version, Kind::Image(reference.to_owned())));
    }
    lock
}

/// Programs beside Kubernetes have versions of their own.
fn version_of<'a>(name: &str, kubernetes: &'a str) -> &'a str {
    match name {
        "etcd" | "etcdctl" | "etcdutl" => "3.5.21",
        "containerd" | "containerd-shim-runc-v2" | "ctr" => "1.7.27",
        _ => kubernetes,
    }
}

/// The same bundle with another version of one program.
pub(super) fn with(lock: &Lock, name: &str, version: &str) -> Lock {
    let mut lock = lock.clone();
    lock.insert(entry(name, version, Kind::Binary));
    lock
}

fn entry(name: &str, version: &str, kind: Kind) -> Entry {
    let (name, digest) = (name.parse().unwrap(), Digest::of(name));
    let manifest = matches!(kind, Kind::Image(_)).then(|| Digest::of(format!("manifest of {name}")));
    Entry { name, version: version.to_owned(), digest, size: 42, kind, source: SourceKind::Go, manifest }
}

/// Nothing is there yet, and that is known.
pub(super) fn nothing(spec: &Spec) -> Observed {
    let hosts = spec.nodes.keys().map(|name| (name.clone(), Fact::Absent)).collect();
    Observed { now: 0, machines: Fact::Absent, hosts, other_keys: [].into(), etcd: Fact::Absent, api: Fact::Absent }
}

/// The cluster `mode` of this version, before its birth.
pub(super) fn born(kubernetes: &str, mode: &str) -> Lowered {
    let spec = cluster(kubernetes, mode);
    lower(&spec, &bundle(kubernetes), &nothing(&spec)).unwrap()
}

/// Node names of tests.
pub(super) fn node(name: &str) -> NodeName {
    name.parse().unwrap()
}

/// A file's text.
pub(super) fn text(desired: &Desired, name: &str, path: &str) -> String {
    match find(desired, name, &super::paths::key::file(path)) {
        Resource::File(file) => file.content.text.to_string(),
        other => panic!("{other:?}"),
    }
}

/// A unit.
pub(super) fn unit(desired: &Desired, name: &str, unit: &str) -> Unit {
    match find(desired, name, &super::paths::key::unit(unit)) {
        Resource::Unit(unit) => unit,
        other => panic!("{other:?}"),
    }
}

/// A resource of a node.
pub(super) fn find(desired: &Desired, name: &str, key: &str) -> Resource {
    let handle = desired.find(&ResourceId::node(&node(name), key)).unwrap_or_else(|| panic!("{name} has no {key}"));
    desired.resource(handle).clone()
}

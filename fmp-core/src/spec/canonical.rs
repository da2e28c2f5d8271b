//! The one text of a specification that its digest is taken of.
//!
//! One fact a line, in order of names. No value holds a line break, so no two specifications have one text.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use super::{
    ApiEntrance, AppsAddress, AppsBalancer, AppsEntrance, Components, Dns, ImageSource, Ingress, MachineKind, Metrics,
    Mirror, Network, Node, Packages, SharedAddress, Spec, Storage, Volumes,
};
use crate::{
    Digest, NodeName,
    platform::{FileBeside, Platform, Tls},
};

/// The digest of everything that `spec` says, but for the digest itself.
pub(super) fn digest(spec: &Spec) -> Digest {
    let mut text = String::new();
    write(&mut text, spec).expect("writing to a String can't fail");
    Digest::of(text)
}

fn write(out: &mut String, spec: &Spec) -> fmt::Result {
    // Exhaustive, so that a new field can't be forgotten here.
    let Spec {
        name,
        kubernetes,
        profile,
        environment,
        machines,
        network,
        api_entrance,
        apps_entrance,
        components,
        storage,
        platform,
        images,
        packages,
        nodes,
        retired,
        consents,
        digest: _,
    } = spec;
    writeln!(out, "name {name}\nkubernetes {kubernetes}\nprofile {} {}", profile.name, profile.digest)?;
    // Of virtual machines nothing is said where there are none, as in files that were written before there could be.
    spec.profiles().skip(1).try_for_each(|vm| writeln!(out, "profile.vm {} {}", vm.name, vm.digest))?;
    writeln!(out, "environment {}\nmachines {machines}", environment.as_str())?;
    write_network(out, network)?;
    match api_entrance {
        ApiEntrance::None => writeln!(out, "entrance.api none")?,
        ApiEntrance::External { host, port } => writeln!(out, "entrance.api external {host} {port}")?,
        ApiEntrance::Keepalived(SharedAddress { address, port, router_id }) => {
            writeln!(out, "entrance.api keepalived {address} {port} {router_id}")?;
        }
    }
    // What nobody asks for has no line: files that were written before it could be asked for keep their digest.
    match apps_entrance {
        AppsEntrance::None => {}
        AppsEntrance::External(AppsBalancer { host, ports, proxies }) => {
            writeln!(out, "entrance.apps external {host} {ports:?} {proxies:?}")?;
        }
        AppsEntrance::Keepalived(AppsAddress { address, ports, router_id, services }) => {
            writeln!(out, "entrance.apps keepalived {address} {ports:?} {router_id}")?;
            services.iter().try_for_each(|range| writeln!(out, "entrance.apps services {range}"))?;
        }
    }
    write_components(out, components)?;
    match storage {
        None => {}
        Some(Storage { filesystem, logical: None, mounts }) => writeln!(out, "storage disk {filesystem} {mounts:?}")?,
        Some(Storage { filesystem, logical: Some(logical), mounts }) => {
            writeln!(out, "storage lvm {} {filesystem} {mounts:?}", logical.device())?;
        }
    }
    match images {
        ImageSource::Bundle => {}
        ImageSource::Storage => writeln!(out, "images storage")?,
        ImageSource::Registry(Mirror { host, ca }) => {
            writeln!(out, "images registry {host} {:?}", ca.as_ref().map(Digest::of))?;
        }
    }
    if let Some(platform) = platform {
        write_platform(out, platform)?;
    }
    match packages {
        Packages::None => {}
        Packages::Repository | Packages::Bundle => writeln!(out, "packages {}", packages.as_str())?,
    }
    for (name, node) in nodes {
        write_node(out, name, node)?;
    }
    for (name, node) in retired {
        write!(out, "retired ")?;
        write_node(out, name, node)?;
    }
    consents.iter().try_for_each(|consent| writeln!(out, "consent {consent}"))
}

fn write_platform(out: &mut String, platform: &Platform) -> fmt::Result {
    let Platform { path, archive, installation, domain, licence, tls, external } = platform;
    writeln!(out, "platform {path} {} installation {installation}", archive.digest)?;
    domain.iter().try_for_each(|domain| writeln!(out, "platform.domain {domain}"))?;
    let file = |out: &mut String, what: &str, file: &FileBeside| writeln!(out, "{what} {} {}", file.path, file.digest);
    licence.iter().try_for_each(|licence| file(out, "platform.licence", licence))?;
    if let Some(Tls { certificate, key }) = tls {
        file(out, "platform.tls.certificate", certificate)?;
        file(out, "platform.tls.key", key)?;
    }
    external.iter().try_for_each(|(name, server)| writeln!(out, "platform.databases {name} {server}"))
}

fn write_network(out: &mut String, network: &Network) -> fmt::Result {
    let Network { mode, pods, node_prefix, services, domain } = network;
    writeln!(out, "network {} pods {pods} node-prefix {node_prefix} services {services} {domain}", mode.as_str())
}

fn write_components(out: &mut String, components: &Components) -> fmt::Result {
    let Components { dns, metrics, volumes, ingress, manifests } = components;
    match dns {
        Dns::None => writeln!(out, "components.dns none")?,
        Dns::Coredns { forward: None } => writeln!(out, "components.dns coredns")?,
        Dns::Coredns { forward: Some(servers) } => writeln!(out, "components.dns coredns {servers:?}")?,
    }
    // What nobody asks for has no line: files that were written before it could be asked for keep their digest.
    match metrics {
        Metrics::None => {}
        Metrics::MetricsServer => writeln!(out, "components.metrics metrics-server")?,
    }
    match volumes {
        Volumes::None => {}
        Volumes::LocalPath { directory } => writeln!(out, "components.volumes local-path {directory}")?,
    }
    match ingress {
        Ingress::None => {}
        Ingress::Traefik => writeln!(out, "components.ingress traefik")?,
    }
    // Where they lie, and under which name, means nothing.
    let objects: BTreeMap<_, _> = manifests
        .values()
        .flat_map(|folder| &folder.objects)
        .map(|object| (&object.key, object.manifest.digest))
        .collect();
    objects.into_iter().try_for_each(|(key, digest)| writeln!(out, "manifest {key} {digest}"))
}

fn write_node(out: &mut String, name: &NodeName, node: &Node) -> fmt::Result {
    let Node { role, address, ssh, labels, machine, disks } = node;
    writeln!(out, "node {name} {role} {address}\nssh {}@{} {}", ssh.user, ssh.host, ssh.port)?;
    for (what, value) in [("host-key", &ssh.host_key), ("identity", &ssh.identity)] {
        value.iter().try_for_each(|value| writeln!(out, "ssh {what} {value}"))?;
    }
    match machine {
        MachineKind::Container => {}
        MachineKind::Vm => writeln!(out, "machine {}", machine.as_str())?,
    }
    disks.iter().try_for_each(|disk| writeln!(out, "disk {disk}"))?;
    labels.iter().try_for_each(|(key, value)| writeln!(out, "label {key} {value}"))
}

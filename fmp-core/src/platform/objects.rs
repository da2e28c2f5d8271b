//! Objects of the installation: those that an archive brings, and those that FMP makes because no archive can know them.
//!
//! What is secret stands in no manifest. Where it belongs there is a mark: [`FILE`] is replaced by the content of a file of the
//! operator's while the object is applied, [`RANDOM`] by the host that applies it, with what the API has for that key
//! already, and with new random content where it has nothing.

use std::{collections::BTreeMap, net::Ipv4Addr};

use super::{FileBeside, Platform, Server, ServerHost};
use crate::{resource::Object, tree::Tree};

/// The `ConfigMap` that names the installation.
pub const INSTALLATION: &str = "fmp-installation";

/// Begins a mark for the content of a file: its digest follows.
pub const FILE: &str = "@file ";

/// Begins a mark for random content: the key follows.
pub const RANDOM: &str = "@random ";

/// Ends a mark.
pub const CONTENT_END: char = '@';

/// The Secret that the domain's certificate is served from.
const TLS: &str = "fmp-tls";

/// The Secret that holds the licence.
const LICENCE: &str = "fmp-licence";

/// The key of the licence in its Secret.
const LICENCE_KEY: &str = "licence.prm";

/// All objects of an installation, each once, in order of keys.
pub(super) fn all(platform: &Platform) -> Vec<Object> {
    let archive = &platform.archive;
    let databases = platform.own_databases().flat_map(|(_, set)| &set.objects);
    let mut all: Vec<Object> = archive.objects.iter().chain(databases).cloned().chain(made(platform)).collect();
    let space = namespace(&archive.namespace);
    // An archive may bring more of its own namespace than its name.
    if !all.iter().any(|object| object.key == space.key) {
        all.push(space);
    }
    all.sort_by(|one, other| one.key.cmp(&other.key));
    all
}

/// What FMP makes besides the namespace.
fn made(platform: &Platform) -> Vec<Object> {
    let archive = &platform.archive;
    let space = archive.namespace.as_str();
    let mut objects = vec![installation(platform)];
    objects.extend(archive.secrets.iter().map(|(name, keys)| random(space, name, keys)));
    objects.extend(platform.licence.iter().map(|file| files(space, LICENCE, "Opaque", [(LICENCE_KEY, file)])));
    objects.extend(
        platform
            .tls
            .iter()
            .map(|tls| files(space, TLS, "kubernetes.io/tls", [("tls.crt", &tls.certificate), ("tls.key", &tls.key)])),
    );
    objects.extend(ingress(platform));
    for (name, server) in &platform.external {
        if let Some(set) = archive.databases.get(name) {
            objects.extend(elsewhere(space, &set.service, set.port, server));
        }
    }
    objects
}

fn text(text: impl Into<String>) -> Tree {
    Tree::Text(text.into())
}

fn map<const N: usize>(entries: [(&str, Tree); N]) -> Tree {
    Tree::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// An object of the namespace, of `parts` beside what every object says of itself.
fn object<const N: usize>(version: &str, kind: &str, space: &str, name: &str, parts: [(&str, Tree); N]) -> Object {
    let metadata = map([("name", text(name)), ("namespace", text(space))]);
    let head = [("apiVersion", text(version)), ("kind", text(kind)), ("metadata", metadata)];
    let all = head.into_iter().chain(parts).map(|(key, value)| (key.to_owned(), value));
    Object::new(kind, space, name, Tree::Map(all.collect()).lines())
}

fn namespace(name: &str) -> Object {
    let manifest =
        map([("apiVersion", text("v1")), ("kind", text("Namespace")), ("metadata", map([("name", text(name))]))]);
    Object::new("Namespace", "", name, manifest.lines())
}

fn installation(platform: &Platform) -> Object {
    let mut data = BTreeMap::from([
        ("identifier".to_owned(), text(&platform.installation)),
        ("version".to_owned(), text(&platform.archive.version)),
    ]);
    data.extend(platform.domain.iter().map(|domain| ("domain".to_owned(), text(domain))));
    object("v1", "ConfigMap", &platform.archive.namespace, INSTALLATION, [("data", Tree::Map(data))])
}

fn secret(space: &str, name: &str, kind: &str, data: BTreeMap<String, Tree>) -> Object {
    object("v1", "Secret", space, name, [("type", text(kind)), ("data", Tree::Map(data))])
}

fn random(space: &str, name: &str, keys: &[String]) -> Object {
    let mark = |key: &String| (key.clone(), text(format!("{RANDOM}{key}{CONTENT_END}")));
    secret(space, name, "Opaque", keys.iter().map(mark).collect())
}

fn files<'a>(
    space: &str,
    name: &str,
    kind: &str,
    files: impl IntoIterator<Item = (&'a str, &'a FileBeside)>,
) -> Object {
    let mark = |(key, file): (&str, &FileBeside)| {
        let mark = format!("{FILE}{}{CONTENT_END}", file.digest);
        (key.to_owned(), text(mark))
    };
    secret(space, name, kind, files.into_iter().map(mark).collect())
}

/// Requests for the domain, to the Service that answers them.
fn ingress(platform: &Platform) -> Option<Object> {
    let (domain, entrance) = (platform.domain.as_ref()?, platform.archive.entrance.as_ref()?);
    let port = map([("number", Tree::Whole(entrance.port.into()))]);
    let backend = map([("service", map([("name", text(&entrance.service)), ("port", port)]))]);
    let path = map([("path", text("/")), ("pathType", text("Prefix")), ("backend", backend)]);
    let rule = map([("host", text(domain)), ("http", map([("paths", Tree::List(vec![path]))]))]);
    let mut spec = BTreeMap::from([("rules".to_owned(), Tree::List(vec![rule]))]);
    if platform.tls.is_some() {
        let hosts = Tree::List(vec![text(domain)]);
        let tls = map([("hosts", hosts), ("secretName", text(TLS))]);
        spec.insert("tls".to_owned(), Tree::List(vec![tls]));
    }
    let space = &platform.archive.namespace;
    Some(object("networking.k8s.io/v1", "Ingress", space, "fmp", [("spec", Tree::Map(spec))]))
}

/// What says which Service a slice is of, and who looks after it
/// ([EndpointSlices](https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#management)).
const SLICE_OF: &str = "kubernetes.io/service-name";
const SLICE_BY: &str = "endpointslice.kubernetes.io/managed-by";

/// A Service by which clients in the cluster find a server elsewhere: by another name of it where it has a name, which knows
/// no ports, or by its address.
fn elsewhere(space: &str, service: &str, port: u16, server: &Server) -> Vec<Object> {
    match &server.host {
        ServerHost::Name(name) => {
            let spec = map([("type", text("ExternalName")), ("externalName", text(name))]);
            vec![object("v1", "Service", space, service, [("spec", spec)])]
        }
        ServerHost::Address(address) => {
            let ports = [("port", Tree::Whole(port.into())), ("targetPort", Tree::Whole(server.port.into()))];
            let spec = map([("ports", Tree::List(vec![map(ports)]))]);
            vec![
                slice(space, service, *address, server.port),
                object("v1", "Service", space, service, [("spec", spec)]),
            ]
        }
    }
}

fn slice(space: &str, service: &str, address: Ipv4Addr, port: u16) -> Object {
    let name = format!("{service}-elsewhere");
    let labels = map([(SLICE_OF, text(service)), (SLICE_BY, text("fmp"))]);
    let metadata = map([("name", text(&name)), ("namespace", text(space)), ("labels", labels)]);
    let endpoint = map([("addresses", Tree::List(vec![text(address.to_string())]))]);
    let manifest = map([
        ("apiVersion", text("discovery.k8s.io/v1")),
        ("kind", text("EndpointSlice")),
        ("metadata", metadata),
        ("addressType", text("IPv4")),
        ("endpoints", Tree::List(vec![endpoint])),
        ("ports", Tree::List(vec![map([("port", Tree::Whole(port.into()))])])),
    ]);
    Object::new("EndpointSlice", space, &name, manifest.lines())
}

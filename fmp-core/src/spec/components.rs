//! `[components]`: what runs on the cluster besides its own parts.
//!
//! Owns the keys of that section and what they mean. Knows nothing of objects and images: these are the role's.

use std::{collections::BTreeMap, net::Ipv4Addr};

use toml::Spanned;

use super::{
    decode::{Section, Value},
    problem::Sink,
    shapes,
};
use crate::{resource::Object, role::paths};

/// What runs on the cluster besides its own parts, as pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Components {
    /// Who answers for names at [`Network::cluster_dns`](super::Network::cluster_dns).
    pub dns: Dns,
    /// Who tells what nodes and pods use.
    pub metrics: Metrics,
    /// Who makes volumes that pods ask for.
    pub volumes: Volumes,
    /// Who passes requests from outside on to Services.
    pub ingress: Ingress,
    /// What a person brings, by its name in the file.
    pub manifests: BTreeMap<String, Bundled>,
}

/// Objects of the API that a person brings: the content of one folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundled {
    /// The folder, as the file names it.
    pub path: String,
    /// What stands in it, in order of keys.
    pub objects: Vec<Object>,
}

/// Who answers for names in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dns {
    /// `CoreDNS`, from the bundle.
    Coredns {
        /// Who is asked for names outside the cluster. None: whom the pod's node asks. Nobody: only the cluster's own names
        /// are answered.
        forward: Option<Vec<Ipv4Addr>>,
    },
    /// Somebody else brings it, or nobody does.
    None,
}

/// Who tells what nodes and pods use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metrics {
    /// metrics-server, from the bundle.
    MetricsServer,
    /// Somebody else, or nobody.
    None,
}

/// Who makes volumes that pods ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Volumes {
    /// rancher's local-path-provisioner, from the bundle: a folder on the pod's node, which keeps the pod there.
    LocalPath {
        /// Where these folders lie on each node: an absolute path. It is on the node's volume where the node has one.
        directory: String,
    },
    /// Somebody else, or nobody.
    None,
}

/// Who passes requests from outside on to Services, as objects of kind Ingress say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ingress {
    /// Traefik, from the bundle, at the ports 80 and 443 of each work node.
    Traefik,
    /// Somebody else, or nobody.
    None,
}

/// Where an ingress answers on its node: HTTP and HTTPS.
pub const INGRESS_PORTS: [u16; 2] = [80, 443];

/// The section as written: a directory has to be compared with what else keeps data.
pub(super) struct RawComponents {
    pub(super) dns: Option<Dns>,
    pub(super) metrics: Option<Metrics>,
    pub(super) volumes: Option<RawVolumes>,
    pub(super) ingress: Option<Ingress>,
    /// Folders of manifests, by name.
    pub(super) manifests: BTreeMap<String, Spanned<String>>,
}

/// Who makes volumes; where, at the place where that is said.
pub(super) enum RawVolumes {
    LocalPath(Spanned<String>),
    None,
}

/// The words of `components.volumes.kind`.
#[derive(Clone, Copy)]
enum VolumesKind {
    LocalPath,
    None,
}

/// The words of `components.dns.kind`.
#[derive(Clone, Copy)]
enum DnsKind {
    Coredns,
    None,
}

impl RawComponents {
    /// What is meant, or `None` where something could not be read.
    pub(super) fn resolved(self, manifests: BTreeMap<String, Bundled>) -> Option<Components> {
        let volumes = match self.volumes? {
            RawVolumes::LocalPath(directory) => Volumes::LocalPath { directory: directory.into_inner() },
            RawVolumes::None => Volumes::None,
        };
        Some(Components { dns: self.dns?, metrics: self.metrics?, volumes, ingress: self.ingress?, manifests })
    }

    /// Where pods' volumes lie on nodes, if anywhere.
    pub(super) const fn directory(&self) -> Option<&Spanned<String>> {
        match &self.volumes {
            Some(RawVolumes::LocalPath(directory)) => Some(directory),
            Some(RawVolumes::None) | None => None,
        }
    }
}

/// What `[components]` says.
pub(super) fn decode(sink: &Sink, mut section: Section<'_>) -> RawComponents {
    let components = RawComponents {
        dns: dns(section.section("dns")),
        metrics: metrics(section.section("metrics")),
        volumes: volumes(section.section("volumes")),
        ingress: ingress(section.section("ingress")),
        manifests: manifests(sink, section.section("manifests")),
    };
    section.finish();
    components
}

/// Names and the folders that they stand for.
fn manifests(sink: &Sink, section: Section<'_>) -> BTreeMap<String, Spanned<String>> {
    let read = |(key, value): (Spanned<&str>, &Value<'_>)| {
        let path = sink.ok(shapes::text(value))?;
        Some(((*key.get_ref()).to_owned(), Spanned::new(value.span(), path)))
    };
    section.entries().filter_map(read).collect()
}

/// Whom it forwards to belongs to a kind.
fn dns(mut section: Section<'_>) -> Option<Dns> {
    let kinds = [("coredns", DnsKind::Coredns), ("none", DnsKind::None)];
    let kind = section.or("kind", DnsKind::Coredns, |value| shapes::choice(value, &kinds, &[]));
    let dns = kind.map(|kind| match kind.into_inner() {
        DnsKind::Coredns => {
            Dns::Coredns { forward: section.optional("forward", shapes::servers).map(Spanned::into_inner) }
        }
        DnsKind::None => {
            section.unused("forward", "nobody here would do it", "write `kind = \"coredns\"`, or remove the key");
            Dns::None
        }
    });
    // A kind that can't be read says nothing about the other key.
    section.optional("forward", |_| Ok(()));
    section.finish();
    dns
}

fn metrics(mut section: Section<'_>) -> Option<Metrics> {
    let kinds = [("metrics-server", Metrics::MetricsServer), ("none", Metrics::None)];
    let kind = section.or("kind", Metrics::None, |value| shapes::choice(value, &kinds, &[]));
    section.finish();
    kind.map(Spanned::into_inner)
}

fn ingress(mut section: Section<'_>) -> Option<Ingress> {
    let kinds = [("traefik", Ingress::Traefik), ("none", Ingress::None)];
    let kind = section.or("kind", Ingress::None, |value| shapes::choice(value, &kinds, &[]));
    section.finish();
    kind.map(Spanned::into_inner)
}

fn volumes(mut section: Section<'_>) -> Option<RawVolumes> {
    let kinds = [("local-path", VolumesKind::LocalPath), ("none", VolumesKind::None)];
    let kind = section.or("kind", VolumesKind::None, |value| shapes::choice(value, &kinds, &[]));
    let volumes = kind.and_then(|kind| match kind.into_inner() {
        VolumesKind::LocalPath => {
            let directory = section.or("directory", paths::POD_VOLUMES.to_owned(), shapes::directory);
            directory.map(RawVolumes::LocalPath)
        }
        VolumesKind::None => {
            section.unused("directory", "nobody makes volumes", "write `kind = \"local-path\"`, or remove the key");
            Some(RawVolumes::None)
        }
    });
    // A kind that can't be read says nothing about the other key.
    section.optional("directory", |_| Ok(()));
    section.finish();
    volumes
}

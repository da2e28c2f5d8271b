//! `[components]`: what runs on the cluster besides its own parts.
//!
//! Owns the keys of that section and what they mean. Knows nothing of objects and images: these are the role's.

use std::net::Ipv4Addr;

use toml::Spanned;

use super::{decode::Section, shapes};

/// What runs on the cluster besides its own parts, as pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Components {
    /// Who answers for names at [`Network::cluster_dns`](super::Network::cluster_dns).
    pub dns: Dns,
    /// Who tells what nodes and pods use.
    pub metrics: Metrics,
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

/// The words of `components.dns.kind`.
#[derive(Clone, Copy)]
enum DnsKind {
    Coredns,
    None,
}

/// What `[components]` says, or `None` after a problem.
pub(super) fn decode(mut section: Section<'_>) -> Option<Components> {
    let dns = dns(section.section("dns"));
    let metrics = metrics(section.section("metrics"));
    section.finish();
    Some(Components { dns: dns?, metrics: metrics? })
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

//! `[entrance.apps]`: how clients outside reach applications.

use std::{collections::BTreeSet, net::Ipv4Addr};

use toml::Spanned;

use super::usual_router_id;
use crate::spec::{INGRESS_PORTS, decode::Section, shapes};

/// How clients outside reach applications on the work nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppsEntrance {
    /// No shared entrance: clients name work nodes, or somebody else's balancer does.
    None,
    /// An address that the work nodes share: one of them holds it, another one takes it over.
    Keepalived(AppsAddress),
}

/// An address that moves among the work nodes by VRRP ([RFC 5798](https://www.rfc-editor.org/rfc/rfc5798)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppsAddress {
    /// The address; no machine's own.
    pub address: Ipv4Addr,
    /// The TCP ports at which a work node answers itself as long as it may hold the address, an ingress's: 80 and 443 unless
    /// told. With none of them every work node may, whatever runs there.
    pub ports: BTreeSet<u16>,
    /// The number by which the machines that share it know each other, 1 to 255: the last part of the address unless told.
    pub router_id: u8,
}

impl AppsEntrance {
    /// The address that work nodes share, where they do.
    pub const fn shared(&self) -> Option<&AppsAddress> {
        match self {
            Self::Keepalived(shared) => Some(shared),
            Self::None => None,
        }
    }
}

/// The section as written: what it names has to be compared with the rest of the file.
pub(in crate::spec) enum RawApps {
    None,
    Keepalived(RawAppsAddress),
}

pub(in crate::spec) struct RawAppsAddress {
    pub(in crate::spec) address: Spanned<Ipv4Addr>,
    pub(in crate::spec) ports: Spanned<BTreeSet<u16>>,
    router_id: u8,
}

impl RawApps {
    /// What is meant.
    pub(in crate::spec) fn meant(self) -> AppsEntrance {
        match self {
            Self::None => AppsEntrance::None,
            Self::Keepalived(RawAppsAddress { address, ports, router_id }) => AppsEntrance::Keepalived(AppsAddress {
                address: address.into_inner(),
                ports: ports.into_inner(),
                router_id,
            }),
        }
    }
}

/// The words of `entrance.apps.kind`.
#[derive(Clone, Copy)]
enum Kind {
    None,
    Keepalived,
}

/// What the section says is its kind; each kind has keys of its own.
pub(super) fn decode(mut apps: Section<'_>) -> Option<RawApps> {
    let kinds = [("none", Kind::None), ("keepalived", Kind::Keepalived)];
    let kind = apps.or("kind", Kind::None, |value| shapes::choice(value, &kinds, &[]));
    let entrance = kind.and_then(|kind| match kind.into_inner() {
        Kind::None => {
            for key in ["address", "ports", "router-id"] {
                apps.unused(key, "there is no entrance", "write `kind = \"keepalived\"`, or remove the key");
            }
            Some(RawApps::None)
        }
        Kind::Keepalived => keepalived(&mut apps).map(RawApps::Keepalived),
    });
    // A kind that can't be read says nothing about the other keys.
    for key in ["address", "ports", "router-id"] {
        apps.optional(key, |_| Ok(()));
    }
    apps.finish();
    entrance
}

fn keepalived(apps: &mut Section<'_>) -> Option<RawAppsAddress> {
    let address = apps.required("address", "\"192.0.2.20\"", shapes::address);
    let ports = apps.or("ports", INGRESS_PORTS.into(), shapes::ports);
    let router_id = apps.optional("router-id", |value| shapes::number(value, &(1..=255)));
    let (address, ports) = address.zip(ports)?;
    let router_id = router_id.map_or_else(|| usual_router_id(*address.get_ref()), Spanned::into_inner);
    Some(RawAppsAddress { address, ports, router_id })
}

//! `[entrance]`: how clients outside reach the API, and applications on the work nodes.
//!
//! Owns the keys of that section and what they mean. Knows nothing of who answers there: that is a role's.

mod apps;

use std::net::Ipv4Addr;

use toml::Spanned;

pub use apps::{AppsAddress, AppsBalancer, AppsEntrance};
pub(super) use apps::{RawApps, RawAppsAddress};

use super::{
    decode::{Section, Value},
    problem::{Code, Problem},
    shapes,
};

/// `[entrance]` as written.
pub(super) struct Entrances {
    pub(super) api: Option<Spanned<ApiEntrance>>,
    pub(super) apps: Option<RawApps>,
}

/// How clients outside reach the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiEntrance {
    /// No shared entrance: clients name the mains.
    None,
    /// Somebody else's load balancer; its names and addresses go into the apiservers' certificates.
    External {
        /// Where clients connect: host name or address.
        host: String,
        /// The port, 6443 unless told.
        port: u16,
    },
    /// An address that the mains share: one of them holds it, another one takes it over.
    Keepalived(SharedAddress),
}

/// An address that moves from machine to machine by VRRP ([RFC 5798](https://www.rfc-editor.org/rfc/rfc5798)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedAddress {
    /// The address; no machine's own.
    pub address: Ipv4Addr,
    /// The port that clients use, 8443 unless told: the apiserver's own is taken on every main.
    pub port: u16,
    /// The number by which the machines that share it know each other, 1 to 255: the last part of the address unless told.
    pub router_id: u8,
}

/// The port of a shared address: beside the apiserver's 6443 on the same machines.
const SHARED_PORT: u16 = 8443;

/// Ports that something of a main listens on already.
const TAKEN: &[std::ops::RangeInclusive<u16>] =
    &[22..=22, 2379..=2381, 6443..=6443, 7443..=7444, 10_248..=10_259, 30_000..=32_767];

impl ApiEntrance {
    /// Host name or address, and port, where there is one for all clients.
    pub fn server(&self) -> Option<(String, u16)> {
        match self {
            Self::None => None,
            Self::External { host, port } => Some((host.clone(), *port)),
            Self::Keepalived(shared) => Some((shared.address.to_string(), shared.port)),
        }
    }

    /// The address that machines of the cluster share, where they do.
    pub const fn shared(&self) -> Option<SharedAddress> {
        match self {
            Self::Keepalived(shared) => Some(*shared),
            Self::None | Self::External { .. } => None,
        }
    }
}

/// The words of `entrance.api.kind`.
#[derive(Clone, Copy)]
enum Kind {
    None,
    External,
    Keepalived,
}

/// What the section says.
pub(super) fn decode(mut section: Section<'_>) -> Entrances {
    let entrances = Entrances { api: decode_api(section.section("api")), apps: apps::decode(section.section("apps")) };
    section.finish();
    entrances
}

/// What `[entrance.api]` says is its kind; each kind has keys of its own.
fn decode_api(mut api: Section<'_>) -> Option<Spanned<ApiEntrance>> {
    let kinds = [("none", Kind::None), ("external", Kind::External), ("keepalived", Kind::Keepalived)];
    let kind = api.or("kind", Kind::None, |value| shapes::choice(value, &kinds, &[]));
    let entrance = kind.and_then(|kind| match kind.get_ref() {
        Kind::None => {
            let help = "write `kind = \"external\"` or `kind = \"keepalived\"`, or remove the key";
            for key in ["address", "host", "port", "router-id"] {
                api.unused(key, "there is no entrance", help);
            }
            Some(Spanned::new(kind.span(), ApiEntrance::None))
        }
        Kind::External => external(&mut api),
        Kind::Keepalived => keepalived(&mut api),
    });
    // A kind that can't be read says nothing about the other keys.
    for key in ["address", "host", "port", "router-id"] {
        api.optional(key, |_| Ok(()));
    }
    api.finish();
    entrance
}

fn external(api: &mut Section<'_>) -> Option<Spanned<ApiEntrance>> {
    for key in ["address", "router-id"] {
        api.unused(key, "the entrance is somebody else's", "write `host`, or `kind = \"keepalived\"`");
    }
    let host = api.required("host", "\"api.example.org\"", shapes::host);
    let port = api.or("port", 6443, shapes::port);
    let (host, port) = host.zip(port)?;
    let place = host.span();
    Some(Spanned::new(place, ApiEntrance::External { host: host.into_inner(), port: port.into_inner() }))
}

fn keepalived(api: &mut Section<'_>) -> Option<Spanned<ApiEntrance>> {
    api.unused("host", "the mains share an address", "write `address`, or `kind = \"external\"`");
    let address = api.required("address", "\"192.0.2.10\"", shapes::address);
    let port = api.or("port", SHARED_PORT, free_port);
    let router_id = api.optional("router-id", |value| shapes::number(value, &(1..=255)));
    let (address, port) = address.zip(port)?;
    let router_id = router_id.map_or_else(|| usual_router_id(*address.get_ref()), Spanned::into_inner);
    let shared = SharedAddress { address: *address.get_ref(), port: port.into_inner(), router_id };
    Some(Spanned::new(address.span(), ApiEntrance::Keepalived(shared)))
}

/// Two clusters on one link have two addresses there, and so two numbers.
fn usual_router_id(address: Ipv4Addr) -> u8 {
    address.octets()[3].max(1)
}

/// A port that nothing else of a main has.
fn free_port(value: &Value<'_>) -> Result<u16, Problem> {
    let port = shapes::port(value)?;
    if TAKEN.iter().any(|taken| taken.contains(&port)) {
        let message = format!("port {port} is in use on every main node");
        let problem = Problem::new(Code::BadNumber, message, value.span(), "taken");
        return Err(problem.help("leave it out for 8443, or choose another one"));
    }
    Ok(port)
}

//! `[entrance.apps]`: how clients outside reach applications.

use std::{collections::BTreeSet, net::Ipv4Addr};

use toml::{Spanned, de::DeValue};

use super::usual_router_id;
use crate::{
    net::{AddressRange, BadRange},
    spec::{
        INGRESS_PORTS,
        decode::{Read, Section, Value, wrong_type},
        problem::{Code, Problem},
        shapes,
    },
};

/// How clients outside reach applications on the work nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppsEntrance {
    /// No shared entrance: clients name work nodes.
    None,
    /// Somebody else's load balancer, which passes connections on to the work nodes.
    External(AppsBalancer),
    /// An address that the work nodes share: one of them holds it, another one takes it over.
    Keepalived(AppsAddress),
}

/// Somebody else's load balancer before the work nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppsBalancer {
    /// Where clients connect: host name or address.
    pub host: String,
    /// The TCP ports that clients use there: 80 and 443 unless told.
    pub ports: BTreeSet<u16>,
    /// The addresses by which it comes to the work nodes: what these say of who asks is believed.
    pub proxies: BTreeSet<Ipv4Addr>,
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
    /// Further addresses, which whoever holds the first one has too, and Services of type `LoadBalancer` get: in order, none
    /// twice.
    pub services: Vec<AddressRange>,
}

impl AppsEntrance {
    /// Addresses that Services of type `LoadBalancer` get.
    pub fn services(&self) -> &[AddressRange] {
        self.shared().map_or(&[], |shared| &shared.services)
    }

    /// The address that work nodes share, where they do.
    pub const fn shared(&self) -> Option<&AppsAddress> {
        match self {
            Self::Keepalived(shared) => Some(shared),
            Self::None | Self::External(_) => None,
        }
    }
}

/// The section as written: what it names has to be compared with the rest of the file.
pub(in crate::spec) enum RawApps {
    None,
    External(Spanned<AppsBalancer>),
    Keepalived(RawAppsAddress),
}

pub(in crate::spec) struct RawAppsAddress {
    pub(in crate::spec) address: Spanned<Ipv4Addr>,
    pub(in crate::spec) ports: Spanned<BTreeSet<u16>>,
    router_id: u8,
    pub(in crate::spec) services: Vec<Spanned<AddressRange>>,
}

impl RawApps {
    /// What is meant.
    pub(in crate::spec) fn meant(self) -> AppsEntrance {
        match self {
            Self::None => AppsEntrance::None,
            Self::External(balancer) => AppsEntrance::External(balancer.into_inner()),
            Self::Keepalived(RawAppsAddress { address, ports, router_id, services }) => {
                let mut services: Vec<AddressRange> = services.into_iter().map(Spanned::into_inner).collect();
                services.sort_unstable();
                let (address, ports) = (address.into_inner(), ports.into_inner());
                AppsEntrance::Keepalived(AppsAddress { address, ports, router_id, services })
            }
        }
    }
}

/// The words of `entrance.apps.kind`.
#[derive(Clone, Copy)]
enum Kind {
    None,
    External,
    Keepalived,
}

/// The keys of all kinds.
const KEYS: [&str; 6] = ["address", "host", "ports", "proxies", "router-id", "services"];

/// What the section says is its kind; each kind has keys of its own.
pub(super) fn decode(mut apps: Section<'_>) -> Option<RawApps> {
    let kinds = [("none", Kind::None), ("external", Kind::External), ("keepalived", Kind::Keepalived)];
    let kind = apps.or("kind", Kind::None, |value| shapes::choice(value, &kinds, &[]));
    let entrance = kind.and_then(|kind| match kind.into_inner() {
        Kind::None => {
            let help = "write `kind = \"external\"` or `kind = \"keepalived\"`, or remove the key";
            for key in KEYS {
                apps.unused(key, "there is no entrance", help);
            }
            Some(RawApps::None)
        }
        Kind::External => external(&mut apps).map(RawApps::External),
        Kind::Keepalived => keepalived(&mut apps).map(RawApps::Keepalived),
    });
    // A kind that can't be read says nothing about the other keys.
    for key in KEYS {
        apps.optional(key, |_| Ok(()));
    }
    apps.finish();
    entrance
}

fn external(apps: &mut Section<'_>) -> Option<Spanned<AppsBalancer>> {
    for key in ["address", "router-id", "services"] {
        apps.unused(key, "the entrance is somebody else's", "write `host`, or `kind = \"keepalived\"`");
    }
    let host = apps.required("host", "\"apps.example.org\"", shapes::host);
    let ports = apps.or("ports", INGRESS_PORTS.into(), shapes::ports);
    let proxies = apps.or("proxies", BTreeSet::new(), proxies);
    let ((host, ports), proxies) = host.zip(ports).zip(proxies)?;
    let place = host.span();
    let balancer = AppsBalancer { host: host.into_inner(), ports: ports.into_inner(), proxies: proxies.into_inner() };
    Some(Spanned::new(place, balancer))
}

/// The most addresses that a balancer comes from: there are few of it.
const MOST_PROXIES: usize = 16;

fn proxies(value: &Value<'_>) -> Read<BTreeSet<Ipv4Addr>> {
    let DeValue::Array(list) = value.get_ref() else { return Err(wrong_type(value, "a list of addresses")) };
    if list.len() > MOST_PROXIES {
        let message = format!("{} addresses are too many: at most {MOST_PROXIES}", list.len());
        let problem = Problem::new(Code::BadAddress, message, value.span(), "too many");
        return Err(problem.help("name those by which the balancer itself comes to the work nodes"));
    }
    list.iter().map(shapes::address).collect()
}

fn keepalived(apps: &mut Section<'_>) -> Option<RawAppsAddress> {
    for key in ["host", "proxies"] {
        apps.unused(key, "the work nodes share an address", "write `address`, or `kind = \"external\"`");
    }
    let address = apps.required("address", "\"192.0.2.20\"", shapes::address);
    let ports = apps.or("ports", INGRESS_PORTS.into(), shapes::ports);
    let router_id = apps.optional("router-id", |value| shapes::number(value, &(1..=255)));
    let services = apps.or("services", Vec::new(), services);
    let ((address, ports), services) = address.zip(ports).zip(services)?;
    let router_id = router_id.map_or_else(|| usual_router_id(*address.get_ref()), Spanned::into_inner);
    Some(RawAppsAddress { address, ports, router_id, services: services.into_inner() })
}

/// The most addresses that Services get: each is said again to the whole link every other second.
const MOST_SERVICES: u64 = 256;

fn services(value: &Value<'_>) -> Read<Vec<Spanned<AddressRange>>> {
    let list = shapes::texts(value)?;
    let read = |text: &Spanned<String>| {
        let bad = |error: &BadRange| {
            let message = format!("`{}` is no range of addresses: {error}", text.get_ref());
            let problem = Problem::new(Code::BadRange, message, text.span(), "not addresses");
            problem.help("write `192.0.2.30`, `192.0.2.30-192.0.2.39` or `192.0.2.32/28`")
        };
        let range: AddressRange = text.get_ref().parse().map_err(|error| bad(&error))?;
        match [range.first(), range.last()].into_iter().find(|end| shapes::is_unusable(*end)) {
            Some(end) => {
                let message = format!("{end} can't be the address of a machine");
                let problem = Problem::new(Code::BadAddress, message, text.span(), "this range has it");
                Err(problem.help("name free addresses of the work nodes' network"))
            }
            None => Ok(Spanned::new(text.span(), range)),
        }
    };
    let ranges: Vec<Spanned<AddressRange>> = list.iter().map(read).collect::<Read<_>>()?;
    let count: u64 = ranges.iter().map(|range| range.get_ref().count()).sum();
    if count > MOST_SERVICES {
        let message = format!("{count} addresses are too many for Services: at most {MOST_SERVICES}");
        let problem = Problem::new(Code::BadRange, message, value.span(), "too many");
        return Err(problem.help("name as many as there will be Services of type LoadBalancer"));
    }
    Ok(ranges)
}

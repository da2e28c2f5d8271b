//! Entrances: their addresses are nobody's own, and somebody can hold them.

use std::{net::Ipv4Addr, ops::Range};

use toml::Spanned;

use super::network;
use crate::{
    net::AddressRange,
    spec::{
        ApiEntrance, INGRESS_PORTS, Ingress, Role,
        entrance::{Entrances, RawApps, RawAppsAddress},
        problem::{Code, Problem, Sink},
        raw::Raw,
    },
};

const API: &str = "the API's entrance";
const APPS: &str = "the applications' entrance";

/// Notes what does not fit together.
pub(super) fn check(sink: &Sink, raw: &Raw) {
    let Entrances { api, apps } = &raw.entrances;
    let api = api.as_ref().and_then(of_api);
    let apps = apps.as_ref().and_then(of_apps);
    let (ranges, both) = (network::ranges(&raw.network), [(API, &api), (APPS, &apps)]);
    for (who, address) in both.into_iter().filter_map(|(who, entrance)| Some((who, entrance.as_ref()?))) {
        network::inside(sink, &ranges, who, &address.at);
        if address.moves {
            nobodys_own(sink, who, &address.at, raw);
        }
    }
    if let (Some(api), Some(apps)) = (&api, &apps) {
        apart(sink, &api.at, &apps.at);
    }
    if let Some(RawApps::Keepalived(shared)) = &raw.entrances.apps {
        is_held(sink, &shared.address, raw);
        is_answered(sink, shared, raw.components.ingress);
        services(sink, &shared.services, raw, &both);
    }
}

/// An entrance's address, where that is one.
struct Address {
    at: Spanned<Ipv4Addr>,
    /// Whether machines of the cluster share it.
    moves: bool,
}

fn of_api(entrance: &Spanned<ApiEntrance>) -> Option<Address> {
    let (address, moves) = match entrance.get_ref() {
        ApiEntrance::External { host, .. } => (host.parse().ok()?, false),
        ApiEntrance::Keepalived(shared) => (shared.address, true),
        ApiEntrance::None => return None,
    };
    Some(Address { at: Spanned::new(entrance.span(), address), moves })
}

fn of_apps(entrance: &RawApps) -> Option<Address> {
    match entrance {
        RawApps::Keepalived(shared) => Some(Address { at: shared.address.clone(), moves: true }),
        RawApps::External(balancer) => {
            let address = balancer.get_ref().host.parse().ok()?;
            Some(Address { at: Spanned::new(balancer.span(), address), moves: false })
        }
        RawApps::None => None,
    }
}

/// A shared address that is one machine's own would never move, and take that machine's traffic along when it did.
fn nobodys_own(sink: &Sink, who: &str, address: &Spanned<Ipv4Addr>, raw: &Raw) {
    for (name, node) in &raw.nodes {
        let Some(own) = node.address.as_ref().filter(|own| own.get_ref() == address.get_ref()) else { continue };
        let message = format!("{name} has the address {} of {who}", address.get_ref());
        let problem = Problem::new(Code::DuplicateAddress, message, address.span(), "used again here");
        let help = "give the entrance a free address of the nodes' network";
        sink.note(problem.also(own.span(), "used here").help(help));
    }
}

/// Mains and work nodes know nothing of each other's holder: of one address both would be.
fn apart(sink: &Sink, api: &Spanned<Ipv4Addr>, apps: &Spanned<Ipv4Addr>) {
    if api.get_ref() == apps.get_ref() {
        let message = format!("{} is the address of both entrances", api.get_ref());
        let problem = Problem::new(Code::DuplicateAddress, message, apps.span(), "used again here");
        sink.note(problem.also(api.span(), API).help("give each entrance an address of its own"));
    }
}

/// A work node that holds the address while its ingress is away would answer nobody.
fn is_answered(sink: &Sink, shared: &RawAppsAddress, ingress: Option<Ingress>) {
    let needed: &[u16] = match ingress {
        Some(Ingress::Traefik) => &INGRESS_PORTS,
        Some(Ingress::None) | None => &[],
    };
    let ports = shared.ports.get_ref();
    let missing: Vec<String> = needed.iter().filter(|port| !ports.contains(port)).map(u16::to_string).collect();
    if !missing.is_empty() {
        let missing = missing.join(" and ");
        let message = format!("Traefik answers at {missing}, and a work node without it may hold the address");
        let problem = Problem::new(Code::BadNumber, message, shared.ports.span(), "not among these");
        sink.note(problem.help(format!("add {missing}, or remove `ports`: it means 80 and 443 then")));
    }
}

/// Addresses for Services are free: nobody's own, no entrance's, none twice, and of no range that pods or Services have.
fn services(sink: &Sink, ranges: &[Spanned<AddressRange>], raw: &Raw, entrances: &[(&str, &Option<Address>)]) {
    let nodes = raw.nodes.iter().chain(&raw.retired);
    let nodes = nodes.filter_map(|(name, node)| Some((name.as_str(), node.address.as_ref()?)));
    let entrances = entrances.iter().filter_map(|(who, address)| Some((*who, &address.as_ref()?.at)));
    let taken: Vec<(&str, &Spanned<Ipv4Addr>)> = nodes.chain(entrances).collect();
    for (at, range) in ranges.iter().enumerate() {
        let note = |code, message: String, other: Range<usize>, label: &str| {
            let problem = Problem::new(code, message, range.span(), "for Services").also(other, label);
            sink.note(problem.help("name free addresses of the work nodes' network"));
        };
        let own = *range.get_ref();
        for (who, address) in taken.iter().filter(|(_, address)| own.contains(*address.get_ref())) {
            let message = format!("{} is among the addresses for Services, and {who} has it", address.get_ref());
            note(Code::DuplicateAddress, message, address.span(), "used here");
        }
        for other in ranges[..at].iter().filter(|other| other.get_ref().overlaps(own)) {
            let message = format!("{own} and {} share addresses", other.get_ref());
            note(Code::DuplicateAddress, message, other.span(), "for Services, too");
        }
        for (what, other) in network::ranges(&raw.network) {
            if AddressRange::from(*other.get_ref()).overlaps(own) {
                let message = format!("{own} lies in the range of {what}, {}", other.get_ref());
                note(Code::AddressInRange, message, other.span(), what);
            }
        }
    }
}

/// How many machines share an address at most: each names all others, and its holder tells every one of them three times a
/// second that it lives.
const MOST_HOLDERS: usize = 64;

fn is_held(sink: &Sink, apps: &Spanned<Ipv4Addr>, raw: &Raw) {
    let roles = raw.nodes.values().filter_map(|node| node.role.as_ref());
    let works = roles.filter(|role| *role.get_ref() == Role::Work).count();
    if works > MOST_HOLDERS {
        let message = format!("{works} work nodes are too many to share an address: at most {MOST_HOLDERS}");
        let problem = Problem::new(Code::BadNumber, message, apps.span(), "shared by all work nodes");
        sink.note(problem.help("put a load balancer before them, and remove the entrance here"));
    }
    if raw.countable && works == 0 {
        let message = "no work node is there to hold the address of `entrance.apps`".to_owned();
        let problem = Problem::new(Code::UnusedKey, message, apps.span(), "not used");
        sink.note(problem.help("add a table `[nodes.NAME]` with `role = \"work\"`, or remove the entrance"));
    }
}

//! Entrances: their addresses are nobody's own, and somebody can hold them.

use std::net::Ipv4Addr;

use toml::Spanned;

use super::network;
use crate::spec::{
    ApiEntrance, INGRESS_PORTS, Ingress, Role,
    entrance::{Entrances, RawApps, RawAppsAddress},
    problem::{Code, Problem, Sink},
    raw::Raw,
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

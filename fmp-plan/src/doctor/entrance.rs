//! Entrances: one node has the shared address, and nobody else; at somebody else's, somebody answers.

use std::{collections::BTreeMap, net::Ipv4Addr};

use fmp_core::{NodeName, Severity, check, observed::Host, spec::Role};

use super::{Ailment, Fix, Kind, Patient};

/// What moves the address.
const UNIT: &str = "fmp-entrance.service";

/// An entrance, and who shares it.
struct Entrance {
    role: Role,
    address: Ipv4Addr,
    /// Where clients connect: `192.0.2.10:8443`.
    at: String,
}

pub(super) fn ailments(patient: &Patient<'_>) -> Vec<Ailment> {
    let api = patient.spec.api_entrance.shared().map(|shared| Entrance {
        role: Role::Main,
        address: shared.address,
        at: format!("{}:{}", shared.address, shared.port),
    });
    let apps = patient.spec.apps_entrance.shared().map(|shared| Entrance {
        role: Role::Work,
        address: shared.address,
        at: shared.address.to_string(),
    });
    let shared = api.into_iter().chain(apps).filter_map(|entrance| ailment(patient, &entrance));
    shared.chain(of_services(patient)).chain(elsewhere(patient)).collect()
}

/// Addresses for Services are not where the address is with which they move. Whether somebody has that one is told by itself.
fn of_services(patient: &Patient<'_>) -> Option<Ailment> {
    let shared = patient.spec.apps_entrance.shared()?;
    let seen =
        patient.spec.everyone().filter_map(|(name, _)| Some((name, &patient.observed.host(name)?.facts.addresses)));
    let (holders, others): (Vec<_>, Vec<_>) = seen.partition(|(_, has)| has.contains(&shared.address));
    let [(holder, has)] = holders[..] else { return None };
    let wanted = || shared.services.iter().flat_map(|range| range.addresses());
    let lacks: Vec<Ipv4Addr> = wanted().filter(|address| !has.contains(address)).collect();
    let astray = others.into_iter().flat_map(|(name, has)| {
        wanted().filter(|address| has.contains(address)).map(move |address| format!("{name} has {address}"))
    });
    let lacked = lacks.first().map(|first| match lacks.len() {
        1 => format!("{holder} lacks {first}"),
        count => format!("{holder} lacks {count} of them, {first} among these"),
    });
    let evidence: Vec<String> = lacked.into_iter().chain(astray).collect();
    (!evidence.is_empty()).then(|| Ailment {
        subject: check::CLUSTER.to_owned(),
        kind: Kind::Entrance,
        severity: Severity::Error,
        what: format!("addresses for Services are not where {holder} holds the applications' entrance"),
        evidence,
        cause: "keepalived has not read what they are, or somebody moved one by hand".to_owned(),
        fix: patient.fix(
            |step| step.id.as_str().ends_with(UNIT),
            |what| what.ends_with(UNIT),
            || format!("`systemctl restart {UNIT}` on the work nodes that are named"),
        ),
    })
}

/// Entrances of somebody else at which some node found nobody.
fn elsewhere(patient: &Patient<'_>) -> Vec<Ailment> {
    let mut seen: BTreeMap<&str, Vec<(&NodeName, bool)>> = BTreeMap::new();
    for name in patient.spec.nodes.keys() {
        let health = patient.observed.host(name).and_then(|host| host.health.as_ref());
        for (at, is_open) in health.and_then(|health| health.entrances.known()).into_iter().flatten() {
            seen.entry(at).or_default().push((name, *is_open));
        }
    }
    seen.retain(|_, asked| asked.iter().any(|(_, is_open)| !is_open));
    seen.into_iter().map(|(at, asked)| not_there(at, &asked)).collect()
}

fn not_there(at: &str, asked: &[(&NodeName, bool)]) -> Ailment {
    let told = |(name, is_open): &(&NodeName, bool)| {
        format!("{name} {}", if *is_open { "is let in" } else { "finds nobody within 3 s" })
    };
    let who = if asked.iter().any(|(_, is_open)| *is_open) { "some nodes find nobody" } else { "nobody answers" };
    Ailment {
        subject: check::CLUSTER.to_owned(),
        kind: Kind::Entrance,
        severity: Severity::Warning,
        what: format!("{who} at the entrance {at}"),
        evidence: asked.iter().map(told).collect(),
        cause: "the load balancer is down, has no such port, or takes connections from outside alone; or these nodes \
                don't resolve its name, or have no way to it"
            .to_owned(),
        fix: Fix::Hand(format!(
            "connect to {at} from where clients are; where that fails, it is the load balancer that has to be mended"
        )),
    }
}

fn ailment(patient: &Patient<'_>, entrance: &Entrance) -> Option<Ailment> {
    let seen: Vec<(&NodeName, &Host)> =
        patient.spec.everyone().filter_map(|(name, _)| Some((name, patient.observed.host(name)?))).collect();
    let all_seen = patient.spec.of_role(entrance.role).all(|(name, _)| seen.iter().any(|(seen, _)| *seen == name));
    let takes_part = |(name, host): &(&NodeName, &Host)| {
        patient.spec.of_role(entrance.role).any(|(member, _)| member == *name)
            && host.units.get(UNIT).is_some_and(|unit| unit.known().is_some())
    };
    let has = |host: &Host| host.facts.addresses.contains(&entrance.address);
    let holders: Vec<&NodeName> = seen.iter().filter(|(_, host)| has(host)).map(|(name, _)| *name).collect();
    match holders.as_slice() {
        // One that is silent may have it. Before the entrance is there, nobody has.
        [] if all_seen && seen.iter().any(takes_part) => Some(nobody(patient, entrance)),
        [] | [_] => None,
        several => Some(twice(entrance, several)),
    }
}

fn nobody(patient: &Patient<'_>, entrance: &Entrance) -> Ailment {
    let told = |name: &NodeName| {
        let seen = patient.unit(name, UNIT).map_or_else(|| "absent".to_owned(), super::told);
        format!("{UNIT} on {name}: {seen}")
    };
    let at = &entrance.at;
    let (what, cause, beneath) = match entrance.role {
        Role::Main => (
            format!("nobody holds the API's entrance {at}"),
            "a main holds it only while its balancer reaches a ready apiserver, and none does".to_owned(),
            Some("kube-apiserver.service"),
        ),
        Role::Work | Role::Images => {
            (format!("nobody holds the applications' entrance {at}"), nothing_answers(patient), None)
        }
    };
    Ailment {
        subject: check::CLUSTER.to_owned(),
        kind: Kind::Entrance,
        severity: Severity::Error,
        what,
        evidence: patient.spec.of_role(entrance.role).map(|(name, _)| told(name)).collect(),
        cause,
        fix: patient.fix(
            |step| step.action.starts().is_some_and(|unit| unit == UNIT || Some(unit) == beneath),
            |what| what.ends_with(UNIT),
            || match entrance.role {
                Role::Main => format!("`journalctl -u {UNIT}` on the mains"),
                Role::Work | Role::Images => format!(
                    "bring what answers there to the work nodes (`kubectl get pods -A -o wide`), or name other `ports` \
                     under [entrance.apps]; `journalctl -u {UNIT}` on a work node says what it tried"
                ),
            },
        ),
    }
}

/// Why no work node may hold the address.
fn nothing_answers(patient: &Patient<'_>) -> String {
    let ports = patient.spec.apps_entrance.shared().map(|shared| &shared.ports).filter(|ports| !ports.is_empty());
    match ports {
        Some(ports) => {
            let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
            format!("a work node holds it only while it answers itself at {}, and none does", ports.join(" and "))
        }
        None => "keepalived runs on no work node, or they do not hear each other".to_owned(),
    }
}

fn twice(entrance: &Entrance, holders: &[&NodeName]) -> Ailment {
    let names: Vec<&str> = holders.iter().map(|name| name.as_str()).collect();
    let (holders, at) = (names.join(" and "), &entrance.at);
    let (what, among) = match entrance.role {
        Role::Main => (format!("{holders} hold the API's entrance {at} at once"), "mains"),
        Role::Work | Role::Images => (format!("{holders} hold the applications' entrance {at} at once"), "work nodes"),
    };
    Ailment {
        subject: check::CLUSTER.to_owned(),
        kind: Kind::Entrance,
        severity: Severity::Error,
        what,
        evidence: names.iter().map(|name| format!("{name} has the address on one of its links")).collect(),
        cause: "they do not hear each other: IP protocol 112 is dropped between them, or the network is split; or \
                somebody gave the address to a machine by hand"
            .to_owned(),
        fix: Fix::Hand(format!(
            "let IP protocol 112 pass between the {among}; `ip address del` where a person added it"
        )),
    }
}

//! The API's entrance: one main has the shared address, and nobody else.

use fmp_core::{NodeName, Severity, check, observed::Host};

use super::{Ailment, Fix, Kind, Patient};

/// What moves the address.
const UNIT: &str = "fmp-entrance.service";

pub(super) fn ailments(patient: &Patient<'_>) -> Vec<Ailment> {
    let Some(shared) = patient.spec.api_entrance.shared() else { return Vec::new() };
    let seen: Vec<(&NodeName, &Host)> =
        patient.spec.everyone().filter_map(|(name, _)| Some((name, patient.observed.host(name)?))).collect();
    let mains = patient.spec.mains().filter(|(name, _)| seen.iter().any(|(seen, _)| seen == name));
    let all_mains_seen = mains.count() == patient.spec.mains().count();
    let takes_part = seen.iter().any(|(_, host)| host.units.get(UNIT).is_some_and(|unit| unit.known().is_some()));
    let holders: Vec<&NodeName> =
        seen.iter().filter(|(_, host)| host.facts.addresses.contains(&shared.address)).map(|(name, _)| *name).collect();
    match holders.as_slice() {
        // A main that is silent may have it. Before the entrance is there, nobody has.
        [] if all_mains_seen && takes_part => vec![nobody(patient)],
        [] | [_] => Vec::new(),
        several => vec![twice(patient, several)],
    }
}

fn address(patient: &Patient<'_>) -> String {
    patient.spec.api_entrance.server().map_or_else(String::new, |(host, port)| format!("{host}:{port}"))
}

fn nobody(patient: &Patient<'_>) -> Ailment {
    let told = |name: &NodeName| {
        let seen = patient.unit(name, UNIT).map_or_else(|| "absent".to_owned(), super::told);
        format!("{UNIT} on {name}: {seen}")
    };
    Ailment {
        subject: check::CLUSTER.to_owned(),
        kind: Kind::Entrance,
        severity: Severity::Error,
        what: format!("nobody holds the API's entrance {}", address(patient)),
        evidence: patient.spec.mains().map(|(name, _)| told(name)).collect(),
        cause: "a main holds it only while its balancer reaches a ready apiserver, and none does".to_owned(),
        fix: patient.fix(
            |step| step.action.starts() == Some(UNIT) || step.action.starts() == Some("kube-apiserver.service"),
            |what| what.ends_with(UNIT),
            || format!("`journalctl -u {UNIT}` on the mains"),
        ),
    }
}

fn twice(patient: &Patient<'_>, holders: &[&NodeName]) -> Ailment {
    let names: Vec<&str> = holders.iter().map(|name| name.as_str()).collect();
    Ailment {
        subject: check::CLUSTER.to_owned(),
        kind: Kind::Entrance,
        severity: Severity::Error,
        what: format!("{} hold the API's entrance {} at once", names.join(" and "), address(patient)),
        evidence: names.iter().map(|name| format!("{name} has the address on one of its links")).collect(),
        cause: "they do not hear each other: IP protocol 112 is dropped between them, or the network is split; or \
                somebody gave the address to a machine by hand"
            .to_owned(),
        fix: Fix::Hand(
            "let IP protocol 112 pass between the mains; `ip address del` where a person added it".to_owned(),
        ),
    }
}

//! The image storage: whether it serves, and whether it has what nodes may ask it for.

use fmp_core::{NodeName, Severity, observed::Fact, role::paths::unit::REGISTRY};

use super::{Ailment, Kind, Patient, first, starts, told};
use crate::{Step, action::Action};

pub(super) fn ailments(patient: &Patient<'_>) -> Vec<Ailment> {
    let Some((name, _)) = patient.spec.image_storage() else { return Vec::new() };
    silent(patient, name).into_iter().chain(lacking(patient, name)).collect()
}

/// Nodes keep what they must have; what else a pod needs can't be pulled.
fn silent(patient: &Patient<'_>, name: &NodeName) -> Option<Ailment> {
    let (evidence, cause) = match patient.observed.hosts.get(name) {
        _ if patient.observed.is_off(name) => ("its machine is off".to_owned(), "somebody switched it off"),
        Some(Fact::Unknown(why)) => (why.clone(), "its machine is off, hangs, or is cut off"),
        Some(Fact::Known(host)) => match host.units.get(REGISTRY) {
            Some(Fact::Known(seen)) if seen.is_down() => {
                (format!("{REGISTRY} is {}", told(seen)), "its registry is down")
            }
            // What was never there is not missed yet.
            _ => return None,
        },
        Some(Fact::Absent) | None => return None,
    };
    let is_machine = |step: &Step| step.node() == Some(name) && matches!(step.action, Action::StartMachine);
    let mends = |step: &Step| starts(step, Some(name), REGISTRY) || is_machine(step);
    let own = format!("{name}/unit/{REGISTRY}");
    let hand = || format!("bring {name} back, or put another machine in its place: `fmp apply` fills it again");
    Some(Ailment {
        subject: name.to_string(),
        kind: Kind::ImageStorage,
        severity: Severity::Error,
        what: "the image storage does not answer: what a node has not pulled yet does not start there".to_owned(),
        evidence: vec![evidence],
        cause: cause.to_owned(),
        fix: patient.fix(mends, |what| what == own, hand),
    })
}

/// Images that the plan would store.
fn lacking(patient: &Patient<'_>, name: &NodeName) -> Option<Ailment> {
    let host = patient.observed.host(name)?;
    // Before it was ever filled nobody misses anything.
    if !host.ledger.keys().any(|key| key.starts_with("stored-image/")) {
        return None;
    }
    let stored = |step: &Step| match &step.action {
        Action::StoreImage { reference, .. } => Some(reference.to_string()),
        _ => None,
    };
    let lacking: Vec<String> = patient.plan.steps.iter().filter_map(stored).collect();
    if lacking.is_empty() {
        return None;
    }
    let evidence = first(&lacking, String::clone);
    Some(Ailment {
        subject: name.to_string(),
        kind: Kind::ImageStorage,
        severity: Severity::Warning,
        what: format!("the image storage lacks {} of the bundle's images", lacking.len()),
        evidence,
        cause: "somebody removed them, or the bundle has others by now".to_owned(),
        fix: patient.fix(|step| stored(step).is_some(), |_| false, || "`fmp apply` stores them".to_owned()),
    })
}

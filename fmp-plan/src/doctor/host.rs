//! A host: whether it answers, what runs there, its clock and its disk.

use fmp_core::{
    Finding, NodeName, Severity,
    observed::{Fact, Host},
};

use super::{Ailment, Fix, Kind, Patient, disk, told, zombies};
use crate::{Step, action::Action};

pub(super) fn ailments(patient: &Patient<'_>, name: &NodeName) -> Vec<Ailment> {
    let mut found: Vec<Ailment> = match patient.observed.hosts.get(name) {
        _ if patient.observed.is_off(name) => vec![off(patient, name)],
        Some(Fact::Unknown(why)) => vec![silent(patient, name, why)],
        Some(Fact::Known(host)) => {
            let units = units(patient, name, host);
            units.into_iter().chain(zombies::commands(name, host)).chain(disk::ailments(patient, name)).collect()
        }
        Some(Fact::Absent) | None => Vec::new(),
    };
    found.extend(patient.findings.iter().filter(|finding| finding.subject == name.as_str()).filter_map(of_profile));
    found
}

fn off(patient: &Patient<'_>, name: &NodeName) -> Ailment {
    let starts = |step: &Step| step.node() == Some(name) && matches!(step.action, Action::StartMachine);
    Ailment {
        subject: name.to_string(),
        kind: Kind::MachineOff,
        severity: Severity::Error,
        what: "its machine is off".to_owned(),
        evidence: vec!["its environment says so".to_owned()],
        cause: "somebody switched it off, or it lost its power".to_owned(),
        fix: patient.fix(starts, |what| what == name.as_str(), || "switch it on".to_owned()),
    }
}

fn silent(patient: &Patient<'_>, name: &NodeName, why: &str) -> Ailment {
    let mut evidence = vec![why.to_owned()];
    let api = patient.observed.api.known();
    let is_ready = api.and_then(|api| api.nodes.get(name.as_str())).map(|seen| seen.ready);
    evidence.extend(is_ready.map(|ready| format!("its Node is {}Ready", if ready { "" } else { "not " })));
    let lives = is_ready == Some(true);
    let cause = if lives {
        "the machine lives: only the way from this computer to it is broken"
    } else {
        "it is off, hangs, or is cut off"
    };
    Ailment {
        subject: name.to_string(),
        kind: Kind::HostSilent,
        severity: if lives { Severity::Warning } else { Severity::Error },
        what: "it does not answer".to_owned(),
        evidence,
        cause: cause.to_owned(),
        fix: Fix::Hand(format!(
            "look at its console and its network; try [nodes.{name}.ssh] with `ssh`; where it is gone for good, put \
             another machine in its place, or call its table [retired.{name}]"
        )),
    }
}

fn units(patient: &Patient<'_>, name: &NodeName, host: &Host) -> Vec<Ailment> {
    let down = host.units.iter().filter_map(|(unit, seen)| Some((unit, seen.known()?)));
    let down = down.filter(|(_, seen)| seen.is_down() || !seen.condition);
    let ailment = |(unit, seen): (&String, &fmp_core::observed::UnitSeen)| Ailment {
        subject: name.to_string(),
        kind: Kind::UnitDown,
        severity: Severity::Error,
        what: format!("{unit} does not run"),
        evidence: vec![told(seen)],
        cause: match (seen.condition, seen.enabled.as_str(), seen.active.as_str()) {
            (false, ..) => "a condition of its file kept it from starting".to_owned(),
            (true, "enabled", "failed") => format!("its process failed; `journalctl -u {unit}` there says why"),
            (true, "enabled", _) => "somebody stopped it".to_owned(),
            (true, ..) => "somebody stopped it, and it would not start at the next boot".to_owned(),
        },
        fix: patient.fix_unit(name, unit),
    };
    down.map(ailment).collect()
}

/// What the profile finds of what may change while a cluster runs.
fn of_profile(finding: &Finding) -> Option<Ailment> {
    let (kind, cause) = match finding.check.as_str() {
        "clock" => (Kind::Clock, "its time service does not run, or reaches no server"),
        "root-free" => {
            (Kind::DiskFull, "logs, images or somebody's files fill it; the kubelet evicts pods when it is full")
        }
        _ => return None,
    };
    Some(Ailment {
        subject: finding.subject.clone(),
        kind,
        severity: finding.severity,
        what: finding.message.clone(),
        evidence: Vec::new(),
        cause: cause.to_owned(),
        fix: Fix::Hand(finding.fix.clone()),
    })
}

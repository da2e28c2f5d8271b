//! The API and Node objects: who is ready, and why not.

use fmp_core::{
    NodeName, Severity, check,
    observed::{Fact, NodeSeen},
    resource::CORDONED,
};

use super::{Ailment, Fix, Kind, Patient, starts};
use crate::{Step, action::Action, safety};

const APISERVER: &str = "kube-apiserver.service";

/// Units without which a node is not Ready, those that others rest on first.
const OF_A_NODE: [&str; 5] =
    ["fmp-host.service", "containerd.service", "fmp-balancer.service", "kubelet.service", "flanneld.service"];

/// The API as a whole, and each apiserver.
pub(super) fn api(patient: &Patient<'_>) -> Vec<Ailment> {
    let api = match &patient.observed.api {
        Fact::Absent => return Vec::new(),
        Fact::Unknown(why) => return vec![silent(patient, why)],
        Fact::Known(api) => api,
    };
    let unready = api.ready.iter().filter(|(_, ready)| **ready != Fact::Known(true));
    let ailment = |(name, ready): (&NodeName, &Fact<bool>)| {
        let seen = patient.unit(name, APISERVER).map(|seen| format!("{APISERVER} is {}", super::told(seen)));
        let why = match ready {
            Fact::Unknown(why) => why.clone(),
            Fact::Known(_) | Fact::Absent => "/readyz does not say ok".to_owned(),
        };
        let is_down = |unit: &str| patient.unit(name, unit).is_none_or(fmp_core::observed::UnitSeen::is_down);
        let (cause, mended) = match (is_down(APISERVER), is_down(safety::ETCD)) {
            (true, _) => ("it does not run", APISERVER),
            (false, true) => ("it runs, and its own member of etcd does not", safety::ETCD),
            (false, false) => ("it runs, and does not reach etcd, or started just now", APISERVER),
        };
        Ailment {
            subject: name.to_string(),
            kind: Kind::Apiserver,
            severity: Severity::Error,
            what: "its apiserver is not ready".to_owned(),
            evidence: std::iter::once(why).chain(seen).collect(),
            cause: cause.to_owned(),
            fix: patient.fix_unit(name, mended),
        }
    };
    unready.map(ailment).collect()
}

fn silent(patient: &Patient<'_>, why: &str) -> Ailment {
    let etcd = matches!(patient.observed.etcd, Fact::Unknown(_));
    let mends = |step: &Step| {
        let is_started = starts(step, None, APISERVER) || starts(step, None, safety::ETCD);
        is_started || matches!(step.action, Action::StartMachine)
    };
    Ailment {
        subject: check::CLUSTER.to_owned(),
        kind: Kind::ApiSilent,
        severity: Severity::Error,
        what: "the API does not answer".to_owned(),
        evidence: vec![why.to_owned()],
        cause: if etcd {
            "no apiserver works without etcd".to_owned()
        } else {
            "no apiserver runs that this computer reaches by way of a main".to_owned()
        },
        fix: patient.fix(mends, |what| what.ends_with(APISERVER), || "bring back a main".to_owned()),
    }
}

/// A Node object. `own` is what ails its host.
pub(super) fn ailments(patient: &Patient<'_>, name: &NodeName, own: &[Ailment]) -> Vec<Ailment> {
    let seen = patient.observed.api.known().and_then(|api| api.nodes.get(name.as_str()));
    let Some(seen) = seen else { return Vec::new() };
    let unready = (!seen.ready && !seen.kubelet_version.is_empty()).then(|| not_ready(name, seen, own));
    unready.into_iter().chain(cordoned(patient, name, seen)).chain(skewed(patient, name, seen)).collect()
}

/// Why it is not Ready: what ails its host, else what the kubelet says.
fn not_ready(name: &NodeName, seen: &NodeSeen, own: &[Ailment]) -> Ailment {
    let (cause, fix) = match root(own) {
        Some(ailment) => (ailment.what.clone(), ailment.fix.clone()),
        None => (
            "nothing on its host explains it: what its kubelet says does".to_owned(),
            Fix::Hand(format!("`fmp kubectl -- describe node {name}`; `journalctl -u kubelet.service` on {name}")),
        ),
    };
    Ailment {
        subject: name.to_string(),
        kind: Kind::NodeNotReady,
        severity: Severity::Error,
        what: "its Node is not Ready".to_owned(),
        evidence: vec![seen.message.clone()],
        cause,
        fix,
    }
}

/// What explains a node that is not Ready, the deepest cause first.
fn root(own: &[Ailment]) -> Option<&Ailment> {
    let of = |kind: Kind| own.iter().find(move |ailment| ailment.kind == kind);
    let unit = |unit: &str| {
        let what = format!("{unit} does not run");
        own.iter().find(move |ailment| ailment.kind == Kind::UnitDown && ailment.what == what)
    };
    // One that only ends soon explains nothing.
    let is_invalid = |ailment: &&Ailment| ailment.kind == Kind::Certificate && ailment.severity == Severity::Error;
    let invalid = own.iter().find(is_invalid);
    let away = of(Kind::MachineOff).or_else(|| of(Kind::HostSilent));
    let units = || OF_A_NODE.into_iter().find_map(unit);
    away.or(invalid).or_else(units).or_else(|| of(Kind::Clock)).or_else(|| of(Kind::DiskFull))
}

fn cordoned(patient: &Patient<'_>, name: &NodeName, seen: &NodeSeen) -> Option<Ailment> {
    if !seen.unschedulable {
        return None;
    }
    let is_ours = seen.labels.contains_key(CORDONED);
    let uncordons =
        |step: &Step| matches!(step.action, Action::UncordonNode { .. }) && step.node() == Some(name) && is_ours;
    let waits = |what: &str| is_ours && what.starts_with(&format!("{name}/node-object"));
    Some(Ailment {
        subject: name.to_string(),
        kind: Kind::Cordoned,
        severity: Severity::Warning,
        what: "new pods are kept away from it".to_owned(),
        evidence: vec![if is_ours { format!("cordoned, with the label {CORDONED}") } else { "cordoned".to_owned() }],
        cause: if is_ours {
            "a run of fmp empties it now, or was cut off on the way".to_owned()
        } else {
            "somebody cordoned it".to_owned()
        },
        fix: patient.fix(uncordons, waits, || format!("`fmp kubectl -- uncordon {name}`, where that is over")),
    })
}

fn skewed(patient: &Patient<'_>, name: &NodeName, seen: &NodeSeen) -> Option<Ailment> {
    let wanted = patient.spec.kubernetes;
    let minor = format!("v1.{}.", wanted.minor);
    if seen.kubelet_version.is_empty() || seen.kubelet_version.starts_with(&minor) {
        return None;
    }
    let restarts = |step: &Step| starts(step, Some(name), "kubelet.service");
    let waits = |what: &str| what == name.as_str() || what == format!("{name}/unit/kubelet.service");
    Some(Ailment {
        subject: name.to_string(),
        kind: Kind::VersionSkew,
        severity: Severity::Warning,
        what: format!("its kubelet is {}, and {wanted} is wanted", seen.kubelet_version),
        evidence: vec!["its Node says so".to_owned()],
        cause: "an upgrade is not over, or it was away meanwhile".to_owned(),
        fix: patient.fix(restarts, waits, || format!("`journalctl -u kubelet.service` on {name}")),
    })
}

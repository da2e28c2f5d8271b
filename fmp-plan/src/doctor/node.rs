//! The API and Node objects: who is ready, and why not.

use fmp_core::{
    NodeName, Severity, check,
    observed::{Fact, NodeSeen},
    resource::CORDONED,
    role::paths::unit::KUBELET,
};

use super::{Ailment, Fix, Kind, Patient, leases, starts, versions};
use crate::{Step, action::Action, safety};

const APISERVER: &str = "kube-apiserver.service";

/// Units without which a node is not Ready, those that others rest on first.
const OF_A_NODE: [&str; 5] =
    ["fmp-host.service", "containerd.service", "fmp-balancer.service", KUBELET, "flanneld.service"];

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
    let is_unready = !seen.ready && !seen.kubelet_version.is_empty();
    let unready = is_unready.then(|| not_ready(patient, name, seen, own)).or_else(|| leases::of_node(patient, name));
    let pressures = seen.pressures.iter().map(|pressure| short(name, pressure, own));
    let others = [cordoned(patient, name, seen), versions::of_node(patient, name, seen)];
    unready.into_iter().chain(pressures).chain(others.into_iter().flatten()).collect()
}

/// Why it is not Ready: what ails its host, else what the kubelet says.
fn not_ready(patient: &Patient<'_>, name: &NodeName, seen: &NodeSeen, own: &[Ailment]) -> Ailment {
    let host = patient.observed.host(name);
    let is_gone = host.is_some_and(|host| host.units.get(KUBELET) == Some(&Fact::Absent));
    let (cause, fix) = match root(own) {
        Some(ailment) => (ailment.what.clone(), ailment.fix.clone()),
        // Its machine was wiped, or another one stands in its place.
        None if is_gone => (format!("{KUBELET} is not there"), patient.fix_unit(name, KUBELET)),
        None => (
            "nothing on its host explains it: what its kubelet says does".to_owned(),
            Fix::Hand(format!("`fmp kubectl -- describe node {name}`; `journalctl -u {KUBELET}` on {name}")),
        ),
    };
    Ailment {
        subject: name.to_string(),
        kind: Kind::NodeNotReady,
        severity: Severity::Error,
        what: "its Node is not Ready".to_owned(),
        evidence: std::iter::once(seen.message.clone()).chain(leases::expired(patient, name)).collect(),
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

/// What a kubelet is short of: it evicts pods, and takes no new ones.
fn short(name: &NodeName, pressure: &str, own: &[Ailment]) -> Ailment {
    let (of, cause, fix) = match pressure {
        "DiskPressure" => (
            "room on its disk",
            "images, logs or what pods write fill it",
            "see what fills it (`du -x` below the kubelet's and containerd's directories), or enlarge the disk",
        ),
        "MemoryPressure" => (
            "memory",
            "pods without limits, or the node's own programs, take what there is",
            "`fmp kubectl -- describe node` says who asks for how much; set limits, or add a node",
        ),
        "PIDPressure" => (
            "process numbers",
            "some pod begins processes without end",
            "`ps` there says whose they are; set `podPidsLimit`, or end that pod",
        ),
        _ => ("something", "its kubelet says no more than this word", "`fmp kubectl -- describe node` says more"),
    };
    let full = own.iter().find(|ailment| ailment.kind == Kind::DiskFull && pressure == "DiskPressure");
    Ailment {
        subject: name.to_string(),
        kind: Kind::Pressure,
        severity: Severity::Error,
        what: format!("its kubelet is short of {of}: it evicts pods, and takes no new ones"),
        evidence: vec![format!("its Node says {pressure}")],
        cause: full.map_or_else(|| cause.to_owned(), |ailment| ailment.what.clone()),
        fix: full.map_or_else(|| Fix::Hand(fix.to_owned()), |ailment| ailment.fix.clone()),
    }
}

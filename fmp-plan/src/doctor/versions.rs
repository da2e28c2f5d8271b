//! Versions: what is not of the wanted one yet, and what may not stand beside each other.

use fmp_core::{NodeName, Severity, check, observed::NodeSeen};

use super::{Ailment, Kind, Patient, starts};
use crate::{Step, safety};

/// Units whose version counts.
const UNITS: [&str; 5] = [
    "kube-apiserver.service",
    "kube-controller-manager.service",
    "kube-scheduler.service",
    "kubelet.service",
    "kube-proxy.service",
];

/// Parts that are too old for others that run.
pub(super) fn broken(patient: &Patient<'_>) -> Option<Ailment> {
    let broken = safety::broken_skew(patient.spec, patient.observed);
    let raises = |step: &Step| UNITS.iter().any(|unit| starts(step, None, unit));
    let waits = |what: &str| UNITS.iter().any(|unit| what.ends_with(&format!("/unit/{unit}")));
    let hand =
        || "raise them, one minor after the other: https://kubernetes.io/releases/version-skew-policy/".to_owned();
    (!broken.is_empty()).then(|| Ailment {
        subject: check::CLUSTER.to_owned(),
        kind: Kind::VersionSkew,
        severity: Severity::Error,
        what: format!("{} parts of Kubernetes are too old for others that run", broken.len()),
        evidence: broken.into_iter().map(|demand| format!("wanted: {demand}")).collect(),
        cause: "an upgrade went on while they were away, or somebody changed a version by hand".to_owned(),
        fix: patient.fix(raises, waits, hand),
    })
}

/// A kubelet that is not of the wanted minor.
pub(super) fn of_node(patient: &Patient<'_>, name: &NodeName, seen: &NodeSeen) -> Option<Ailment> {
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

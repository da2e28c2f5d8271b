//! Leases: who has stopped renewing one, and who works no more for it.

use fmp_core::{
    NodeName, Severity, check,
    observed::{Fact, LeaseSeen, UnitSeen},
    role::paths::unit::KUBELET,
};

use super::{Ailment, Fix, Kind, Patient, starts, told};
use crate::Step;

/// Whether nobody renews it any more: a holder that lives renews it several times in each of its terms, and another one
/// takes over within the next.
const fn is_expired(lease: &LeaseSeen) -> bool {
    lease.age_s > 2 * lease.lasts_s
}

/// Milliseconds by which clocks may differ before ages of leases say nothing: who renews one writes the time by its own
/// clock, and a main's clock tells its age.
const CLOCKS_MS: i64 = 10_000;

/// Whether the clocks of the mains agree, and that of whoever renews a lease with them.
fn clocks_agree(patient: &Patient<'_>, renews: Option<&NodeName>) -> bool {
    let names = patient.spec.mains().map(|(name, _)| name).chain(renews);
    let offsets = names.filter_map(|name| Some(patient.observed.host(name)?.facts.clock_offset_ms));
    let offsets: Vec<i64> = offsets.collect();
    offsets.iter().max().zip(offsets.iter().min()).is_none_or(|(last, first)| last - first <= CLOCKS_MS)
}

fn leases<'a>(patient: &Patient<'a>) -> &'a [LeaseSeen] {
    match patient.observed.api.known().and_then(|api| api.health.as_ref()).map(|health| &health.leases) {
        Some(Fact::Known(leases)) => leases,
        Some(Fact::Absent | Fact::Unknown(_)) | None => &[],
    }
}

fn evidence(lease: &LeaseSeen) -> String {
    format!("{} renewed it {} s ago, and it lasts {} s", lease.holder, lease.age_s, lease.lasts_s)
}

/// Controllers that nobody is: each lease of theirs without a holder that lives.
pub(super) fn controllers(patient: &Patient<'_>) -> Vec<Ailment> {
    if !clocks_agree(patient, None) {
        return Vec::new();
    }
    let of_controllers =
        leases(patient).iter().filter(|lease| lease.namespace != LeaseSeen::OF_NODES && is_expired(lease));
    of_controllers.map(|lease| nobody(patient, lease)).collect()
}

fn nobody(patient: &Patient<'_>, lease: &LeaseSeen) -> Ailment {
    let unit = format!("{}.service", lease.name);
    let state = |name: &NodeName| {
        let seen = patient.unit(name, &unit).map_or_else(|| "not known".to_owned(), told);
        format!("{unit} on {name}: {seen}")
    };
    let runs = |name: &NodeName| patient.unit(name, &unit).is_some_and(|seen| !seen.is_down());
    let cause = if patient.spec.mains().any(|(name, _)| runs(name)) {
        "those that run do not reach their apiserver, or can't write to etcd"
    } else {
        "it runs on no main that answers"
    };
    Ailment {
        subject: check::CLUSTER.to_owned(),
        kind: Kind::Lease,
        severity: Severity::Error,
        what: match lease.name.as_str() {
            "kube-scheduler" => "no scheduler works: new pods find no node".to_owned(),
            "kube-controller-manager" => "no controller-manager works: what is lost is not replaced".to_owned(),
            other => format!("nobody holds the lease {other}"),
        },
        evidence: std::iter::once(evidence(lease)).chain(patient.spec.mains().map(|(name, _)| state(name))).collect(),
        cause: cause.to_owned(),
        fix: patient.fix(
            |step: &Step| starts(step, None, &unit),
            |what| what.ends_with(&format!("/unit/{unit}")),
            || format!("`journalctl -u {unit}` on the mains"),
        ),
    }
}

/// A node's lease, in words, where it expired.
pub(super) fn expired(patient: &Patient<'_>, name: &NodeName) -> Option<String> {
    let own =
        leases(patient).iter().find(|lease| lease.namespace == LeaseSeen::OF_NODES && lease.name == name.as_str());
    own.filter(|lease| is_expired(lease) && clocks_agree(patient, Some(name))).map(evidence)
}

/// A node that is called Ready, and whose kubelet has fallen silent.
pub(super) fn of_node(patient: &Patient<'_>, name: &NodeName) -> Option<Ailment> {
    let seen = patient.observed.api.known()?.nodes.get(name.as_str()).filter(|seen| seen.ready)?;
    let is_down = patient.unit(name, KUBELET).is_some_and(UnitSeen::is_down);
    Some(Ailment {
        subject: name.to_string(),
        kind: Kind::Lease,
        severity: Severity::Error,
        what: "its kubelet has fallen silent, and its Node is called Ready all the same".to_owned(),
        evidence: vec![expired(patient, name)?, format!("kubelet {}", seen.kubelet_version)],
        cause: "no controller-manager works, which would say so; or it fell silent just now".to_owned(),
        fix: if is_down {
            patient.fix_unit(name, KUBELET)
        } else {
            Fix::Hand(format!("`journalctl -u {KUBELET}` on {name}"))
        },
    })
}

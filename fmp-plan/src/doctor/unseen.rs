//! What the doctor asked and nobody answered: of that it must not be silent, as if all were well.

use fmp_core::{
    NodeName, Severity, check,
    observed::{Fact, HostHealth},
    spec::Dns,
};

use super::{Ailment, Fix, Kind, Patient};
use crate::safety;

/// Questions to the API. One that does not answer at all is an ailment of its own.
pub(super) fn of_cluster(patient: &Patient<'_>) -> Option<Ailment> {
    let api = patient.observed.api.known()?;
    let health = api.health.as_ref()?;
    let asks_names = patient.spec.components.dns != Dns::None;
    let unanswered = [
        why("pods in trouble", &api.pods),
        why("leases", &health.leases),
        why("disruption budgets", &health.budgets),
        why("who answers for names", &health.dns).filter(|_| asks_names),
        why("Services of type LoadBalancer", &health.load_balancers),
    ];
    ailment(check::CLUSTER, unanswered, "the API answers, and not this: it is too slow, or refuses it")
}

/// Questions to a host that answers others.
pub(super) fn of_host(patient: &Patient<'_>, name: &NodeName) -> Option<Ailment> {
    let HostHealth { etcd_fsync, name: names, entrances, .. } = patient.observed.host(name)?.health.as_ref()?;
    // Of a member that is down nobody expects figures, and that it is down is told.
    let member_runs = patient.unit(name, safety::ETCD).is_some_and(|unit| !unit.is_down());
    let unanswered = [
        why("how long etcd's writes take", etcd_fsync).filter(|_| member_runs),
        why("whether names resolve", names),
        why("whether somebody is at the entrances", entrances),
    ];
    ailment(
        name.as_str(),
        unanswered,
        "what it says: a program that asks is missing there (bash), there is no way, or no answer in time",
    )
}

fn why<T>(question: &str, answer: &Fact<T>) -> Option<String> {
    match answer {
        Fact::Unknown(why) => Some(format!("{question}: {why}")),
        Fact::Known(_) | Fact::Absent => None,
    }
}

fn ailment(subject: &str, unanswered: impl IntoIterator<Item = Option<String>>, cause: &str) -> Option<Ailment> {
    let evidence: Vec<String> = unanswered.into_iter().flatten().collect();
    (!evidence.is_empty()).then(|| Ailment {
        subject: subject.to_owned(),
        kind: Kind::Unseen,
        severity: Severity::Warning,
        what: "some of what the doctor asks was not answered: what ails there is not known".to_owned(),
        evidence,
        cause: cause.to_owned(),
        fix: Fix::Hand("run `fmp doctor` again; where it stays so, ask there by hand".to_owned()),
    })
}

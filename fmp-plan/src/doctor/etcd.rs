//! etcd: whether it answers, who of it does, what it complains of.

use fmp_core::{
    NodeName, Severity, check,
    observed::{Etcd, EtcdMember, Fact},
};

use super::{Ailment, Fix, Kind, Patient, starts, told};
use crate::{Step, action::Action, safety};

/// Entries of the log by which a member may be behind before it matters: a leader sends a snapshot beyond ten times that.
const FAR_BEHIND: u64 = 1_000;

/// Beyond this part of its quota a database is told of.
const NEARLY_PERCENT: u64 = 80;

pub(super) fn ailments(patient: &Patient<'_>) -> Vec<Ailment> {
    match &patient.observed.etcd {
        Fact::Absent => Vec::new(),
        Fact::Unknown(why) => vec![silent(patient, why)],
        Fact::Known(etcd) => {
            etcd.members.iter().flat_map(|(url, member)| of_member(patient, etcd, url, member)).collect()
        }
    }
}

/// Nobody answers: what each main says.
fn silent(patient: &Patient<'_>, why: &str) -> Ailment {
    let mut evidence = vec![why.to_owned()];
    let mut away = 0;
    for (name, _) in patient.spec.mains() {
        let (is_away, told) = state(patient, name);
        away += usize::from(is_away);
        evidence.push(format!("{name}: {told}"));
    }
    let all = patient.spec.mains().count();
    let cause = if 2 * away >= all {
        format!("{away} of {all} mains are away or without a running member: the others are no majority")
    } else {
        "its members do not reach each other, or have no leader at this moment".to_owned()
    };
    let is_of_main = |step: &Step| step.node().is_some_and(|node| patient.spec.mains().any(|(main, _)| main == node));
    let mends = |step: &Step| {
        starts(step, None, safety::ETCD) || matches!(step.action, Action::StartMachine) && is_of_main(step)
    };
    let waits = |what: &str| what.ends_with("/etcd-member") || what.ends_with("/unit/etcd.service");
    let hand = || "bring back the mains that are away; without their data only a backup helps".to_owned();
    Ailment {
        subject: check::CLUSTER.to_owned(),
        kind: Kind::EtcdSilent,
        severity: Severity::Error,
        what: "etcd does not answer".to_owned(),
        evidence,
        cause,
        fix: patient.fix(mends, waits, hand),
    }
}

/// Whether a main's member can't take part, and what is seen of it.
fn state(patient: &Patient<'_>, name: &NodeName) -> (bool, String) {
    match patient.observed.hosts.get(name) {
        _ if patient.observed.is_off(name) => (true, "its machine is off".to_owned()),
        Some(Fact::Unknown(why)) => (true, format!("it does not answer: {why}")),
        Some(Fact::Absent) | None => (true, "there is no machine".to_owned()),
        Some(Fact::Known(host)) if !host.etcd_data => (true, "it has no data of etcd".to_owned()),
        Some(Fact::Known(_)) => match patient.unit(name, safety::ETCD) {
            Some(seen) => (seen.is_down(), format!("etcd.service is {}", told(seen))),
            None => (true, "it has no etcd.service".to_owned()),
        },
    }
}

fn of_member(patient: &Patient<'_>, etcd: &Etcd, url: &str, member: &EtcdMember) -> Vec<Ailment> {
    let owner = safety::owner(patient.spec, url);
    let subject = owner.map_or_else(|| check::CLUSTER.to_owned(), ToString::to_string);
    let mut found: Vec<Ailment> = member.alarms.iter().map(|alarm| alarmed(&subject, url, alarm)).collect();
    // While there is an alarm anywhere, no member counts as healthy.
    let is_alarmed = etcd.members.values().any(|member| !member.alarms.is_empty());
    if member.healthy != Fact::Known(true) && !is_alarmed {
        found.push(down(patient, etcd, url, member, owner));
    }
    found.extend(member.database_bytes.and_then(|bytes| large(patient, &subject, url, bytes)));
    found.extend(member.lag.filter(|lag| *lag > FAR_BEHIND).map(|lag| behind(&subject, url, member, lag)));
    found
}

fn down(patient: &Patient<'_>, etcd: &Etcd, url: &str, member: &EtcdMember, owner: Option<&NodeName>) -> Ailment {
    let voters = || etcd.members.values().filter(|member| !member.learner);
    let healthy = voters().filter(|member| member.healthy == Fact::Known(true)).count();
    let mut evidence = vec![format!("{url}, {healthy} of {} voters are healthy", voters().count())];
    let cause = match owner {
        Some(name) => {
            let (is_away, told) = state(patient, name);
            if is_away {
                told
            } else {
                evidence.push(told);
                "it runs, and the others do not hear it".to_owned()
            }
        }
        None => "no main of cluster.toml has its address".to_owned(),
    };
    let is_there = |step: &Step| {
        owner.is_some_and(|name| {
            let own = step.node() == Some(name) && matches!(step.action, Action::StartMachine);
            own || starts(step, Some(name), safety::ETCD)
        })
    };
    let is_its = |step: &Step| {
        matches!(&step.action, Action::RemoveEtcdMember { peer_url, .. } | Action::AddEtcdLearner { peer_url }
            | Action::PromoteEtcdLearner { peer_url } if peer_url == url)
    };
    let mends = |step: &Step| is_there(step) || is_its(step);
    let waits =
        |what: &str| owner.is_some_and(|name| what == name.as_str() || what.starts_with(&format!("{name}/etcd")));
    Ailment {
        subject: owner.map_or_else(|| check::CLUSTER.to_owned(), ToString::to_string),
        kind: Kind::EtcdMember,
        severity: Severity::Error,
        what: match (member.started, member.learner) {
            (false, _) => "its member of etcd was announced and never started".to_owned(),
            (true, true) => "its learner of etcd does not answer".to_owned(),
            (true, false) => "its member of etcd does not answer".to_owned(),
        },
        evidence,
        cause,
        fix: patient.fix(mends, waits, || "`fmp plan` says what can be done about this member".to_owned()),
    }
}

fn alarmed(subject: &str, url: &str, alarm: &str) -> Ailment {
    let (cause, fix) = match alarm {
        "NOSPACE" => (
            "its database is as large as its quota allows; etcd takes no writes until the alarm is disarmed",
            "compact and defragment (https://etcd.io/docs/v3.5/op-guide/maintenance/), or raise `etcd-quota-bytes` in the \
             profile and apply it; then `etcdctl alarm disarm` on a main",
        ),
        "CORRUPT" => (
            "its data differs from the other members'",
            "put a bare machine in its place, so that it joins anew; then `etcdctl alarm disarm` on a main",
        ),
        _ => ("etcd says no more than this word", "https://etcd.io/docs/v3.5/op-guide/maintenance/"),
    };
    Ailment {
        subject: subject.to_owned(),
        kind: Kind::EtcdAlarm,
        severity: Severity::Error,
        what: format!("its member of etcd raised the alarm {alarm}"),
        evidence: vec![url.to_owned()],
        cause: cause.to_owned(),
        fix: Fix::Hand(fix.to_owned()),
    }
}

/// A database that is nearly as large as its quota, beyond which etcd takes no writes.
fn large(patient: &Patient<'_>, subject: &str, url: &str, bytes: u64) -> Option<Ailment> {
    let quota = patient.spec.profile.settings.etcd_quota_bytes;
    (bytes > quota / 100 * NEARLY_PERCENT).then(|| Ailment {
        subject: subject.to_owned(),
        kind: Kind::EtcdDatabase,
        severity: Severity::Warning,
        what: format!("the database of its member of etcd takes {} of {} MB", bytes >> 20, quota >> 20),
        evidence: vec![url.to_owned()],
        cause: "many or large objects, or space that was never given back by defragmentation".to_owned(),
        fix: Fix::Hand(
            "defragment (https://etcd.io/docs/v3.5/op-guide/maintenance/), one member after the other, or raise \
             `etcd-quota-bytes` in the profile"
                .to_owned(),
        ),
    })
}

fn behind(subject: &str, url: &str, member: &EtcdMember, lag: u64) -> Ailment {
    Ailment {
        subject: subject.to_owned(),
        kind: Kind::EtcdLag,
        severity: Severity::Warning,
        what: format!("its member of etcd is {lag} entries behind the leader"),
        evidence: vec![format!("{url}, a {}", if member.learner { "learner" } else { "voter" })],
        cause: "it joined or started just now, or its disk or network is slow".to_owned(),
        fix: Fix::Hand("wait a minute and look again; then look at its disk's latency and its network".to_owned()),
    }
}

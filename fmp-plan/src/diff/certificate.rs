//! Certificates: whether one still says what it must, is signed by the authority that is, and lasts.

use std::collections::BTreeSet;

use fmp_core::{
    observed::{Certificate as Seen, Fact},
    resource::{Authority, BACKDATED_S, Certificate, CertificateRequest, Holding, Usage},
};

use super::{Delta, HostView, Sides, Task, Work, trust::Holders};
use crate::{
    action::CertificateIssue,
    fact::FactKey,
    plan::{Note, Verb},
};

pub(crate) const DAY_S: i64 = 24 * 60 * 60;

pub(super) fn delta(sides: Sides<'_>, host: &HostView<'_>, wanted: &Certificate) -> Delta {
    let seen = host.ask(|host| host.certificates.get(&*wanted.path));
    let key = host.ask(|host| host.files.get(&*wanted.key_path));
    let (verb, why) = match (seen, key) {
        (Fact::Unknown(why), _) | (_, Fact::Unknown(why)) => {
            return Delta::blocked(host.until(&wanted.path, &why));
        }
        (Fact::Absent, _) => (Verb::Create, Vec::new()),
        (Fact::Known(_), Fact::Absent) => (Verb::Update, vec!["its private key is gone".to_owned()]),
        (Fact::Known(seen), Fact::Known(_)) => (Verb::Update, differences(sides, seen, &wanted.request)),
    };
    if verb == Verb::Update && why.is_empty() {
        return Delta::InSync;
    }
    if let Some(until) = until_it_is_valid(sides, host) {
        return Delta::blocked(until);
    }
    let holders = match sides.trust.lenders(wanted.request.signer) {
        Ok(holders) => holders,
        Err(until) => return Delta::blocked(until),
    };
    let issue = CertificateIssue {
        path: wanted.path.clone(),
        key_path: wanted.key_path.clone(),
        request: wanted.request.clone(),
        holders,
    };
    let facts = host.premises(|| FactKey::Certificate { node: host.name.clone(), path: wanted.path.clone() });
    Delta::from(Work::new(verb, Task::Issue(issue), facts).because(why))
}

/// What a host waits for whose clock is so far behind that a new certificate would take the place of one that is valid there.
fn until_it_is_valid(sides: Sides<'_>, host: &HostView<'_>) -> Option<String> {
    let behind_s = -sides.observed.host(host.name)?.facts.clock_offset_ms / 1000;
    // Whose clock is wrong can't be told from two of them.
    let until = |name| {
        format!(
            "the clocks of {name} and this computer agree: it is behind, and a new certificate would not be valid there"
        )
    };
    (behind_s > BACKDATED_S).then(|| until(host.name))
}

/// Left of an authority's life when it is told: a leaf of kubeadm's year that is signed later outlives it.
const AUTHORITY_DAYS: i64 = 365;

/// Authorities that end soon. Nothing is done about them: what they signed must be signed anew first.
pub(crate) fn expiring(sides: Sides<'_>) -> Vec<Note> {
    let ends = |authority: Authority| match sides.trust.holders(Holding::Authority(authority)) {
        Holders::Held(mains) => {
            let seen = |main| sides.observed.host(main)?.certificates.get(authority.certificate())?.known();
            mains.iter().filter_map(seen).map(|seen| seen.not_after).min()
        }
        Holders::Nobody { .. } | Holders::Blocked { .. } => None,
    };
    let soon = |authority: &Authority| {
        ends(*authority).is_some_and(|end| end <= sides.observed.now.saturating_add(AUTHORITY_DAYS * DAY_S))
    };
    let told = |authority: Authority| Note {
        about: Holding::Authority(authority).to_string(),
        what: format!(
            "{} expires within {AUTHORITY_DAYS} days, and what it signs from now on would outlive it; fmp does not rotate \
             authorities yet, so follow https://kubernetes.io/docs/tasks/tls/manual-rotation-of-ca-certificates/",
            authority.certificate()
        ),
    };
    [Authority::Cluster, Authority::Etcd, Authority::FrontProxy].into_iter().filter(soon).map(told).collect()
}

fn differences(sides: Sides<'_>, seen: &Seen, wanted: &CertificateRequest) -> Vec<String> {
    let mut why = Vec::new();
    let mut differ = |what: &str, found: &str, wanted: &str| {
        if found != wanted {
            why.push(format!("{what} is {found}, wanted {wanted}"));
        }
    };
    differ("common name", &seen.common_name, &wanted.common_name);
    differ("organizations", &list(&seen.organizations), &list(&wanted.organizations));
    differ("names", &list(&seen.names), &list(&wanted.names));
    differ("usages", &list(&seen.usages), usages(wanted.usage));
    if let Some(signer) = authority_key(sides, wanted.signer) {
        differ("signed by key", &seen.signer, signer);
    }
    if sides.observed.now + i64::from(wanted.renew_days) * DAY_S >= seen.not_after {
        why.push(format!("it expires within {} days", wanted.renew_days));
    }
    why
}

/// The subject key of the authority that is held now. None while it is being made: everything is issued then.
fn authority_key(sides: Sides<'_>, authority: Authority) -> Option<&str> {
    match sides.trust.holders(Holding::Authority(authority)) {
        Holders::Held(mains) => mains.iter().find_map(|main| {
            let certificate = sides.observed.host(main)?.certificates.get(authority.certificate())?;
            certificate.known().map(|seen| seen.subject_key.as_str())
        }),
        Holders::Nobody { .. } | Holders::Blocked { .. } => None,
    }
}

fn list(items: &BTreeSet<String>) -> String {
    if items.is_empty() { "none".to_owned() } else { items.iter().cloned().collect::<Vec<_>>().join(" ") }
}

const fn usages(usage: Usage) -> &'static str {
    match usage {
        Usage::Server => "server",
        Usage::Client => "client",
        Usage::ServerAndClient => "client server",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Action,
        step::{Budget, Disruption},
        testing::{Lab, authority, ids, node, step, waits},
    };

    const APISERVER: &str = "/etc/kubernetes/pki/apiserver.crt";

    /// Why the apiserver's certificate of main-1 is issued again, after `change`.
    #[track_caller]
    fn check(change: impl FnOnce(&mut Seen), why: &[&str]) {
        let mut lab = Lab::settled(3, 0);
        match lab.host("main-1").certificates.get_mut(APISERVER) {
            Some(Fact::Known(seen)) => change(seen),
            other => panic!("{other:?}"),
        }
        let plan = lab.plan();
        let found: Vec<_> = plan.changes.iter().map(|change| change.why.clone()).collect();
        assert_eq!(found.concat(), why);
        if why.is_empty() {
            return;
        }
        let Action::IssueCertificates { certificates } = &step(&plan, "main-1/certificates").action else { panic!() };
        assert_eq!(certificates.len(), 1);
        assert_eq!(certificates[0].holders, ["main-1", "main-2", "main-3"].map(node));
        assert_eq!(ids(&plan), ["main-1/certificates"], "the apiserver reads it again by itself");
    }

    #[test]
    fn a_certificate_is_issued_again_when_it_says_something_else() {
        check(|seen| seen.common_name = "x".into(), &["common name is x, wanted kube-apiserver"]);
        check(|seen| _ = seen.usages.insert("client".into()), &["usages is client server, wanted server"]);
        check(|seen| seen.signer = "two".into(), &["signed by key is two, wanted Cluster one"]);
        check(|_| {}, &[]);
    }

    #[test]
    fn a_certificate_is_issued_again_before_it_expires() {
        let days = |n: i64| n * DAY_S;
        check(|seen| seen.not_after = days(59), &["it expires within 60 days"]);
        check(|seen| seen.not_after = days(61), &[]);
    }

    #[test]
    fn certificates_in_use_are_renewed_host_by_host() {
        let mut lab = Lab::settled(3, 2);
        for name in ["main-1", "main-2", "work-1"] {
            for seen in lab.host(name).certificates.values_mut() {
                if let Fact::Known(seen) = seen {
                    seen.not_after = DAY_S.max(seen.not_after.min(59 * DAY_S));
                }
            }
        }
        let plan = lab.plan();
        let unit = |name: &str| step(&plan, &format!("{name}/certificates")).unit.clone().unwrap();
        assert_eq!(unit("main-1"), Disruption { node: node("main-1"), budget: Budget::Mains });
        assert_eq!(unit("work-1"), Disruption { node: node("work-1"), budget: Budget::Works });
        assert_eq!(crate::lint::lint(&plan), []);
        let new = Lab::bare(3, 1).plan();
        assert_eq!(step(&new, "work-1/certificates").unit, None, "what is new is in use nowhere");
    }

    #[test]
    fn a_host_whose_clock_is_behind_keeps_the_certificate_that_is_valid_there() {
        let mut lab = Lab::settled(3, 1);
        let apiserver = lab.host("main-1").certificates.get_mut(APISERVER);
        let Some(Fact::Known(seen)) = apiserver else { panic!("{apiserver:?}") };
        seen.not_after = DAY_S;
        lab.host("main-1").facts.clock_offset_ms = -3_600_000;
        assert_eq!(ids(&lab.plan()), ["main-1/certificates"], "it is valid there from an hour ago");
        lab.host("main-1").facts.clock_offset_ms = -3_601_000;
        let plan = lab.plan();
        assert_eq!(ids(&plan), [""; 0]);
        let until = "the clocks of main-1 and this computer agree: it is behind, and a new certificate would not be valid there";
        let told: Vec<&str> = plan.waiting.iter().map(|item| item.until.as_str()).collect();
        assert_eq!(told, [until]);
    }

    #[test]
    fn an_authority_that_ends_soon_is_told_and_holds_nothing_up() {
        let mut lab = Lab::settled(3, 1);
        for main in ["main-1", "main-2", "main-3"] {
            match lab.host(main).certificates.get_mut(Authority::Etcd.certificate()) {
                Some(Fact::Known(seen)) => seen.not_after = AUTHORITY_DAYS * DAY_S,
                other => panic!("{other:?}"),
            }
        }
        let plan = lab.plan();
        assert_eq!(plan.standing(), crate::Standing::InSync);
        let told: Vec<&str> = plan.notes.iter().map(|note| note.about.as_str()).collect();
        assert_eq!(told, ["etcd-ca"]);
        assert_eq!(Lab::settled(3, 1).plan().notes, []);
    }

    #[test]
    fn a_certificate_without_its_key_is_issued_again() {
        let mut lab = Lab::settled(1, 0);
        lab.host("main-1").files.insert("/etc/kubernetes/pki/apiserver.key".into(), Fact::Absent);
        let plan = lab.plan();
        assert_eq!(plan.changes[0].why, ["its private key is gone"]);
    }

    #[test]
    fn nothing_is_issued_while_it_is_not_clear_by_whom() {
        let mut lab = Lab::settled(3, 1);
        lab.host("work-1").certificates.retain(|path, _| path.ends_with("/ca.crt"));
        let two = authority(Authority::Cluster, "two");
        lab.host("main-2").certificates.insert(Authority::Cluster.certificate().into(), Fact::Known(two));
        let plan = lab.plan();
        assert_eq!(ids(&plan), Vec::<&str>::new());
        assert!(plan.waiting.iter().any(|item| item.what.starts_with("work-1/certificate")));
        assert!(waits(&plan, "work-1/trust/ca").unwrap().starts_with("one ca is left"));
    }
}

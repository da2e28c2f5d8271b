//! Certificates: whether one still says what it must, is signed by the authority that is, and lasts.

use std::collections::BTreeSet;

use fmp_core::{
    observed::{Certificate as Seen, Fact},
    resource::{Authority, Certificate, CertificateRequest, Holding, Usage},
};

use super::{Delta, HostView, Sides, Task, Work, trust::Holders};
use crate::{action::CertificateIssue, fact::FactKey, plan::Verb};

const DAY_S: i64 = 24 * 60 * 60;

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

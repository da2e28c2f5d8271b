//! Certificates that are not valid, or will not be for long.

use fmp_core::{NodeName, Severity, observed::Certificate};

use super::{Ailment, Kind, Patient};
use crate::{Step, action::Action, diff::DAY_S};

/// Less than this is left of a certificate that should have been renewed long ago.
const SOON_DAYS: i64 = 14;

pub(super) fn ailments(patient: &Patient<'_>, name: &NodeName) -> Vec<Ailment> {
    let Some(host) = patient.observed.host(name) else { return Vec::new() };
    let known = host.certificates.iter().filter_map(|(path, seen)| Some((path, seen.known()?)));
    known.filter_map(|(path, seen)| ailment(patient, name, path, seen)).collect()
}

fn ailment(patient: &Patient<'_>, name: &NodeName, path: &str, seen: &Certificate) -> Option<Ailment> {
    let now = patient.observed.now;
    let (severity, what, cause) = if seen.not_before > now {
        (Severity::Error, "is not valid yet", "this computer's clock or that of the main that signed it is wrong")
    } else if seen.not_after <= now {
        (Severity::Error, "has expired", "nobody ran `fmp apply` while it could still be renewed in time")
    } else if seen.not_after - now < SOON_DAYS * DAY_S {
        (Severity::Warning, "expires soon", "nobody ran `fmp apply` since it became due")
    } else {
        return None;
    };
    let issues = |step: &Step| {
        let Action::IssueCertificates { certificates } = &step.action else { return false };
        step.node() == Some(name) && certificates.iter().any(|issue| *issue.path == *path)
    };
    let own = format!("{name}/certificate{path}");
    let by_hand = if seen.authority {
        "rotate it: https://kubernetes.io/docs/tasks/tls/manual-rotation-of-ca-certificates/"
    } else {
        "see why the plan does not renew it: `fmp plan`"
    };
    Some(Ailment {
        subject: name.to_string(),
        kind: Kind::Certificate,
        severity,
        what: format!("{path} {what}"),
        evidence: vec![format!("{}: {}", seen.common_name, left(seen, now))],
        cause: cause.to_owned(),
        fix: patient.fix(issues, |what| what == own || what == name.as_str(), || by_hand.to_owned()),
    })
}

/// How far away its validity is. Days, since an observation's moment is in no output.
fn left(seen: &Certificate, now: i64) -> String {
    if seen.not_before > now {
        format!("valid in {} days", (seen.not_before - now) / DAY_S)
    } else if seen.not_after <= now {
        format!("expired {} days ago", (now - seen.not_after) / DAY_S)
    } else {
        format!("{} days left", (seen.not_after - now) / DAY_S)
    }
}

//! Absence by inference: where etcd and the API can't be, although nobody could say so.
//!
//! Programs of the mains tell of both, so a cluster that was never made answers nothing at all. Owns the one conclusion
//! that may be drawn from that silence. A main that does not answer leaves it open: unknown is never absent.

use fmp_core::observed::{Fact, Host, Observed};

use crate::Questions;

/// The unit without which a main has no part in the API.
const APISERVER: &str = "kube-apiserver.service";

/// Completes what was seen, after everybody's part of it was merged: etcd is absent where each main either does not exist
/// or holds no member's data, the API where each does not exist or has no apiserver.
///
/// `ask` has to name every main. What somebody knows stays as it is.
#[must_use]
pub fn infer(mut observed: Observed, ask: &Questions) -> Observed {
    if observed.etcd.known().is_none() && every_main(&observed, ask, |host| !host.etcd_data) {
        observed.etcd = Fact::Absent;
    }
    if observed.api.known().is_none() && every_main(&observed, ask, has_no_apiserver) {
        observed.api = Fact::Absent;
    }
    observed
}

fn has_no_apiserver(host: &Host) -> bool {
    matches!(host.units.get(APISERVER), Some(Fact::Absent))
}

fn every_main(observed: &Observed, ask: &Questions, lacks: impl Fn(&Host) -> bool) -> bool {
    let mut mains = ask.hosts.iter().filter(|(_, asked)| asked.main).peekable();
    let without = |fact: Option<&Fact<Host>>| match fact {
        Some(Fact::Known(host)) => lacks(host),
        Some(Fact::Absent) => true,
        Some(Fact::Unknown(_)) | None => false,
    };
    mains.peek().is_some() && mains.all(|(node, _)| without(observed.hosts.get(node)))
}

#[cfg(test)]
mod tests;

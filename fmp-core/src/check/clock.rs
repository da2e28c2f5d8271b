//! Clocks: kept by a service, and together.

use std::{collections::BTreeMap, fmt};

use super::{CLUSTER, Case, finding};
use crate::{
    Finding, NodeName, Severity,
    observed::{ClockSync, HostFacts},
    profile::{Profile, TimeService},
};

pub(super) fn time_service(case: &Case<'_>) -> Vec<Finding> {
    let fix = "install and enable chrony or systemd-timesyncd, with a server that the host reaches";
    match (case.profile.host.time_service, case.facts.clock_sync) {
        (TimeService::Optional, _) | (TimeService::Required, ClockSync::Synchronised) => Vec::new(),
        (TimeService::Required, ClockSync::Unsynchronised) => {
            case.error(format!("no time service keeps the clock, {} asks for one", case.asks()), fix)
        }
        (TimeService::Required, ClockSync::Unknown) => {
            case.warning("whether a time service keeps the clock can't be seen".to_owned(), fix)
        }
    }
}

/// Hosts whose clocks differ from most others', and all hosts together from this computer.
///
/// Compared with the median, since one wrong clock must not accuse the right ones.
pub(super) fn skew(profile: &Profile, hosts: &BTreeMap<&NodeName, &HostFacts>) -> Vec<Finding> {
    let mut offsets: Vec<i64> = hosts.values().map(|facts| facts.clock_offset_ms).collect();
    offsets.sort_unstable();
    let Some(median) = offsets.len().checked_sub(1).map(|last| offsets[last / 2]) else { return Vec::new() };
    let bound = profile.host.clock_skew_ms;
    let apart = |offset: i64| offset.unsigned_abs() > u64::from(bound);

    let wrong = hosts.iter().map(|(name, facts)| (name, facts.clock_offset_ms - median));
    let wrong = wrong.filter(|(_, offset)| apart(*offset)).map(|(name, offset)| {
        let message = format!("the clock is {} most others, at most {bound} ms are allowed", Apart(offset));
        finding(
            name,
            "clock",
            Severity::Error,
            message,
            "set the clock and see why its time service did not".to_owned(),
        )
    });
    let here = apart(median).then(|| {
        let message = format!("the hosts' clocks are {} this computer's", Apart(median));
        finding(CLUSTER, "clock", Severity::Warning, message, "set this computer's clock".to_owned())
    });
    wrong.chain(here).collect()
}

/// A difference of clocks in milliseconds, in words.
struct Apart(i64);

impl fmt::Display for Apart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = if self.0 < 0 { "behind" } else { "ahead of" };
        write!(f, "{} ms {side}", self.0.unsigned_abs())
    }
}

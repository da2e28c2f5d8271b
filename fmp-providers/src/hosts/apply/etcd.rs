//! Members of etcd: how one is born, and how membership changes.

use std::collections::BTreeMap;

use fmp_core::{NodeName, role::paths::key};
use fmp_exec::{Applied, Failure, FailureKind, Retry};

use super::{Work, nothing};
use crate::{
    hosts::{ETCD_UNIT, ledger},
    transport::Input,
};

const START: &str = include_str!("scripts/etcd.sh");
const MEMBER: &str = include_str!("scripts/member.sh");

/// Starts the host's member on an empty data directory, with a permit for this once.
pub(super) async fn start(
    work: Work<'_>,
    state: &str,
    members: &BTreeMap<NodeName, String>,
) -> Result<Applied, Failure> {
    let members: Vec<String> = members.iter().map(|(node, peer_url)| format!("{node}={peer_url}")).collect();
    let name = ledger::file_name(key::ETCD_MEMBER);
    let unit_name = ledger::file_name(&key::unit(ETCD_UNIT));
    let input = Input::from(members.join(",").as_str());
    work.run(work.host()?, START, &[state, &name, ETCD_UNIT, &unit_name, &work.directories.etcd], input).await
}

/// Changes membership by way of the first main whose etcd answers.
pub(super) async fn change(work: Work<'_>, how: &str, peer_url: &str, id: &str) -> Result<Applied, Failure> {
    let mut failure = nothing("there is no main to ask");
    for main in work.mains() {
        match work.run(main, MEMBER, &[how, peer_url, id], Input::Empty).await {
            Err(error) if may_ask_another(&error) => failure = error,
            answer => return answer,
        }
    }
    Err(failure)
}

/// Whether nothing happened and another main may do better.
pub(super) fn may_ask_another(failure: &Failure) -> bool {
    let elsewhere = match failure.kind {
        FailureKind::Unreachable(_) => true,
        FailureKind::Other(_) | FailureKind::Program { .. } => failure.retry == Retry::Later,
        FailureKind::Lost(_)
        | FailureKind::Torn(_)
        | FailureKind::NoRoom { .. }
        | FailureKind::Undrained { .. }
        | FailureKind::Deadline { .. }
        | FailureKind::Fenced { .. }
        | FailureKind::Bundle(_) => false,
    };
    elsewhere && failure.effect == fmp_exec::Effect::None
}

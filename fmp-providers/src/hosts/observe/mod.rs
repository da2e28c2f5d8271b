//! Observation: one round trip a host, nothing changed, every question answered with a fact.
//!
//! A host is sent its questions and one script ([`ask`]); it answers in sections ([`sections`]), which become
//! [`Host`]. The cluster is asked at the same time, through the mains' own programs ([`crate::cluster`]).

mod answer;
mod ask;
mod facts;
mod health;
mod listeners;
mod packages;
pub(crate) mod sections;
#[cfg(test)]
mod tests;
mod texts;
mod units;
mod volume;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use fmp_core::{
    NodeName,
    observed::{Fact, Host, Observed},
    profile::Directories,
};
use fmp_exec::provider::{HostQuestions, Questions};
use tokio::{task::JoinSet, time::timeout};

use super::{Managed, told, unreachable};
use crate::{
    cluster,
    pki::{self, PkiError},
    transport::{Input, Transport, TransportError},
};

/// A probe takes a quarter of a second; a host that needs a hundred times that is overloaded or hangs on a disk.
const DEADLINE: Duration = Duration::from_secs(30);

/// Reading every byte of the programs takes seconds, minutes on a slow disk.
const DEEP_DEADLINE: Duration = Duration::from_mins(10);

/// Why a host could not be observed.
#[derive(Debug, thiserror::Error)]
enum ObserveError {
    #[error("{}", unreachable(.0))]
    Transport(TransportError),
    #[error("it did not answer within {} s", .0.as_secs())]
    Slow(Duration),
    #[error("the probe ended with status {status}: {stderr}")]
    Probe { status: i32, stderr: String },
    #[error(transparent)]
    Garbled(#[from] sections::Garbled),
    #[error(transparent)]
    Pki(#[from] PkiError),
}

/// Asks all hosts and the cluster at once.
pub(super) async fn observe(
    managed: &BTreeMap<NodeName, Managed>,
    directories: &Directories,
    ask: &Questions,
) -> Observed {
    let nonce = pki::random::<32>().map(|bytes| Arc::<str>::from(pki::hex(&bytes)));
    let mut probes = JoinSet::new();
    let mut hosts = BTreeMap::new();
    for (node, questions) in &ask.hosts {
        let (Some(host), Ok(nonce)) = (managed.get(node), &nonce) else {
            hosts.insert(node.clone(), Fact::Unknown("there is no way to reach it".to_owned()));
            continue;
        };
        let (transport, nonce, deep) = (host.transport.clone(), nonce.clone(), ask.deep);
        let within = host.pace.patience(if deep { DEEP_DEADLINE } else { DEADLINE });
        let (node, questions, directories) = (node.clone(), questions.clone(), directories.clone());
        probes.spawn(async move { (node, probe(&*transport, &questions, &directories, (&nonce, deep), within).await) });
    }
    let mains: Vec<_> = managed.iter().filter(|(node, host)| host.main && ask.hosts.contains_key(*node)).collect();
    let (answers, seen) = tokio::join!(probes.join_all(), cluster::observe(&mains, ask));
    let mut other_keys = BTreeMap::new();
    for (node, answer) in answers {
        if let Err(error) = &answer
            && error.is_another_key()
        {
            other_keys.insert(node.clone(), told(error));
        }
        hosts.insert(node, answer.map_or_else(|error| Fact::Unknown(told(&error)), Fact::Known));
    }
    let not_asked = || Fact::Unknown("hosts don't say which machines there are".to_owned());
    Observed { now: unix_ms() / 1000, machines: not_asked(), hosts, other_keys, etcd: seen.etcd, api: seen.api }
}

impl ObserveError {
    /// Whether somebody answered who is not whom we know.
    fn is_another_key(&self) -> bool {
        match self {
            Self::Transport(error) => error.is_another_key(),
            Self::Slow(_) | Self::Probe { .. } | Self::Garbled(_) | Self::Pki(_) => false,
        }
    }
}

/// Asks one host.
async fn probe(
    transport: &dyn Transport,
    ask: &HostQuestions,
    directories: &Directories,
    (nonce, deep): (&str, bool),
    deadline: Duration,
) -> Result<Host, ObserveError> {
    let script = ask::script(ask, directories, nonce, deep);
    let begun = unix_ms();
    let run = transport.run("sh", &["-c", r#"eval "$(cat)""#], Input::Bytes(script.into_bytes()));
    let output =
        timeout(deadline, run).await.map_err(|_| ObserveError::Slow(deadline))?.map_err(ObserveError::Transport)?;
    if !output.success() {
        return Err(ObserveError::Probe { status: output.status, stderr: output.complaint().into_owned() });
    }
    // A clock that was set back meanwhile makes no range.
    let asked = begun..=unix_ms().max(begun);
    Ok(answer::read(&output.text(), ask, &asked)?)
}

/// The observer's clock in milliseconds since 1970.
pub(super) fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

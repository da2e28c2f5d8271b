//! Watching: one wait on the host, which knows sooner than we could ask.
//!
//! Only etcd's health is asked from here, by a tunnel to its own port, which costs the host nothing.

use std::{collections::BTreeMap, time::Duration};

use fmp_core::{NodeName, resource::Check};
use fmp_exec::{Effect, Failure, FailureKind, Retry, Watched};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use super::{ETCD_UNIT, Managed, apply::not_run};
use crate::transport::{Input, Stream, Transport, TransportError};

const UNIT: &str = include_str!("watch.sh");
const READY: &str = include_str!("ready.sh");

/// A unit starts within seconds; the slowest one waits for another node's step, which may send 100 MB over a slow wire.
const UNIT_S: u64 = 180;

/// The first member is healthy when a second one runs, whose host may still receive its programs.
const ETCD_S: u64 = 300;

/// An apiserver is ready five seconds after its etcd; on a loaded machine ten times that was seen.
const API_S: u64 = 180;

/// A node is Ready when its network is, and flanneld waits for the Node object and its part of the pod range.
const NODE_S: u64 = 300;

/// A machine with firmware that tests its memory takes minutes to boot.
const MACHINE_S: u64 = 600;

/// How often something is asked from here: well below what a person notices.
const PERIOD: Duration = Duration::from_millis(100);

/// A connection that was refused is not tried again at once: each try is a login.
const AGAIN: Duration = Duration::from_secs(1);

/// etcd answers its health within this, or is not healthy: it waits 5 s for a quorum by itself.
const HEALTH: Duration = Duration::from_secs(6);

/// Where etcd tells its health without asking who wants to know: on the host's loopback.
const ETCD_HEALTH_PORT: u16 = 2381;

/// Where etcd serves clients: only once it has a leader.
const ETCD_PORT: u16 = 2379;

/// Where an apiserver serves.
const API_PORT: u16 = 6443;

/// Waits until `check` holds.
pub(super) async fn watch(hosts: &BTreeMap<NodeName, Managed>, check: &Check) -> Result<Watched, Failure> {
    match check {
        Check::UnitActive { node, unit } => Wait::new(hosts, node, UNIT_S)?.unit(unit, None).await,
        Check::Listening { node, unit, port } => Wait::new(hosts, node, UNIT_S)?.unit(unit, Some(*port)).await,
        Check::EtcdHealthy { node } => {
            let wait = Wait::new(hosts, node, ETCD_S)?;
            wait.unit(ETCD_UNIT, Some(ETCD_PORT)).await?;
            wait.etcd().await
        }
        Check::ApiReady { node } => {
            let wait = Wait::new(hosts, node, API_S)?;
            wait.unit("kube-apiserver.service", Some(API_PORT)).await?;
            wait.script("its apiserver to be ready", READY, &["apiserver"], &[]).await
        }
        Check::NodeReady { node } => {
            let wait = Wait::new(hosts, node, NODE_S)?;
            wait.unit("kubelet.service", None).await?;
            wait.node(hosts).await
        }
        Check::MachineUp { node } => Wait::new(hosts, node, MACHINE_S)?.machine().await,
    }
}

/// One wait on one host.
struct Wait<'a> {
    node: &'a NodeName,
    host: &'a Managed,
    limit_s: u64,
    end: Instant,
}

impl<'a> Wait<'a> {
    fn new(hosts: &'a BTreeMap<NodeName, Managed>, node: &'a NodeName, limit_s: u64) -> Result<Self, Failure> {
        let unreachable = || Failure {
            effect: Effect::None,
            retry: Retry::Never,
            kind: FailureKind::Unreachable(node.to_string()),
            source: None,
        };
        let host = hosts.get(node).ok_or_else(unreachable)?;
        let limit = host.pace.patience(Duration::from_secs(limit_s));
        Ok(Self { node, host, limit_s: limit.as_secs(), end: Instant::now() + limit })
    }

    async fn unit(&self, unit: &str, port: Option<u16>) -> Result<Watched, Failure> {
        let port_word = port.map_or_else(|| "-".to_owned(), |port| format!("{port:04X}"));
        let what = port.map_or_else(|| format!("{unit} active"), |port| format!("{unit} active on port {port}"));
        self.script(&what, UNIT, &[unit, &port_word], &[]).await
    }

    /// Runs a script that answers when its wait is over: `before`, the seconds that are left, `after`.
    async fn script(&self, what: &str, script: &str, before: &[&str], after: &[&str]) -> Result<Watched, Failure> {
        self.script_on(&*self.host.transport, what, script, before, after).await
    }

    async fn script_on(
        &self,
        transport: &dyn Transport,
        what: &str,
        script: &str,
        before: &[&str],
        after: &[&str],
    ) -> Result<Watched, Failure> {
        loop {
            let left = self.end.saturating_duration_since(Instant::now()).as_secs().to_string();
            let mut words = vec!["-c", script, "fmp"];
            words.extend(before);
            words.push(&left);
            words.extend(after);
            match self.bounded(transport.run("sh", &words, Input::Empty)).await {
                Some(Ok(output)) => {
                    let text = output.text();
                    return match text.lines().next_back().and_then(|line| line.strip_prefix("fmp\t")) {
                        Some("holds") => Ok(Watched::Holds),
                        Some(last) => Err(self.late(what, last)),
                        None => Err(self.late(what, &output.complaint())),
                    };
                }
                // A wait that was cut off is waited again: it changes nothing.
                Some(Err(error)) if error.is_transient() && Instant::now() + AGAIN < self.end => {
                    tokio::time::sleep(AGAIN).await;
                }
                Some(Err(error)) => return Err(not_run(self.node, error)),
                None => return Err(self.late(what, "the host does not answer")),
            }
        }
    }

    /// The host ends its wait by itself; one that hangs is not waited for much longer.
    async fn bounded<T>(
        &self,
        run: impl Future<Output = Result<T, TransportError>>,
    ) -> Option<Result<T, TransportError>> {
        let left = self.end.saturating_duration_since(Instant::now());
        timeout(left + HEALTH, run).await.ok()
    }

    async fn etcd(&self) -> Result<Watched, Failure> {
        let mut last = "it was not asked".to_owned();
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while Instant::now() < self.end {
            ticks.tick().await;
            last = match timeout(HEALTH, health(&*self.host.transport)).await {
                Ok(Ok(body)) if body.contains("\"health\":\"true\"") => return Ok(Watched::Holds),
                Ok(Ok(body)) => body.lines().next_back().unwrap_or_default().to_owned(),
                Ok(Err(why)) => why,
                Err(_) => "no answer about its health".to_owned(),
            };
        }
        Err(self.late("etcd healthy", &last))
    }

    /// Any main can tell; nodes are spread over them, so that not one of them does all the waiting.
    async fn node(&self, hosts: &BTreeMap<NodeName, Managed>) -> Result<Watched, Failure> {
        let mains: Vec<&Managed> = hosts.values().filter(|host| host.main).collect();
        let from = hosts.keys().position(|name| name == self.node).unwrap_or_default();
        let what = format!("Node {} Ready", self.node);
        let mut failure = self.late(&what, "there is no main to ask");
        for at in 0..mains.len() {
            let main = &*mains[(from + at) % mains.len()].transport;
            match self.script_on(main, &what, READY, &["node"], &[self.node.as_str()]).await {
                Ok(watched) => return Ok(watched),
                Err(error) => failure = error,
            }
            if Instant::now() >= self.end {
                break;
            }
        }
        Err(failure)
    }

    async fn machine(&self) -> Result<Watched, Failure> {
        let mut last = String::new();
        while Instant::now() < self.end {
            match self.bounded(self.host.transport.run("true", &[], Input::Empty)).await {
                Some(Ok(_)) => return Ok(Watched::Holds),
                Some(Err(error)) if !error.is_transient() => return Err(not_run(self.node, error)),
                Some(Err(error)) => last = super::told(&error),
                None => break,
            }
            tokio::time::sleep(AGAIN).await;
        }
        Err(self.late("the machine to answer", &last))
    }

    fn late(&self, what: &str, last: &str) -> Failure {
        let what = format!("{}: {what}", self.node);
        let last = last.chars().take(300).collect();
        Failure {
            effect: Effect::MayHaveHappened,
            retry: Retry::Later,
            kind: FailureKind::Deadline { what, seconds: self.limit_s, last },
            source: None,
        }
    }
}

/// etcd's own word, by HTTP without encryption on the host's loopback.
async fn health(transport: &dyn Transport) -> Result<String, String> {
    let mut stream: Box<dyn Stream> = transport.tunnel(ETCD_HEALTH_PORT).await.map_err(|error| super::told(&error))?;
    let mut body = String::new();
    let request = b"GET /health HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.map_err(|error| error.to_string())?;
    stream.read_to_string(&mut body).await.map_err(|error| error.to_string())?;
    Ok(body)
}

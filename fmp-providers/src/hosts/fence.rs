//! The beginning of a run: what earlier runs still do on a host comes to its end first.
//!
//! A run that was killed leaves commands behind. One that waits for the host's lock is refused once a newer epoch is noted
//! there; one that holds the lock is waited for, and so is a transient unit, which asks nobody. Until then nothing is
//! begun: two runs at once on one resource, or on two voters, is what leases are there to prevent.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use fmp_core::NodeName;
use fmp_exec::Context;
use tokio::{task::JoinSet, time::timeout};

use super::{HostProvider, apply};
use crate::transport::{Input, Transport};

const SCRIPT: &str = include_str!("fence.sh");

/// The longest that is begun and left alone is an image of 300 MB on a slow disk; ours take seconds.
const LIMIT_S: u64 = 120;

/// The host ends its wait by itself; one that hangs is not waited for much longer.
const ANSWER: Duration = Duration::from_secs(LIMIT_S + 10);

/// What a host says of the runs before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fenced {
    /// Nothing of theirs runs, and none of their commands changes anything any more.
    Quiet,
    /// After all the waiting these still run: `fmp-7-work-1-image-…`.
    Still(BTreeSet<String>),
    /// A newer run, of this epoch, has been here.
    Overtaken(u64),
    /// It did not answer, and why.
    Silent(String),
}

impl HostProvider {
    /// Refuses every epoch older than the context's on these hosts, all at once, and waits until nothing of such a run is
    /// under way there, two minutes at most.
    pub async fn fence(&self, cx: &Context, nodes: impl IntoIterator<Item = &NodeName>) -> BTreeMap<NodeName, Fenced> {
        let mut waiting = JoinSet::new();
        for (node, host) in nodes.into_iter().filter_map(|node| Some((node.clone(), self.hosts.get(node)?))) {
            let (transport, epoch) = (host.transport.clone(), cx.epoch);
            waiting.spawn(async move {
                let fenced = fence(&*transport, epoch, &node).await;
                (node, fenced)
            });
        }
        waiting.join_all().await.into_iter().collect()
    }
}

async fn fence(transport: &dyn Transport, epoch: u64, node: &NodeName) -> Fenced {
    let (script, command) = (apply::script(SCRIPT), apply::command(epoch, &format!("{node}/fence")));
    let (epoch, limit) = (epoch.to_string(), LIMIT_S.to_string());
    let words = ["-c", &script, "fmp", &epoch, &command, &limit];
    let run = transport.run("sh", &words, Input::Empty);
    let output = match timeout(ANSWER, run).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Fenced::Silent(super::unreachable(&error)),
        Err(_) => return Fenced::Silent(format!("no answer within {} s", ANSWER.as_secs())),
    };
    let text = output.text();
    let answer = text.lines().next_back().and_then(|line| line.strip_prefix("fmp\t"));
    match answer.map(|answer| answer.split('\t').collect::<Vec<_>>()).as_deref() {
        Some(["quiet"]) => Fenced::Quiet,
        Some(["still", names @ ..]) => Fenced::Still(names.iter().map(|name| (*name).to_owned()).collect()),
        Some(["fenced", newer]) => Fenced::Overtaken(newer.parse().unwrap_or(u64::MAX)),
        Some(_) | None => Fenced::Silent(format!("status {}: {}", output.status, output.complaint())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        hosts::testing::Lab,
        transport::{LocalShell, Transcript},
    };

    fn node() -> NodeName {
        "a".parse().unwrap()
    }

    /// What is made of a host's last line.
    async fn read(answer: &str) -> Fenced {
        let script = apply::script(SCRIPT);
        let words = ["-c", &script, "fmp", "7", "fmp-7-a-fence", "120"];
        let host = Transcript::new().answers("sh", &words, answer);
        let fenced = fence(&host, 7, &node()).await;
        host.finish();
        fenced
    }

    #[tokio::test]
    async fn every_answer_is_understood_or_counts_as_none() {
        assert_eq!(read("fmp\tquiet\n").await, Fenced::Quiet);
        let still = Fenced::Still(["fmp-6-a-files".to_owned(), "fmp-6-a-image-x".to_owned()].into());
        assert_eq!(read("fmp\tstill\tfmp-6-a-files\tfmp-6-a-image-x\n").await, still);
        assert_eq!(read("fmp\tfenced\t9\n").await, Fenced::Overtaken(9));
        assert!(matches!(read("fmp\tsti").await, Fenced::Silent(_)));
        assert!(matches!(read("").await, Fenced::Silent(_)));
    }

    /// systemd with one transient unit of an older run, until a file says that it ended.
    const UNITS: &str = "case $1 in
        list-units) [ -f \"$FMP_ROOT/ended\" ] || echo 'fmp-6-a-image-x.service loaded active running import' ;;
    esac";

    #[tokio::test]
    async fn what_nobody_streams_any_more_is_swept() {
        let lab = Lab::new();
        lab.program("systemctl", "true");
        let (dead, alive) =
            ("/var/lib/fmp/.fmp-tmp-image-999999999", format!("/var/lib/fmp/.fmp-tmp-image-{}", std::process::id()));
        lab.put(dead, "half");
        lab.put(&alive, "half");
        lab.provider.fence(&lab.cx, [&node()]).await;
        assert!(!lab.path("a", dead).exists() && lab.path("a", &alive).exists());
    }

    #[tokio::test]
    async fn what_an_older_run_does_is_waited_for_and_then_refused() {
        let lab = Arc::new(Lab::new());
        lab.program("systemctl", UNITS);
        // A command of an older run in the middle of its change: it holds the lock, and its own file.
        lab.put("/run/fmp/running/fmp-6-a-files.1", "");
        lab.put("/run/fmp/running/fmp-5-a-files.1", "");
        let root = lab.path("a", "");
        let (send, begun) = tokio::sync::oneshot::channel();
        let older = tokio::spawn(async move {
            let script = "cd \"$1\" && exec 8>run/fmp/running/fmp-6-a-files.1 9>run/fmp/lock && flock 8 && flock 9 \
                && touch held && sleep 0.5 && echo change >changed && touch ended";
            let shell = LocalShell::new();
            let words = ["-c", script, "sh", root.to_str().unwrap()];
            let run = shell.run("sh", &words, Input::Empty);
            let _ = send.send(());
            run.await.unwrap()
        });
        begun.await.unwrap();
        while !lab.path("a", "held").exists() {
            tokio::task::yield_now().await;
        }
        let fenced = lab.provider.fence(&lab.cx, [&node()]).await;
        assert_eq!(fenced, [(node(), Fenced::Quiet)].into());
        assert!(lab.path("a", "changed").exists(), "it was waited for");
        assert_eq!(lab.read("/var/lib/fmp/epoch"), "7\n");
        assert!(lab.left("/run/fmp/running").is_empty(), "{:?}", lab.left("/run/fmp/running"));
        older.await.unwrap();
    }

    #[tokio::test]
    async fn a_newer_run_is_not_pushed_aside() {
        let lab = Lab::new();
        lab.put("/var/lib/fmp/epoch", "8\n");
        assert_eq!(lab.provider.fence(&lab.cx, [&node()]).await, [(node(), Fenced::Overtaken(8))].into());
        assert_eq!(lab.read("/var/lib/fmp/epoch"), "8\n");
    }

    #[tokio::test]
    async fn what_does_not_end_is_named() {
        let lab = Lab::new();
        lab.program("systemctl", UNITS);
        let script = apply::script(SCRIPT);
        let words = ["-c", &script, "fmp", "7", "fmp-7-a-fence", "0"];
        let output = lab.provider.hosts[&node()].transport.run("sh", &words, Input::Empty).await.unwrap();
        assert_eq!(output.text(), "fmp\tstill\tfmp-6-a-image-x\n", "{}", output.complaint());
    }
}

//! The lease on one main: a file under `/run`, changed by a script that holds a lock.
//!
//! The newest epoch outlives a reboot, in `/var/lib/fmp/epoch` (its first word); the lease does not. Time is the main's
//! own, by `/proc/uptime`: no clock that somebody sets can lengthen or shorten a lease.

use std::sync::Arc;

use async_trait::async_trait;
use fmp_exec::lease::{Answer, Glance, Holding, LeaseRecord};

use super::lease::{EXPIRY, LeaseStore};
use crate::transport::{Input, Transport};

/// Where the lease lies. Gone after a reboot, as is whatever its holder had running here.
const RUN: &str = "/run/fmp";

/// Where the newest epoch lies.
const STATE: &str = "/var/lib/fmp";

const SCRIPT: &str = concat!(include_str!("../epoch.sh"), include_str!("lease.sh"));

/// The lease on one main, by way of its transport.
#[derive(Debug)]
pub struct HostLease {
    transport: Arc<dyn Transport>,
    run: String,
    state: String,
}

impl HostLease {
    /// The lease on the host behind `transport`.
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self::at(transport, RUN, STATE)
    }

    pub(crate) fn at(transport: Arc<dyn Transport>, run: impl Into<String>, state: impl Into<String>) -> Self {
        Self { transport, run: run.into(), state: state.into() }
    }

    async fn call(&self, verb: &str, record: Option<&LeaseRecord>) -> Result<Reply, String> {
        let expiry = EXPIRY.as_secs().to_string();
        let mut args = vec!["-c".to_owned(), SCRIPT.to_owned(), "fmp-lease".to_owned()];
        args.extend([verb.to_owned(), self.run.clone(), self.state.clone(), expiry]);
        if let Some(LeaseRecord { holder, host, pid, epoch, since, instance }) = record {
            args.extend([epoch.to_string(), pid.to_string(), since.to_string()]);
            args.extend([host, holder, instance].map(|text| word(text)));
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let output = self.transport.run("sh", &args, Input::Empty).await.map_err(|error| error.to_string())?;
        if output.success() {
            parse(&output.text()).ok_or_else(|| format!("an answer that makes no sense: {}", output.text()))
        } else {
            Err(format!("the lease's script ended with {}: {}", output.status, output.complaint()))
        }
    }
}

#[async_trait]
impl LeaseStore for HostLease {
    async fn glance(&self) -> Glance {
        match self.call("glance", None).await {
            Ok(Reply::Free(newest)) => Glance::Free { newest },
            Ok(Reply::Held(holding)) => Glance::Held(holding),
            Ok(other) => Glance::Silent(format!("{other:?} is no answer to a glance")),
            Err(why) => Glance::Silent(why),
        }
    }

    async fn take(&self, record: &LeaseRecord) -> Answer {
        match self.call("take", Some(record)).await {
            Ok(Reply::Granted) => Answer::Granted,
            Ok(Reply::Held(holding)) => Answer::Held(holding),
            Ok(Reply::Overtaken(epoch)) => Answer::Overtaken(epoch),
            Ok(Reply::Free(_)) => Answer::Silent("`free` is no answer to a taker".to_owned()),
            Err(why) => Answer::Silent(why),
        }
    }

    async fn release(&self, record: &LeaseRecord) {
        if let Err(why) = self.call("release", Some(record)).await {
            tracing::debug!(why, "a lease is not given back and runs out");
        }
    }
}

/// What the script prints.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Free(u64),
    Held(Holding),
    Granted,
    Overtaken(u64),
}

fn parse(text: &str) -> Option<Reply> {
    let fields: Vec<&str> = text.trim_end_matches('\n').split('\t').collect();
    Some(match fields[..] {
        ["free", newest] => Reply::Free(newest.parse().ok()?),
        ["granted"] => Reply::Granted,
        ["overtaken", newest] => Reply::Overtaken(newest.parse().ok()?),
        ["held", epoch, age, pid, since, host, holder, instance] => {
            let (epoch, pid, since) = (epoch.parse().ok()?, pid.parse().ok()?, since.parse().ok()?);
            let [host, holder, instance] = [host, holder, instance].map(str::to_owned);
            let record = LeaseRecord { holder, host, pid, epoch, since, instance };
            Reply::Held(Holding { record, age_s: age.parse().ok()? })
        }
        _ => return None,
    })
}

/// A name as one word: the script's file has one on a line, its answer is divided by tabs.
fn word(text: &str) -> String {
    let plain = |c: char| if c.is_whitespace() || c.is_control() { '_' } else { c };
    if text.is_empty() { "-".to_owned() } else { text.chars().map(plain).collect() }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::transport::LocalShell;

    fn main() -> (TempDir, HostLease) {
        let directory = tempfile::tempdir().unwrap();
        let path = |name| directory.path().join(name).to_str().unwrap().to_owned();
        let lease = HostLease::at(Arc::new(LocalShell::new()), path("run"), path("state"));
        (directory, lease)
    }

    fn record(holder: &str, epoch: u64) -> LeaseRecord {
        let pid = holder.bytes().map(u32::from).sum();
        let instance = format!("boot.{pid}");
        LeaseRecord { holder: holder.into(), host: "desk".into(), pid, epoch, since: 1_700_000_000, instance }
    }

    #[tokio::test]
    async fn a_lease_is_taken_renewed_and_given_back() {
        let (_directory, main) = main();
        assert_eq!(main.glance().await, Glance::Free { newest: 0 });
        let ada = record("ada", 1);
        assert_eq!(main.take(&ada).await, Answer::Granted);
        assert_eq!(main.take(&ada).await, Answer::Granted);
        let Glance::Held(holding) = main.glance().await else { panic!("not held") };
        assert_eq!(holding.record, ada);
        main.release(&ada).await;
        assert_eq!(main.glance().await, Glance::Free { newest: 1 });
    }

    #[tokio::test]
    async fn who_comes_second_is_told_who_holds_it() {
        let (_directory, main) = main();
        main.take(&record("ada", 1)).await;
        let Answer::Held(holding) = main.take(&record("bob", 2)).await else { panic!("not held") };
        assert_eq!(holding.record, record("ada", 1));
        main.release(&record("bob", 2)).await;
        assert!(matches!(main.glance().await, Glance::Held(_)), "bob gave back what was not his");
    }

    #[tokio::test]
    async fn another_process_of_the_same_name_and_number_is_another_run() {
        let (_directory, main) = main();
        main.take(&record("ada", 1)).await;
        let twin = LeaseRecord { instance: "elsewhere.1".into(), ..record("ada", 1) };
        assert!(matches!(main.take(&twin).await, Answer::Held(_)));
        main.release(&twin).await;
        assert!(matches!(main.glance().await, Glance::Held(_)));
    }

    #[tokio::test]
    async fn an_older_epoch_is_refused_after_a_newer_one_was_given_back() {
        let (_directory, main) = main();
        main.take(&record("bob", 5)).await;
        main.release(&record("bob", 5)).await;
        assert_eq!(main.take(&record("ada", 4)).await, Answer::Overtaken(5));
        assert_eq!(main.take(&record("ada", 5)).await, Answer::Overtaken(5));
    }

    #[tokio::test]
    async fn a_reboot_takes_the_lease_and_keeps_the_epoch() {
        let (directory, main) = main();
        let ada = record("ada", 3);
        main.take(&ada).await;
        std::fs::remove_dir_all(directory.path().join("run")).unwrap();
        assert_eq!(main.glance().await, Glance::Free { newest: 3 });
        assert_eq!(main.take(&ada).await, Answer::Granted, "its holder may go on");
    }

    #[tokio::test]
    async fn a_lease_runs_out() {
        let (directory, main) = main();
        main.take(&record("ada", 3)).await;
        let path = directory.path().join("run/lease");
        let text = std::fs::read_to_string(&path).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        let long_ago = (lines[2].parse::<i64>().unwrap() - 30).to_string();
        lines[2] = &long_ago;
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        assert_eq!(main.glance().await, Glance::Free { newest: 3 });
        assert_eq!(main.take(&record("bob", 4)).await, Answer::Granted);
    }

    #[test]
    fn a_name_is_one_word() {
        assert_eq!(word("Ada L.\n"), "Ada_L._");
        assert_eq!(word(""), "-");
    }
}

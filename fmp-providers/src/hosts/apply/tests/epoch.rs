//! The newest epoch that a host has heard of never goes back, whoever writes it at the same time.

use std::fs;

use fmp_exec::{
    FailureKind,
    lease::{Answer, LeaseRecord},
};

use super::{Before, Lab, write, writes};
use crate::driver::{lease::LeaseStore as _, lease_host::HostLease};

/// A `sync` that, before the epoch is in place for the first time, lets others do what they like for a second.
const SYNC: &str = "case \"$*\" in *epoch.new)\n\
    if [ ! -e \"$FMP_ROOT/raced\" ]; then\n\
        : >\"$FMP_ROOT/raced\"\n\
        tries=50\n\
        until [ -e \"$FMP_ROOT/over\" ] || [ $tries = 0 ]; do tries=$((tries - 1)); sleep 0.02; done\n\
    fi ;;\nesac\nexec /bin/sync \"$@\"";

#[tokio::test]
async fn a_step_of_an_older_run_beside_a_newer_runs_lease_does_not_take_the_epoch_back() {
    let mut lab = Lab::new();
    lab.program("sync", SYNC);
    let below = |path: &str| lab.path("a", path).to_str().unwrap().to_owned();
    let lease = HostLease::at(lab.transport("a"), below("/run/fmp"), below("/var/lib/fmp"));
    let record = LeaseRecord {
        holder: "bob".into(),
        host: "desk".into(),
        pid: 7,
        epoch: 9,
        since: 1_700_000_000,
        instance: "boot.7".into(),
    };
    let one = lab.text("one\n");
    let (raced, over) = (lab.path("a", "/raced"), lab.path("a", "/over"));
    let older = async {
        while !raced.exists() {
            tokio::task::yield_now().await;
        }
        let applied = lab.apply(writes(vec![write("/etc/one", one, Before::Absent)])).await;
        fs::write(over, "").unwrap();
        applied
    };
    let (taken, applied) = tokio::join!(lease.take(&record), older);
    assert_eq!(taken, Answer::Granted);
    assert_eq!(lab.read("/var/lib/fmp/epoch").split_whitespace().next(), Some("9"));
    let failure = applied.unwrap_err();
    assert!(matches!(failure.kind, FailureKind::Fenced { newer: 9, .. }), "{failure}");
}

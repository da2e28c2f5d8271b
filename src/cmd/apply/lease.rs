//! One run at a time: the lease on the mains.

use std::sync::Arc;

use fmp_core::{
    NodeName,
    observed::{Fact, Observed},
};
use fmp_exec::lease::{LeaseRecord, Refused};
use fmp_providers::{
    driver::{
        lease::{Lease, LeaseStore, Stores},
        lease_host::HostLease,
    },
    simulated::SimLease,
};
use miette::miette;

use super::{others, process};
use crate::{
    output,
    session::{Reach, Session},
};

/// Takes the lease on the mains that exist. Where too few of them can answer before their machines are made or switched on,
/// which the environment knows, it is taken as soon as enough do; not where something of an earlier run still runs, which
/// only a run with an epoch can wait for.
///
/// Whoever held it and is known to be dead does not hold it any more: a run that was killed on this computer keeps the next
/// one waiting for nothing.
pub(crate) async fn acquire(session: &Session, reach: &Reach, observed: &Observed) -> miette::Result<Lease> {
    let is_there = |node: &NodeName| !matches!(observed.hosts.get(node), Some(Fact::Absent));
    let stores = stores(session, reach, is_there);
    let (mine, heard) = (record(observed.now), observed.newest_epoch());
    if stores.is_empty() {
        return Ok(Lease::once_there(self::stores(session, reach, |_| true), mine, heard));
    }
    let refused = match Lease::acquire(stores.clone(), mine.clone(), heard).await {
        Ok(lease) => return Ok(lease),
        Err(refused)
            if refused.ends_with_power(|main| observed.is_off(main))
                && others::still_running(observed).next().is_none() =>
        {
            return Ok(Lease::once_there(stores, mine, heard));
        }
        Err(Refused::Held(holding)) if process::is_dead(holding.record.pid, &holding.record.instance) => holding,
        Err(refused) => return Err(miette!("{refused}")),
    };
    let LeaseRecord { holder, pid, epoch, .. } = &refused.record;
    output::note(&format!("the run of {holder} (process {pid}, epoch {epoch}) was cut off; this one takes over"));
    Lease::bury(&stores, &refused.record).await;
    Lease::acquire(stores, mine, heard).await.map_err(|refused| miette!("{refused}"))
}

fn stores(session: &Session, reach: &Reach, among: impl Fn(&NodeName) -> bool) -> Stores {
    let mains = session.spec.mains().map(|(node, _)| node).filter(|node| among(node));
    let store = |node: &NodeName| -> Arc<dyn LeaseStore> {
        match &reach.world {
            Some(world) => Arc::new(SimLease::new(world.clone(), node.clone())),
            None => Arc::new(HostLease::new(reach.links[node].clone())),
        }
    };
    mains.map(|node| (node.clone(), store(node))).collect()
}

fn record(since: i64) -> LeaseRecord {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    LeaseRecord {
        holder: std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned()),
        host: host.trim().to_owned(),
        pid: std::process::id(),
        epoch: 0,
        since,
        instance: process::instance(),
    }
}

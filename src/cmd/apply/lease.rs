//! One run at a time: the lease on the mains.

use std::sync::Arc;

use fmp_core::observed::{Fact, Observed};
use fmp_exec::lease::LeaseRecord;
use fmp_providers::driver::{
    lease::{Lease, LeaseStore, Stores},
    lease_host::HostLease,
};
use miette::miette;

use crate::session::{Reach, Session};

/// Takes the lease on the mains that exist.
pub(crate) async fn acquire(session: &Session, reach: &Reach, observed: &Observed) -> miette::Result<Lease> {
    let exists = |node: &fmp_core::NodeName| !matches!(observed.hosts.get(node), Some(Fact::Absent));
    let mains = session.spec.mains().map(|(node, _)| node).filter(|node| exists(node));
    let store =
        |node: &fmp_core::NodeName| -> Arc<dyn LeaseStore> { Arc::new(HostLease::new(reach.links[node].clone())) };
    let stores: Stores = mains.map(|node| (node.clone(), store(node))).collect();
    let word = |name: &str| std::env::var(name).unwrap_or_else(|_| "unknown".to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let record = LeaseRecord {
        holder: word("USER"),
        host: host.trim().to_owned(),
        pid: std::process::id(),
        epoch: 0,
        since: observed.now,
    };
    Lease::acquire(stores, record).await.map_err(|refused| miette!("{refused}"))
}

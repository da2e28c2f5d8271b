//! The lease on the mains, kept alive while a run goes on.
//!
//! Owns asking, renewing and giving back. What the answers mean is decided in [`fmp_exec::lease`].

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use fmp_core::NodeName;
use fmp_exec::lease::{Answer, Glance, LeaseRecord, Refused, decide, next_epoch};
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{Instant, MissedTickBehavior, interval, timeout},
};

/// How long a lease lives without renewal: a run that was cut off blocks the next for no longer than this.
pub const EXPIRY: Duration = Duration::from_secs(30);

/// Between two renewals: five may get lost before a lease runs out.
const RENEWAL: Duration = Duration::from_secs(5);

/// How long one main is waited for: beyond two renewals its answer is worth nothing.
const ANSWER: Duration = Duration::from_secs(10);

/// One main's part of a lease.
#[async_trait]
pub trait LeaseStore: Send + Sync + fmt::Debug {
    /// Whether it is free here, and the newest epoch seen.
    async fn glance(&self) -> Glance;

    /// Takes or renews it, and notes the epoch, in one go. It runs out [`EXPIRY`] later by the main's monotonic clock.
    async fn take(&self, record: &LeaseRecord) -> Answer;

    /// Gives it back, if it is this record's.
    async fn release(&self, record: &LeaseRecord);
}

/// The stores of all mains whose machines are not known to be absent.
pub type Stores = BTreeMap<NodeName, Arc<dyn LeaseStore>>;

/// A lease that is held and renewed in the background. Dropping it lets it run out.
#[derive(Debug)]
pub struct Lease {
    stores: Stores,
    record: LeaseRecord,
    lost: watch::Receiver<Option<Refused>>,
    renewal: JoinHandle<()>,
}

impl Lease {
    /// Takes the lease on a majority of the mains, with the next epoch in `record`.
    ///
    /// Without any main there is nothing to protect yet: the epoch is 1, and nothing is renewed.
    ///
    /// # Errors
    /// [`Refused`], naming the holder where one is seen.
    pub async fn acquire(stores: Stores, mut record: LeaseRecord) -> Result<Self, Refused> {
        record.epoch = next_epoch(&glance(&stores).await)?;
        let asked = Instant::now();
        if let Err(refused) = decide(&take(&stores, &record).await) {
            release(&stores, &record).await;
            return Err(refused);
        }
        let (tell, lost) = watch::channel(None);
        let renewal = tokio::spawn(renew(stores.clone(), record.clone(), asked, tell));
        Ok(Self { stores, record, lost, renewal })
    }

    /// Who holds it, with the epoch that hosts are told.
    pub const fn record(&self) -> &LeaseRecord {
        &self.record
    }

    /// Tells when it is lost.
    pub fn lost(&self) -> watch::Receiver<Option<Refused>> {
        self.lost.clone()
    }

    /// Ends the lease of a holder that is known to be dead. Whoever only seems to be must never be ended this way: a lease
    /// that may be renewed runs out, or does not.
    pub async fn bury(stores: &Stores, holder: &LeaseRecord) {
        release(stores, holder).await;
    }

    /// Gives it back.
    pub async fn release(self) {
        self.renewal.abort();
        release(&self.stores, &self.record).await;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

async fn renew(stores: Stores, record: LeaseRecord, mut granted: Instant, tell: watch::Sender<Option<Refused>>) {
    if stores.is_empty() {
        return;
    }
    let mut ticks = interval(RENEWAL);
    // A laptop that slept renews once, not once for each interval that it missed.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let asked = Instant::now();
        match decide(&take(&stores, &record).await) {
            Ok(()) => granted = asked,
            // Silence may pass before the lease runs out; an hour asleep does not.
            Err(Refused::NoMajority { .. }) if granted.elapsed() + RENEWAL < EXPIRY => {}
            Err(refused) => {
                tell.send_replace(Some(refused));
                return;
            }
        }
    }
}

async fn glance(stores: &Stores) -> BTreeMap<NodeName, Glance> {
    ask(
        stores,
        |store| async move { timeout(ANSWER, store.glance()).await.unwrap_or_else(|_| Glance::Silent(no_answer())) },
    )
    .await
}

async fn take(stores: &Stores, record: &LeaseRecord) -> BTreeMap<NodeName, Answer> {
    ask(stores, |store| {
        let record = record.clone();
        async move { timeout(ANSWER, store.take(&record)).await.unwrap_or_else(|_| Answer::Silent(no_answer())) }
    })
    .await
}

/// What is not given back runs out.
async fn release(stores: &Stores, record: &LeaseRecord) {
    ask(stores, |store| {
        let record = record.clone();
        async move { timeout(ANSWER, store.release(&record)).await.unwrap_or_default() }
    })
    .await;
}

fn no_answer() -> String {
    format!("no answer within {} s", ANSWER.as_secs())
}

/// Asks all mains at once.
async fn ask<T, F>(stores: &Stores, question: impl Fn(Arc<dyn LeaseStore>) -> F) -> BTreeMap<NodeName, T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut asked = JoinSet::new();
    for (main, store) in stores {
        let (main, answer) = (main.clone(), question(store.clone()));
        asked.spawn(async move { (main, answer.await) });
    }
    asked.join_all().await.into_iter().collect()
}

//! The lease on the mains, kept alive while a run goes on.
//!
//! Owns asking, renewing and giving back. What the answers mean is decided in [`fmp_exec::lease`].

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use fmp_core::NodeName;
use fmp_exec::{
    Effect, Failure, FailureKind, Retry,
    lease::{Answer, EXPIRY_MS, Glance, LeaseRecord, Refused, covers, decide, next_epoch},
};
use rustix::time::{ClockId, clock_gettime};
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{MissedTickBehavior, interval, timeout},
};

/// How long a lease lives without renewal.
pub const EXPIRY: Duration = Duration::from_millis(EXPIRY_MS);

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

/// A clock, in milliseconds, that goes on while a process or its computer stands still.
type Clock = fn() -> u64;

/// Milliseconds since this computer was booted, those asleep included. Nobody can set it.
fn since_boot_ms() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    let (seconds, nanoseconds) = (time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs());
    seconds * 1_000 + nanoseconds / 1_000_000
}

/// A lease that is held and renewed in the background. Dropping it lets it run out.
#[derive(Debug)]
pub struct Lease {
    stores: Stores,
    record: LeaseRecord,
    hold: Hold,
    renewal: JoinHandle<()>,
}

/// What a run knows of its lease while it goes on.
#[derive(Debug, Clone)]
pub struct Hold {
    pub(super) lost: watch::Receiver<Option<Refused>>,
    /// When it was asked for, the last time that it was granted; none where there is nothing to hold.
    granted_ms: Option<Arc<AtomicU64>>,
    clock: Clock,
}

impl Hold {
    /// Whether a step may begin now: the one place where it is asked, just before its command is sent.
    ///
    /// A process that stood still, or whose computer did, wakes up in the middle of anything and does not know it. Another
    /// run may have taken over meanwhile, and not every host has heard of that one.
    ///
    /// # Errors
    /// The lease may have run out: nothing was sent, and it is to be renewed first.
    pub(super) fn permits(&self) -> Result<(), Failure> {
        match &self.granted_ms {
            Some(granted) if !covers(granted.load(Ordering::SeqCst), (self.clock)()) => {
                let what = "this run stood still for so long that its lease may have run out; it is renewed first";
                let kind = FailureKind::Other(what.to_owned());
                Err(Failure { effect: Effect::None, retry: Retry::Later, kind, source: None })
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Lease {
    /// Takes the lease on a majority of the mains, with the next epoch in `record`.
    ///
    /// Without any main there is nothing to protect yet: the epoch is 1, and nothing is renewed.
    ///
    /// # Errors
    /// [`Refused`], naming the holder where one is seen.
    pub async fn acquire(stores: Stores, record: LeaseRecord) -> Result<Self, Refused> {
        Self::acquire_by(since_boot_ms, stores, record).await
    }

    /// The same by another clock.
    pub(super) async fn acquire_by(clock: Clock, stores: Stores, mut record: LeaseRecord) -> Result<Self, Refused> {
        record.epoch = next_epoch(&glance(&stores).await)?;
        let asked_ms = clock();
        if let Err(refused) = decide(&take(&stores, &record).await) {
            release(&stores, &record).await;
            return Err(refused);
        }
        let (tell, lost) = watch::channel(None);
        let granted_ms = Arc::new(AtomicU64::new(asked_ms));
        let renewal = tokio::spawn(renew(stores.clone(), record.clone(), (clock, granted_ms.clone()), tell));
        let granted_ms = (!stores.is_empty()).then_some(granted_ms);
        Ok(Self { stores, record, hold: Hold { lost, granted_ms, clock }, renewal })
    }

    /// Who holds it, with the epoch that hosts are told.
    pub const fn record(&self) -> &LeaseRecord {
        &self.record
    }

    /// What whoever carries a plan out has to know of it.
    pub fn hold(&self) -> Hold {
        self.hold.clone()
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

async fn renew(
    stores: Stores,
    record: LeaseRecord,
    (clock, granted_ms): (Clock, Arc<AtomicU64>),
    tell: watch::Sender<Option<Refused>>,
) {
    if stores.is_empty() {
        return;
    }
    let mut ticks = interval(RENEWAL);
    // A laptop that slept renews once, not once for each interval that it missed.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let asked_ms = clock();
        match decide(&take(&stores, &record).await) {
            Ok(()) => granted_ms.store(asked_ms, Ordering::SeqCst),
            // Silence may pass before the lease runs out; an hour asleep does not.
            Err(Refused::NoMajority { .. }) if covers(granted_ms.load(Ordering::SeqCst), clock()) => {}
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

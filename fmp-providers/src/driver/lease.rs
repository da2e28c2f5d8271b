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
use fmp_plan::step::Subject;
use rustix::time::{ClockId, clock_gettime};
use tokio::{
    sync::{Mutex, watch},
    task::{JoinHandle, JoinSet},
    time::{Instant, MissedTickBehavior, interval, timeout},
};

/// How long a lease lives without renewal.
pub const EXPIRY: Duration = Duration::from_millis(EXPIRY_MS);

/// Between two renewals: five may get lost before a lease runs out.
const RENEWAL: Duration = Duration::from_secs(5);

/// How long one main is waited for: beyond two renewals its answer is worth nothing.
const ANSWER: Duration = Duration::from_secs(10);

/// Between two looks whether machines that are being made or switched on answer.
const AGAIN: Duration = Duration::from_secs(1);

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

/// The stores of mains, each by its node.
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
    hold: Hold,
    renewal: JoinHandle<()>,
}

/// What a run knows of its lease while it goes on.
#[derive(Debug, Clone)]
pub struct Hold {
    pub(super) lost: watch::Receiver<Option<Refused>>,
    kept: Arc<Kept>,
}

/// What those who hold a lease and those who renew it share.
#[derive(Debug)]
struct Kept {
    stores: Stores,
    /// Without its epoch, which is known once mains have been asked.
    run: LeaseRecord,
    /// The newest epoch that any host was seen with before.
    heard: u64,
    epoch: AtomicU64,
    clock: Clock,
    /// When it was asked for, the last time that it was granted; [`NEVER`] before the first time.
    granted_ms: AtomicU64,
    /// Held by whoever takes it for the first time.
    taking: Mutex<()>,
    tell: watch::Sender<Option<Refused>>,
}

/// Nobody could be asked for the lease yet.
const NEVER: u64 = u64::MAX;

/// How long machines are waited for that are being made or switched on: as long as a watch waits for one to come up.
const MACHINES: Duration = Duration::from_mins(10);

impl Hold {
    fn new(clock: Clock, stores: Stores, record: LeaseRecord, heard: u64) -> Self {
        let (tell, lost) = watch::channel(None);
        let (epoch, granted_ms) = (AtomicU64::new(record.epoch), AtomicU64::new(NEVER));
        let taking = Mutex::new(());
        Self { lost, kept: Arc::new(Kept { stores, run: record, heard, epoch, clock, granted_ms, taking, tell }) }
    }

    /// Whether a step on `subject` may begin now: the one place where it is asked, just before its command is sent.
    ///
    /// A process that stood still, or whose computer did, wakes up in the middle of anything and does not know it. Another
    /// run may have taken over meanwhile, and not every host has heard of that one.
    ///
    /// While no majority of the mains is switched on there is nothing to hold a lease on: then machines are made and
    /// switched on, of which the environment has one of a name, and the first step on a host takes the lease.
    ///
    /// Returns the epoch that the step's command goes out with; 0 where there is none yet and a machine needs none.
    ///
    /// # Errors
    /// The lease may have run out: nothing was sent, and it is to be renewed first. Or another run has it.
    pub(super) async fn permits(&self, subject: &Subject) -> Result<u64, Failure> {
        if !self.kept.was_granted() {
            match subject {
                Subject::Machine(_) => return Ok(0),
                Subject::Host(_) | Subject::Cluster => self.kept.take_first().await?,
            }
        }
        if self.kept.is_covered() {
            return Ok(self.kept.record().epoch);
        }
        let what = "this run stood still for so long that its lease may have run out; it is renewed first";
        Err(not_begun(Retry::Later, what.to_owned()))
    }
}

fn not_begun(retry: Retry, what: String) -> Failure {
    Failure { effect: Effect::None, retry, kind: FailureKind::Other(what), source: None }
}

impl Kept {
    fn was_granted(&self) -> bool {
        self.granted_ms.load(Ordering::SeqCst) != NEVER
    }

    fn is_covered(&self) -> bool {
        covers(self.granted_ms.load(Ordering::SeqCst), (self.clock)())
    }

    fn record(&self) -> LeaseRecord {
        LeaseRecord { epoch: self.epoch.load(Ordering::SeqCst), ..self.run.clone() }
    }

    /// Takes or renews it.
    async fn take(&self) -> Result<(), Refused> {
        let asked_ms = (self.clock)();
        decide(&take(&self.stores, &self.record()).await)?;
        self.granted_ms.store(asked_ms, Ordering::SeqCst);
        Ok(())
    }

    /// Takes it for the first time, once so many machines answer that nobody else can have it as well.
    async fn take_first(&self) -> Result<(), Failure> {
        let _turn = self.taking.lock().await;
        let (mut ticks, end) = (interval(AGAIN), Instant::now() + MACHINES);
        while !self.was_granted() {
            ticks.tick().await;
            match self.ask_in_turn().await {
                Ok(()) => {}
                Err(Refused::NoMajority { .. }) if Instant::now() < end => {}
                Err(refused) => {
                    release(&self.stores, &self.record()).await;
                    let what = refused.to_string();
                    self.tell.send_replace(Some(refused));
                    return Err(not_begun(Retry::Never, what));
                }
            }
        }
        Ok(())
    }

    /// The first main that answers decides before the others are asked: of two runs that ask at once one gets them all, where
    /// each might get a part.
    async fn ask_in_turn(&self) -> Result<(), Refused> {
        // Chosen once: what was granted of it already must not be taken for somebody else's.
        if self.epoch.load(Ordering::SeqCst) == 0 {
            self.epoch.store(next_epoch(&glance(&self.stores).await, self.heard)?, Ordering::SeqCst);
        }
        for (main, store) in &self.stores {
            let one: Stores = [(main.clone(), store.clone())].into();
            match decide(&take(&one, &self.record()).await) {
                Err(Refused::NoMajority { .. }) => {}
                decided => {
                    decided?;
                    break;
                }
            }
        }
        self.take().await
    }
}

impl Lease {
    /// Takes the lease on a majority of the mains, with the next epoch in `record`: after all that they have seen, and after
    /// `heard`, the newest that any host was seen with.
    ///
    /// # Errors
    /// [`Refused`], naming the holder where one is seen.
    pub async fn acquire(stores: Stores, record: LeaseRecord, heard: u64) -> Result<Self, Refused> {
        Self::acquire_by(since_boot_ms, stores, record, heard).await
    }

    /// The same by another clock.
    pub(super) async fn acquire_by(
        clock: Clock,
        stores: Stores,
        mut record: LeaseRecord,
        heard: u64,
    ) -> Result<Self, Refused> {
        record.epoch = next_epoch(&glance(&stores).await, heard)?;
        let hold = Hold::new(clock, stores, record, heard);
        if let Err(refused) = hold.kept.take().await {
            release(&hold.kept.stores, &hold.kept.record()).await;
            return Err(refused);
        }
        Ok(Self::renewed(hold))
    }

    /// The lease of a run that begins before a majority of these mains is switched on: the first step on a host takes it.
    /// `heard` is as for [`Lease::acquire`].
    pub fn once_there(stores: Stores, record: LeaseRecord, heard: u64) -> Self {
        Self::once_there_by(since_boot_ms, stores, record, heard)
    }

    /// The same by another clock.
    pub(super) fn once_there_by(clock: Clock, stores: Stores, mut record: LeaseRecord, heard: u64) -> Self {
        record.epoch = 0;
        Self::renewed(Hold::new(clock, stores, record, heard))
    }

    fn renewed(hold: Hold) -> Self {
        let renewal = tokio::spawn(renew(hold.kept.clone()));
        Self { hold, renewal }
    }

    /// Whether it was taken: so it is, except where it waits for machines.
    pub fn is_taken(&self) -> bool {
        self.hold.kept.was_granted()
    }

    /// Who holds it, with the epoch that hosts are told: 0 before it is taken.
    pub fn record(&self) -> LeaseRecord {
        self.hold.kept.record()
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
        release(&self.hold.kept.stores, &self.hold.kept.record()).await;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

async fn renew(kept: Arc<Kept>) {
    let mut ticks = interval(RENEWAL);
    // A laptop that slept renews once, not once for each interval that it missed.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        if !kept.was_granted() {
            continue;
        }
        match kept.take().await {
            Ok(()) => {}
            // Silence may pass before the lease runs out; an hour asleep does not.
            Err(Refused::NoMajority { .. }) if kept.is_covered() => {}
            Err(refused) => {
                kept.tell.send_replace(Some(refused));
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

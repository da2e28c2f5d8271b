//! The driver with a provider whose answers a test writes.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use fmp_core::{
    Digest, NodeName,
    observed::Observed,
    resource::{Capability, Check},
    spec::Environment,
};
use fmp_exec::{
    Applied, Context, Effect, Failure, FailureKind, Judgement, Provider, Questions, Retry, Task, Watched,
    journal::{self, Header, Line},
    lease::{Answer, Glance, LeaseRecord, Refused},
    merge,
};
use fmp_plan::{Action, Plan, Step, StepId, action::UnitBefore, plan::Basis, step::Subject};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use super::{
    DriveError, Judge, Options, Report,
    lease::{Lease, LeaseStore, Stores},
    run,
};

fn node(name: &str) -> NodeName {
    name.parse().unwrap()
}

fn step(id: &str, host: &str, after: &[&str]) -> Step {
    Step {
        id: StepId::new(id),
        subject: Subject::Host(node(host)),
        action: Action::RestartUnit { unit: "x.service".into(), before: UnitBefore::Active },
        after: after.iter().map(|&id| StepId::new(id)).collect(),
        unit: None,
        disrupts: BTreeSet::new(),
        watch: None,
        reason: String::new(),
    }
}

fn plan(steps: impl IntoIterator<Item = Step>) -> Plan {
    Plan {
        format: fmp_plan::plan::FORMAT,
        cluster: "test".into(),
        environment: Environment::Ssh,
        basis: Basis { spec: Digest::of("spec"), bundle: Digest::of("bundle"), facts: Vec::new() },
        changes: Vec::new(),
        steps: steps.into_iter().collect(),
        waiting: Vec::new(),
        notes: Vec::new(),
        consents: BTreeSet::new(),
        budgets: BTreeMap::new(),
        texts: BTreeMap::new(),
    }
}

/// Every change takes a second; those in `fails` fail so many times first; those in `hangs` never end.
#[derive(Debug, Default)]
struct Scripted {
    fails: Mutex<BTreeMap<&'static str, u32>>,
    hangs: BTreeSet<&'static str>,
    panics: BTreeSet<&'static str>,
    observations: Mutex<u32>,
    begun: Mutex<Vec<String>>,
    epochs: Mutex<Vec<u64>>,
}

impl Provider for Scripted {
    fn claims(&self, subject: &Subject) -> bool {
        matches!(subject, Subject::Host(_) | Subject::Machine(_))
    }

    fn observe<'a>(&'a self, _: &'a Context, _: &'a Questions) -> Task<'a, Observed> {
        *self.observations.lock().unwrap() += 1;
        Box::pin(async { merge::nothing() })
    }

    fn apply<'a>(&'a self, cx: &'a Context, step: &'a Step) -> Task<'a, Result<Applied, Failure>> {
        Box::pin(async move {
            self.epochs.lock().unwrap_or_else(PoisonError::into_inner).push(cx.epoch);
            self.begun.lock().unwrap_or_else(PoisonError::into_inner).push(step.id.to_string());
            sleep(Duration::from_secs(1)).await;
            let id = step.id.as_str();
            assert!(!self.panics.contains(id), "{id} panics");
            if self.hangs.contains(id) {
                std::future::pending::<()>().await;
            }
            let mut fails = self.fails.lock().unwrap_or_else(PoisonError::into_inner);
            match fails.get_mut(id) {
                Some(left) if *left > 0 => {
                    *left -= 1;
                    let kind = FailureKind::Unreachable("n".into());
                    Err(Failure { effect: Effect::None, retry: Retry::Later, kind, source: None })
                }
                _ => Ok(Applied::Done),
            }
        })
    }

    fn watch<'a>(&'a self, _: &'a Context, _: &'a Check) -> Task<'a, Result<Watched, Failure>> {
        Box::pin(async { Ok(Watched::Holds) })
    }
}

/// Lets one step at a time disrupt.
struct OneAtATime;

impl Judge for OneAtATime {
    fn questions(&self, _: &[&Step]) -> Questions {
        Questions::default()
    }

    fn judge(&self, _: &Observed, _: &Step, in_flight: &[&Step]) -> Judgement {
        match in_flight {
            [] => Judgement::Ready,
            [one, ..] => Judgement::Unsafe(format!("{} is in flight", one.id)),
        }
    }
}

/// Nobody who asks to stop.
fn options() -> Options {
    Options::new(mpsc::channel(1).1)
}

async fn drive(plan: &Plan, provider: Scripted, options: Options) -> Report {
    let providers: [Arc<dyn Provider>; 1] = [Arc::new(provider)];
    run(plan, &providers, Context::default(), &OneAtATime, options, &mut |_| {}).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn steps_of_different_hosts_run_side_by_side() {
    let plan = plan([step("a", "a", &[]), step("b", "b", &[]), step("c", "c", &["a", "b"])]);
    let report = drive(&plan, Scripted::default(), options()).await;
    assert!(report.outcome.complete());
    assert_eq!(report.took.as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again() {
    let provider = Scripted { fails: Mutex::new([("a", 3)].into()), ..Scripted::default() };
    let report = drive(&plan([step("a", "a", &[])]), provider, options()).await;
    assert!(report.outcome.complete());
    assert_eq!(report.took, Duration::from_millis(4 * 1000 + 500 + 1000 + 2000));
}

#[tokio::test(start_paused = true)]
async fn steps_that_are_judged_together_count_each_other() {
    let disrupting = |id| Step { disrupts: [Capability::Pods(node(id))].into(), ..step(id, id, &[]) };
    let provider = Arc::new(Scripted::default());
    let providers: [Arc<dyn Provider>; 1] = [provider.clone()];
    let plan = plan([disrupting("a"), disrupting("b"), disrupting("c")]);
    let report = run(&plan, &providers, Context::default(), &OneAtATime, options(), &mut |_| {}).await.unwrap();
    assert!(report.outcome.complete());
    assert!(report.took >= Duration::from_secs(3), "{:?}", report.took);
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_panics_fails_its_step_alone() {
    let provider = Scripted { panics: ["a"].into(), ..Scripted::default() };
    let report = drive(&plan([step("a", "a", &[]), step("b", "b", &[])]), provider, options()).await;
    assert_eq!(report.outcome.failed[0].why.effect, Effect::MayHaveHappened);
    assert_eq!(report.outcome.done, [StepId::new("b")]);
}

#[tokio::test]
async fn a_subject_without_a_provider_is_refused_before_the_first_step() {
    let plan = plan([Step { subject: Subject::Cluster, ..step("a", "a", &[]) }]);
    let providers: [Arc<dyn Provider>; 1] = [Arc::new(Scripted::default())];
    let refused = run(&plan, &providers, Context::default(), &OneAtATime, options(), &mut |_| {}).await;
    assert!(matches!(refused, Err(DriveError::NoProvider(Subject::Cluster))));
}

#[tokio::test]
async fn a_subject_with_two_providers_is_refused_before_the_first_step() {
    let one = || Arc::new(Scripted::default()) as Arc<dyn Provider>;
    let plan = plan([step("a", "a", &[])]);
    let refused = run(&plan, &[one(), one()], Context::default(), &OneAtATime, options(), &mut |_| {}).await;
    assert!(matches!(refused, Err(DriveError::ManyProviders { claims: 2, .. })));
}

#[tokio::test(start_paused = true)]
async fn who_asks_to_stop_waits_no_longer_than_patience() {
    let (stop, interrupts) = mpsc::channel(1);
    let provider = Scripted { hangs: ["a"].into(), ..Scripted::default() };
    tokio::spawn(async move {
        sleep(Duration::from_secs(5)).await;
        stop.send(()).await.unwrap();
    });
    let plan = plan([step("a", "a", &[]), step("b", "b", &[]), step("c", "a", &["a"])]);
    let report = drive(&plan, provider, Options::new(interrupts)).await;
    assert_eq!(report.outcome.in_flight[0].step, StepId::new("a"));
    assert_eq!(report.outcome.not_begun[0].step, StepId::new("c"));
    assert_eq!(report.took, Duration::from_secs(5) + super::PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn the_journal_holds_the_run() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    let header = Header {
        format: journal::FORMAT,
        cluster: "test".into(),
        plan: Digest::of("plan"),
        epoch: 3,
        began: 1_700_000_000,
    };
    let options = Options { journal: Some((path.clone(), header.clone())), ..options() };
    let report = drive(&plan([step("a", "a", &[])]), Scripted::default(), options).await;
    assert!(report.journal.is_none());
    let lines = journal::read(&std::fs::read_to_string(path).unwrap());
    assert_eq!(lines[0], Line::Run(header));
    assert_eq!(lines.len(), 6, "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_can_not_be_written_stops_nothing() {
    let header = Header {
        format: journal::FORMAT,
        cluster: "test".into(),
        plan: Digest::of("plan"),
        epoch: 3,
        began: 1_700_000_000,
    };
    let options = Options { journal: Some(("/nowhere/journal".into(), header)), ..options() };
    let report = drive(&plan([step("a", "a", &[])]), Scripted::default(), options).await;
    assert!(report.journal.is_some());
    assert!(report.outcome.complete());
}

/// A main in memory that a test can silence.
#[derive(Debug, Default)]
struct Main(Mutex<(Option<LeaseRecord>, u64, bool)>);

impl Main {
    fn silence(&self) {
        self.0.lock().unwrap().2 = true;
    }
}

#[async_trait::async_trait]
impl LeaseStore for Main {
    async fn glance(&self) -> Glance {
        match &*self.0.lock().unwrap() {
            (_, _, true) => Glance::Silent("off".into()),
            (Some(record), ..) => Glance::Held(fmp_exec::lease::Holding { record: record.clone(), age_s: 1 }),
            (None, newest, _) => Glance::Free { newest: *newest },
        }
    }

    async fn take(&self, record: &LeaseRecord) -> Answer {
        let (held, newest, silent) = &mut *self.0.lock().unwrap();
        if *silent {
            return Answer::Silent("off".into());
        }
        match held {
            Some(other) if other != record => {
                Answer::Held(fmp_exec::lease::Holding { record: other.clone(), age_s: 1 })
            }
            None if record.epoch <= *newest => Answer::Overtaken(*newest),
            _ => {
                (*held, *newest) = (Some(record.clone()), record.epoch.max(*newest));
                Answer::Granted
            }
        }
    }

    async fn release(&self, record: &LeaseRecord) {
        let held = &mut self.0.lock().unwrap().0;
        if held.as_ref() == Some(record) {
            *held = None;
        }
    }
}

thread_local! {
    /// How long this test's computer has stood still, in milliseconds.
    static STOOD_STILL_MS: Cell<u64> = const { Cell::new(0) };
    static BEGAN: Instant = Instant::now();
}

/// A clock that goes on while nothing else does.
fn clock_ms() -> u64 {
    let passed = BEGAN.with(Instant::elapsed);
    u64::try_from(passed.as_millis()).unwrap() + STOOD_STILL_MS.get()
}

fn record(holder: &str) -> LeaseRecord {
    let instance = format!("boot.{holder}");
    LeaseRecord { holder: holder.into(), host: "desk".into(), pid: 7, epoch: 0, since: 1_700_000_000, instance }
}

fn mains() -> (Vec<Arc<Main>>, Stores) {
    let mains: Vec<Arc<Main>> = (0..3).map(|_| Arc::default()).collect();
    let stores = mains.iter().zip(1..).map(|(main, n)| (node(&format!("main-{n}")), main.clone() as _)).collect();
    (mains, stores)
}

#[tokio::test(start_paused = true)]
async fn one_run_at_a_time_and_the_epoch_grows() {
    let (_, stores) = mains();
    let first = Lease::acquire_by(clock_ms, stores.clone(), record("ada"), 0).await.unwrap();
    let refused = Lease::acquire_by(clock_ms, stores.clone(), record("bob"), 0).await.unwrap_err();
    assert!(matches!(&refused, Refused::Held(holding) if holding.record.holder == "ada"), "{refused}");
    first.release().await;
    let second = Lease::acquire_by(clock_ms, stores.clone(), record("bob"), 0).await.unwrap();
    assert_eq!(second.record().epoch, 2);
    second.release().await;
    assert_eq!(Lease::acquire_by(clock_ms, stores, record("eve"), 30).await.unwrap().record().epoch, 31);
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_stops_the_run() {
    let (mains, stores) = mains();
    let lease = Lease::acquire_by(clock_ms, stores, record("ada"), 0).await.unwrap();
    let options = Options { lease: Some(lease.hold()), ..options() };
    mains[0].silence();
    mains[1].silence();
    let provider = Scripted { hangs: ["a"].into(), ..Scripted::default() };
    let report = drive(&plan([step("a", "a", &[])]), provider, options).await;
    assert!(matches!(report.lease_lost, Some(Refused::NoMajority { .. })));
    assert!(report.took < Duration::from_secs(30) + super::PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn a_lease_survives_one_silent_main() {
    let (mains, stores) = mains();
    let lease = Lease::acquire_by(clock_ms, stores, record("ada"), 0).await.unwrap();
    mains[0].silence();
    sleep(Duration::from_mins(10)).await;
    assert_eq!(*lease.hold().lost.borrow(), None);
}

/// A run of two steps whose computer stands still for ten minutes during the first one, having done `meanwhile`.
async fn woken(stores: Stores, meanwhile: impl FnOnce() + Send + 'static) -> (Report, Vec<String>) {
    let lease = Lease::acquire_by(clock_ms, stores, record("ada"), 0).await.unwrap();
    let options = Options { lease: Some(lease.hold()), ..options() };
    let provider = Arc::new(Scripted::default());
    let providers: [Arc<dyn Provider>; 1] = [provider.clone()];
    let plan = plan([step("a", "a", &[]), step("b", "b", &["a"])]);
    let sleeps = async {
        sleep(Duration::from_millis(500)).await;
        STOOD_STILL_MS.set(STOOD_STILL_MS.get() + 600_000);
        meanwhile();
    };
    let mut sink = |_: &fmp_exec::Progress| {};
    let (report, ()) =
        tokio::join!(run(&plan, &providers, Context::default(), &OneAtATime, options, &mut sink), sleeps);
    let begun = provider.begun.lock().unwrap().clone();
    (report.unwrap(), begun)
}

#[tokio::test(start_paused = true)]
async fn a_run_that_stood_still_begins_nothing_before_its_lease_is_renewed() {
    let (report, begun) = woken(mains().1, || {}).await;
    assert!(report.outcome.complete());
    assert_eq!(begun, ["a", "b"]);
    assert!(report.took >= Duration::from_secs(5), "it waited for the renewal: {:?}", report.took);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_stood_still_and_was_overtaken_begins_nothing_more() {
    let (mains, stores) = mains();
    let overtakes = move || {
        for main in &mains {
            main.0.lock().unwrap().0 = Some(LeaseRecord { epoch: 2, ..record("bob") });
        }
    };
    let (report, begun) = woken(stores, overtakes).await;
    assert_eq!(begun, ["a"]);
    assert!(matches!(&report.lease_lost, Some(Refused::Held(holding)) if holding.record.holder == "bob"));
}

/// A run that begins before a main answers, by `holder`: it makes a machine and then does something there. Its steps and
/// their epochs.
async fn first(stores: Stores, holder: &str) -> (Report, Vec<String>, Vec<u64>) {
    let lease = Lease::once_there_by(clock_ms, stores, record(holder), 0);
    let options = Options { lease: Some(lease.hold()), ..options() };
    let provider = Arc::new(Scripted::default());
    let providers: [Arc<dyn Provider>; 1] = [provider.clone()];
    let machine = Step { subject: Subject::Machine(node("main-1")), ..step("machine", "main-1", &[]) };
    let plan = plan([machine, step("trust", "main-1", &["machine"])]);
    let report = run(&plan, &providers, Context::default(), &OneAtATime, options, &mut |_| {}).await.unwrap();
    let begun = provider.begun.lock().unwrap().clone();
    let epochs = provider.epochs.lock().unwrap().clone();
    sleep(Duration::from_mins(2)).await;
    assert_eq!(lease.hold().lost.borrow().is_some(), report.lease_lost.is_some(), "it is renewed");
    (report, begun, epochs)
}

#[tokio::test(start_paused = true)]
async fn of_two_first_runs_one_gets_the_lease_once_machines_are_made_and_the_other_is_told_who() {
    let (mains, stores) = mains();
    mains.iter().for_each(|main| main.silence());
    let made = async {
        for main in mains.iter().rev() {
            sleep(Duration::from_secs(20)).await;
            main.0.lock().unwrap().2 = false;
        }
    };
    let (ada, bob, ()) = tokio::join!(first(stores.clone(), "ada"), first(stores, "bob"), made);
    let (won, lost) = if ada.0.outcome.complete() { (ada, bob) } else { (bob, ada) };
    assert_eq!((won.1, lost.1), (vec!["machine".to_owned(), "trust".to_owned()], vec!["machine".to_owned()]));
    assert!(won.0.outcome.complete() && won.0.took > Duration::from_secs(40), "{:?}", won.0.took);
    assert!(matches!(lost.0.lease_lost, Some(Refused::Held(_))), "{:?}", lost.0.lease_lost);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_switches_mains_on_goes_on_with_the_epoch_after_the_newest_that_they_have_seen() {
    let (mains, stores) = mains();
    mains.iter().for_each(|main| *main.0.lock().unwrap() = (None, 5, true));
    let switched_on = async {
        sleep(Duration::from_secs(20)).await;
        mains.iter().take(2).for_each(|main| main.0.lock().unwrap().2 = false);
    };
    let ((report, begun, epochs), ()) = tokio::join!(first(stores, "ada"), switched_on);
    assert!(report.outcome.complete(), "{:?}", report.outcome);
    assert_eq!((begun, epochs), (vec!["machine".to_owned(), "trust".to_owned()], vec![0, 6]));
}

/// A main that falls silent when it is asked for the lease for the first time.
#[derive(Debug, Default)]
struct Faltering(Main, AtomicBool);

#[async_trait::async_trait]
impl LeaseStore for Faltering {
    async fn glance(&self) -> Glance {
        self.0.glance().await
    }

    async fn take(&self, record: &LeaseRecord) -> Answer {
        if self.1.swap(true, Ordering::SeqCst) { self.0.take(record).await } else { Answer::Silent("off".into()) }
    }

    async fn release(&self, record: &LeaseRecord) {
        self.0.release(record).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_got_a_part_of_its_first_lease_is_not_held_up_by_itself() {
    let (_, mut stores) = mains();
    stores.insert(node("main-2"), Arc::new(Faltering::default()));
    stores.insert(node("main-3"), Arc::new(Faltering::default()));
    let (report, begun, epochs) = first(stores, "ada").await;
    assert!(report.outcome.complete(), "{:?}", report.lease_lost);
    assert_eq!((begun.len(), epochs), (2, vec![0, 1]));
}

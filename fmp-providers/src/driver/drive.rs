//! The loop: commands become tasks, their ends become events.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    sync::Arc,
    time::Duration,
};

use fmp_core::observed::Observed;
use fmp_exec::{
    Command, Context, Effect, Event, Executor, FailureSummary, Millis, Outcome, PlanError, Progress, Retry, StepAt,
    Watched, lease::Refused,
};
use fmp_plan::{Plan, Step};
use tokio::{
    sync::mpsc,
    task::{Id, JoinError, JoinSet},
    time::{Instant, sleep_until},
};

use super::{Judge, Options, Report, journal::Journal, lease::Hold, routes::Routes};

/// One run under way.
pub(super) struct Drive<'a> {
    plan: &'a Plan,
    routes: Routes,
    cx: Arc<Context>,
    judge: &'a dyn Judge,
    sink: &'a mut (dyn FnMut(&Progress) + Send),
    executor: Executor,
    journal: Journal,
    started: Instant,
    tasks: JoinSet<Answer>,
    /// Which steps a task is about.
    about: BTreeMap<Id, Vec<StepAt>>,
    /// Steps whose change is being made or watched.
    in_flight: BTreeSet<StepAt>,
    /// Steps that wait for an observation that begins after they asked.
    to_judge: BTreeSet<StepAt>,
    observing: bool,
    wake: Option<Instant>,
    interrupts: mpsc::Receiver<()>,
    patience: Duration,
    /// When nobody is waited for any more.
    deadline: Option<Instant>,
    lease: Option<Hold>,
    lease_lost: Option<Refused>,
}

/// What a task brings home.
enum Answer {
    Happened(Event),
    Seen(Box<Observed>),
}

/// What ends the wait of the loop.
enum Woken {
    Task(Result<(Id, Answer), JoinError>),
    Time,
    Person,
    Impatience,
    LeaseLost(Refused),
}

impl<'a> Drive<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        routes: Routes,
        cx: Context,
        judge: &'a dyn Judge,
        options: Options,
        sink: &'a mut (dyn FnMut(&Progress) + Send),
    ) -> Result<Self, PlanError> {
        Ok(Self {
            plan,
            routes,
            cx: Arc::new(cx),
            judge,
            sink,
            executor: Executor::new(plan, options.limits)?,
            journal: Journal::open(options.journal),
            started: Instant::now(),
            tasks: JoinSet::new(),
            about: BTreeMap::new(),
            in_flight: BTreeSet::new(),
            to_judge: BTreeSet::new(),
            observing: false,
            wake: None,
            interrupts: options.interrupts,
            patience: options.patience,
            deadline: None,
            lease: options.lease,
            lease_lost: None,
        })
    }

    pub(super) async fn finish(mut self) -> Report {
        let mut outcome = self.feed(Event::Started);
        while outcome.is_none() {
            self.observe_if_asked();
            outcome = match self.next().await {
                Woken::Task(joined) => self.joined(joined),
                Woken::Time => {
                    self.wake = None;
                    self.feed(Event::Wake)
                }
                Woken::Person | Woken::Impatience => self.interrupt(),
                Woken::LeaseLost(why) => {
                    self.lease_lost = Some(why);
                    self.interrupt()
                }
            };
        }
        Report {
            outcome: outcome.unwrap_or_default(),
            journal: self.journal.problem(),
            lease_lost: self.lease_lost,
            took: self.started.elapsed(),
        }
    }

    async fn next(&mut self) -> Woken {
        tokio::select! {
            biased;
            () = person(&mut self.interrupts) => Woken::Person,
            why = lost(self.lease.as_mut()), if self.lease_lost.is_none() => Woken::LeaseLost(why),
            Some(joined) = self.tasks.join_next_with_id() => Woken::Task(joined),
            () = at(self.deadline) => Woken::Impatience,
            () = at(self.wake) => Woken::Time,
        }
    }

    fn interrupt(&mut self) -> Option<Outcome> {
        self.deadline = Some(Instant::now() + self.patience);
        self.feed(Event::Interrupt)
    }

    fn joined(&mut self, joined: Result<(Id, Answer), JoinError>) -> Option<Outcome> {
        let id = joined.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
        let steps = self.about.remove(&id).unwrap_or_default();
        match joined {
            Ok((_, Answer::Happened(event))) => self.happened(event),
            Ok((_, Answer::Seen(observed))) => self.judge_all(&steps, &observed),
            Err(error) => self.panicked(&steps, &error),
        }
    }

    fn happened(&mut self, event: Event) -> Option<Outcome> {
        if let Event::Applied(step, _) | Event::Watched(step) | Event::Failed(step, _) = &event {
            self.in_flight.remove(step);
        }
        self.feed(event)
    }

    /// One after the other, so that each counts the ones before it among those in flight.
    fn judge_all(&mut self, steps: &[StepAt], observed: &Observed) -> Option<Outcome> {
        self.observing = false;
        let mut outcome = None;
        for &at in steps {
            let in_flight: Vec<&Step> = self.in_flight.iter().map(|at| self.step(*at)).collect();
            let judgement = self.judge.judge(observed, self.step(at), &in_flight);
            outcome = outcome.or(self.feed(Event::Judged(at, judgement)));
        }
        outcome
    }

    /// A provider that panics is a bug of ours; the run names it and goes on elsewhere.
    fn panicked(&mut self, steps: &[StepAt], error: &JoinError) -> Option<Outcome> {
        // Of the two kinds of tasks, an observation is about steps that are not in flight yet.
        self.observing &= steps.iter().any(|step| self.in_flight.contains(step));
        let mut outcome = None;
        for &step in steps {
            let why = FailureSummary {
                effect: Effect::MayHaveHappened,
                retry: Retry::Never,
                what: "the provider gave up in the middle, which is a mistake in FMP; please report it".to_owned(),
                causes: vec![error.to_string()],
            };
            outcome = outcome.or(self.happened(Event::Failed(step, why)));
        }
        outcome
    }

    fn feed(&mut self, event: Event) -> Option<Outcome> {
        let (mut news, mut outcome) = (Vec::new(), None);
        for command in self.executor.on(self.now(), event) {
            match command {
                Command::Judge(step) => _ = self.to_judge.insert(step),
                Command::Apply(step) => self.apply(step),
                Command::Watch(step) => self.watch(step),
                Command::Wake(at) => self.wake = Some(self.started + Duration::from_millis(at.0)),
                Command::Tell(progress) => {
                    (self.sink)(&progress);
                    news.push(progress);
                }
                Command::Finish(end) => outcome = Some(end),
            }
        }
        self.journal.write(&news);
        outcome
    }

    fn apply(&mut self, at: StepAt) {
        self.in_flight.insert(at);
        let (step, cx) = (self.step(at).clone(), self.cx.clone());
        let (provider, lease) = (self.routes.of(&step.subject), self.lease.clone());
        self.spawn(vec![at], async move {
            let permitted = match &lease {
                Some(lease) => lease.permits(&step.subject).await,
                None => Ok(cx.epoch),
            };
            let applied = match permitted {
                Ok(epoch) => provider.apply(&Context { epoch, ..(*cx).clone() }, &step).await,
                Err(failure) => Err(failure),
            };
            Answer::Happened(match applied {
                Ok(applied) => Event::Applied(at, applied),
                Err(failure) => Event::Failed(at, FailureSummary::from(&failure)),
            })
        });
    }

    fn watch(&mut self, at: StepAt) {
        self.in_flight.insert(at);
        let (step, cx) = (self.step(at), self.cx.clone());
        let (check, provider) = (step.watch.clone(), self.routes.of(&step.subject));
        self.spawn(vec![at], async move {
            let Some(check) = check else { return Answer::Happened(Event::Watched(at)) };
            Answer::Happened(match provider.watch(&cx, &check).await {
                Ok(Watched::Holds) => Event::Watched(at),
                Err(failure) => Event::Failed(at, FailureSummary::from(&failure)),
            })
        });
    }

    /// One observation at a time, for all that asked before it begins.
    fn observe_if_asked(&mut self) {
        if self.observing || self.to_judge.is_empty() {
            return;
        }
        self.observing = true;
        let asked: Vec<StepAt> = std::mem::take(&mut self.to_judge).into_iter().collect();
        let steps: Vec<&Step> = asked.iter().map(|at| self.step(*at)).collect();
        let (ask, cx, providers) = (self.judge.questions(&steps), self.cx.clone(), self.routes.all.clone());
        self.spawn(asked, async move { Answer::Seen(Box::new(super::observe(&providers, &cx, &ask).await)) });
    }

    fn spawn(&mut self, about: Vec<StepAt>, task: impl Future<Output = Answer> + Send + 'static) {
        let id = self.tasks.spawn(task).id();
        self.about.insert(id, about);
    }

    fn step(&self, at: StepAt) -> &'a Step {
        &self.plan.steps[at.index()]
    }

    fn now(&self) -> Millis {
        Millis(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}

/// Nobody who could ask to stop is somebody who never does.
async fn person(interrupts: &mut mpsc::Receiver<()>) {
    if interrupts.recv().await.is_none() {
        pending::<()>().await;
    }
}

async fn lost(lease: Option<&mut Hold>) -> Refused {
    if let Some(lease) = lease
        && let Ok(why) = lease.lost.wait_for(Option::is_some).await
        && let Some(why) = &*why
    {
        return why.clone();
    }
    pending().await
}

//! Plans made of a few words, and a world that answers in an order that a test chooses.

use std::{collections::BTreeMap, sync::Arc};

use fmp_core::{
    Digest, NodeName,
    resource::{Capability, Check},
    spec::Environment,
};
use fmp_plan::{
    Action, Plan, Step, StepId,
    action::{Before, UnitBefore},
    plan::Basis,
    step::{Budget, Disruption, Subject},
};

use crate::{
    Applied, Command, Effect, Event, Executor, FailureSummary, Judgement, Limits, Millis, Outcome, Retry, StepAt,
    progress::News,
};

pub(super) fn node(name: &str) -> NodeName {
    name.parse().unwrap()
}

/// A step on `host` that restarts a unit.
pub(super) fn step(id: &str, host: &str, after: &[&str]) -> Step {
    Step {
        id: StepId::new(id),
        subject: Subject::Host(node(host)),
        action: Action::RestartUnit { unit: "x.service".into(), before: UnitBefore::Active },
        after: after.iter().map(|&id| StepId::new(id)).collect(),
        unit: None,
        disrupts: [].into(),
        watch: None,
        reason: String::new(),
    }
}

pub(super) trait StepExt {
    fn upload(self) -> Self;
    fn watched(self) -> Self;
    fn disrupts(self) -> Self;
    fn unit(self, node: &str, budget: Budget) -> Self;
}

impl StepExt for Step {
    fn upload(self) -> Self {
        let (name, path): (Arc<str>, Arc<str>) = ("x".into(), "/x".into());
        let action = Action::Upload { name, digest: Digest::of("x"), path, bytes: 1, before: Before::Absent };
        Self { action, ..self }
    }

    fn watched(self) -> Self {
        let node = self.subject.node().unwrap().clone();
        Self { watch: Some(Check::NodeReady { node }), ..self }
    }

    fn disrupts(self) -> Self {
        let pods = Capability::Pods(self.subject.node().unwrap().clone());
        Self { disrupts: [pods].into(), ..self }
    }

    fn unit(self, name: &str, budget: Budget) -> Self {
        Self { unit: Some(Disruption { node: node(name), budget }), ..self }
    }
}

pub(super) fn plan(steps: impl IntoIterator<Item = Step>) -> Plan {
    Plan {
        format: fmp_plan::plan::FORMAT,
        cluster: "test".into(),
        environment: Environment::Ssh,
        basis: Basis { spec: Digest::of("spec"), bundle: Digest::of("bundle"), facts: Vec::new() },
        changes: Vec::new(),
        steps: steps.into_iter().collect(),
        waiting: Vec::new(),
        notes: Vec::new(),
        consents: [].into(),
        budgets: [(Budget::Mains, 1), (Budget::Works, 2)].into(),
        texts: BTreeMap::new(),
    }
}

/// A failure that may pass by itself, or not.
pub(super) fn failure(retry: Retry) -> FailureSummary {
    FailureSummary { effect: Effect::MayHaveHappened, retry, what: "it broke".into(), causes: Vec::new() }
}

/// An executor, what it has asked for, what it has told.
pub(super) struct Run {
    executor: Executor,
    ids: Vec<StepId>,
    pub(super) now: Millis,
    /// What awaits an answer, in the order in which it was asked for.
    pub(super) open: Vec<Command>,
    pub(super) news: Vec<News>,
    pub(super) wake: Option<Millis>,
    pub(super) outcome: Option<Outcome>,
}

impl Run {
    pub(super) fn new(plan: &Plan) -> Self {
        Self::limited(plan, Limits::default())
    }

    pub(super) fn limited(plan: &Plan, limits: Limits) -> Self {
        let mut run = Self {
            executor: Executor::new(plan, limits).unwrap(),
            ids: plan.steps.iter().map(|step| step.id.clone()).collect(),
            now: Millis(0),
            open: Vec::new(),
            news: Vec::new(),
            wake: None,
            outcome: None,
        };
        run.send(Event::Started);
        run
    }

    pub(super) fn send(&mut self, event: Event) {
        for command in self.executor.on(self.now, event) {
            assert_eq!(self.outcome, None, "nothing comes after the end: {command:?}");
            match command {
                Command::Tell(progress) => self.news.push(progress.news),
                Command::Wake(at) => self.wake = Some(at),
                Command::Finish(outcome) => self.outcome = Some(outcome),
                work @ (Command::Judge(_) | Command::Apply(_) | Command::Watch(_)) => self.open.push(work),
            }
        }
    }

    /// What is asked for and not answered: `apply a`.
    pub(super) fn open(&self) -> Vec<String> {
        let name = |at: StepAt| self.ids[at.index()].as_str();
        let text = |command: &Command| match command {
            Command::Judge(step) => format!("judge {}", name(*step)),
            Command::Apply(step) => format!("apply {}", name(*step)),
            Command::Watch(step) => format!("watch {}", name(*step)),
            other => format!("{other:?}"),
        };
        self.open.iter().map(text).collect()
    }

    /// Takes the open command for a step.
    fn take(&mut self, step: &str) -> Command {
        let at = self.open().iter().position(|open| open.split_once(' ').unwrap().1 == step);
        self.open.remove(at.unwrap_or_else(|| panic!("{step} is not open: {:?}", self.open())))
    }

    pub(super) fn all_good<const N: usize>(&mut self, steps: [&str; N]) {
        for step in steps {
            self.good(step);
        }
    }

    /// Answers whatever is asked about a step as well as can be.
    pub(super) fn good(&mut self, step: &str) {
        let command = self.take(step);
        self.answer(&command);
    }

    /// Answers whatever is open.
    pub(super) fn good_any(&mut self) {
        let command = self.open.pop().expect("something is open");
        self.answer(&command);
    }

    fn answer(&mut self, command: &Command) {
        let event = match *command {
            Command::Judge(at) => Event::Judged(at, Judgement::Ready),
            Command::Apply(at) => Event::Applied(at, Applied::Done),
            Command::Watch(at) => Event::Watched(at),
            ref other => panic!("{other:?}"),
        };
        self.send(event);
    }

    pub(super) fn fails(&mut self, step: &str, retry: Retry) {
        let (Command::Judge(at) | Command::Apply(at) | Command::Watch(at)) = self.take(step) else { return };
        self.send(Event::Failed(at, failure(retry)));
    }

    pub(super) fn judges(&mut self, step: &str, judgement: Judgement) {
        let Command::Judge(at) = self.take(step) else { panic!("{step} is not judged") };
        self.send(Event::Judged(at, judgement));
    }

    pub(super) fn applies(&mut self, step: &str, applied: Applied) {
        let Command::Apply(at) = self.take(step) else { panic!("{step} is not applied") };
        self.send(Event::Applied(at, applied));
    }

    /// Waits as long as the executor asked to.
    pub(super) fn sleep(&mut self) {
        self.now = self.wake.take().expect("nobody asked to be woken");
        self.send(Event::Wake);
    }

    pub(super) fn outcome(&self) -> &Outcome {
        self.outcome.as_ref().unwrap_or_else(|| panic!("still open: {:?}", self.open()))
    }
}

/// Ids of steps as text.
pub(super) fn names(steps: &[StepId]) -> Vec<&str> {
    steps.iter().map(StepId::as_str).collect()
}

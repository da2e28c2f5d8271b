//! The executor: which step begins when. A state machine without I/O; [`Executor::on`] is all there is.
//!
//! Owns the order of steps, the limits of what runs at once, slots of disruption, retries, and the end of a run. Knows
//! nothing of what steps do. The invariants, each with a property test in `tests`:
//!
//! - a step begins only when all that it waits for is finished, watches included;
//! - a unit of disruption begins only when all that it needs from outside is finished, holds one slot of its budget
//!   until its last step is finished, and never gives it back after a failure;
//! - of the steps that may begin, the smallest id begins first;
//! - a failed step blocks only those that need it;
//! - the same events give the same commands.

mod ending;
mod gates;
mod stage;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use fmp_plan::Plan;
use gates::{GateAt, Gates};
use stage::{Slot, Stage, StepState, Work};

use crate::{
    Applied, Command, Event, FailureSummary, Judgement, Limits, Millis, Mismatch, PlanError, Progress, Retry, StepAt,
    failure::Effect, progress::News, structure::Structure,
};

/// A run of one plan.
#[derive(Debug)]
pub struct Executor {
    plan: Structure,
    limits: Limits,
    steps: Vec<StepState>,
    /// By unit.
    slots: Vec<Slot>,
    /// By step, then by door: how many points it still waits for.
    waits_for: Vec<u32>,
    /// Steps that wait for nothing but a place.
    ready: BTreeSet<u32>,
    gates: Gates,
    /// When which step is tried again.
    pauses: BTreeSet<(Millis, u32)>,
    /// The last time that was asked for.
    wake: Option<Millis>,
    in_flight: usize,
    phase: Phase,
    began: Millis,
    now: Millis,
    commands: Vec<Command>,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// [`Event::Started`] has not come yet.
    Waiting,
    /// Steps begin.
    Running,
    /// A step is stale: nothing new begins.
    Stale,
    /// A person asked to stop: nothing new begins.
    Interrupted,
    /// [`Command::Finish`] was given.
    Over,
}

impl Executor {
    /// Prepares a run.
    ///
    /// # Errors
    /// [`PlanError`]: the plan can't be carried out as a whole.
    pub fn new(plan: &Plan, limits: Limits) -> Result<Self, PlanError> {
        let plan = Structure::new(plan)?;
        let hosts = plan.hosts as usize;
        let places = std::iter::repeat_n(limits.per_host, hosts)
            .chain([limits.cluster])
            .chain(std::iter::repeat_n(limits.uploads_per_host, hosts + 1))
            .chain([limits.uploads])
            .chain(plan.slots.iter().map(|(_, slots)| *slots));
        // A limit of none would be a run that never ends.
        let gates = Gates::new(places.map(|places| places.max(1)));
        let steps = plan.steps.iter().map(|_| StepState::default()).collect();
        let slots = plan.units.iter().map(|unit| Slot::new(unit.steps.len())).collect();
        let (zero, waits_for) = (Millis::default(), plan.waits_for.clone());
        Ok(Self {
            plan,
            limits,
            steps,
            slots,
            waits_for,
            ready: BTreeSet::new(),
            gates,
            pauses: BTreeSet::new(),
            wake: None,
            in_flight: 0,
            phase: Phase::Waiting,
            began: zero,
            now: zero,
            commands: Vec::new(),
        })
    }

    /// Takes what happened, says what to do.
    pub fn on(&mut self, now: Millis, event: Event) -> Vec<Command> {
        self.now = self.now.max(now);
        match event {
            Event::Started if self.phase == Phase::Waiting => self.start(),
            Event::Started => {}
            Event::Judged(StepAt(step), judgement) => self.judged(step, judgement),
            Event::Applied(StepAt(step), applied) => self.applied(step, applied),
            Event::Watched(StepAt(step)) => self.watched(step),
            Event::Failed(StepAt(step), why) => self.failed(step, why),
            Event::Wake => self.woken(),
            Event::Interrupt => self.interrupted(),
        }
        self.begin_what_can();
        self.finish_if_over();
        self.ask_to_be_woken();
        std::mem::take(&mut self.commands)
    }

    fn start(&mut self) {
        self.phase = Phase::Running;
        self.began = self.now;
        self.tell(News::RunStarted { steps: self.plan.steps.len() });
        let free = |point: &u32| self.waits_for[*point as usize] == 0;
        let first: Vec<u32> = (0..).take(self.waits_for.len()).filter(free).collect();
        for point in first {
            self.reached(point);
        }
    }

    /// A step or a door that waits for nothing any more.
    fn reached(&mut self, point: u32) {
        if self.plan.is_step(point) {
            self.steps[point as usize].stage = Stage::Ready;
            self.ready.insert(point);
        } else {
            self.release_dependents(point);
        }
    }

    fn release_dependents(&mut self, point: u32) {
        for at in 0..self.plan.dependents(point).len() {
            let next = self.plan.dependents(point)[at];
            self.waits_for[next as usize] -= 1;
            if self.waits_for[next as usize] == 0 {
                self.reached(next);
            }
        }
    }

    fn begin_what_can(&mut self) {
        while self.phase == Phase::Running {
            self.gates.call_waiting(&mut self.ready);
            let Some(step) = self.ready.pop_first() else { return };
            let mut needs = self.host_gates(step);
            needs.extend(self.slot_gate(step));
            if self.gates.pass(&needs, step) {
                self.take_slot(step);
                self.begin(step);
            }
        }
    }

    fn begin(&mut self, step: u32) {
        self.in_flight += 1;
        if let Some(unit) = self.plan.steps[step as usize].unit {
            self.slots[unit as usize].busy += 1;
        }
        let info = &self.plan.steps[step as usize];
        let news = News::StepStarted { step: info.id.clone(), kind: info.kind };
        let judged = info.judged;
        let state = &mut self.steps[step as usize];
        let first = state.began.is_none();
        state.began.get_or_insert(self.now);
        let work = state.work;
        if first {
            self.tell(news);
        }
        match work {
            Work::Apply if judged => self.enter(step, Stage::Judging, Command::Judge(StepAt(step))),
            Work::Apply => self.apply(step),
            Work::Watch { .. } => self.enter(step, Stage::Watching, Command::Watch(StepAt(step))),
        }
    }

    fn apply(&mut self, step: u32) {
        if let Some(unit) = self.plan.steps[step as usize].unit {
            self.slots[unit as usize].touched = true;
        }
        self.enter(step, Stage::Applying, Command::Apply(StepAt(step)));
    }

    fn enter(&mut self, step: u32, stage: Stage, command: Command) {
        self.steps[step as usize].stage = stage;
        self.commands.push(command);
    }

    fn judged(&mut self, step: u32, judgement: Judgement) {
        if self.stage(step) != Some(Stage::Judging) {
            return;
        }
        match judgement {
            Judgement::Ready => self.apply(step),
            Judgement::AlreadyDone => self.change_made(step, true),
            Judgement::Unsafe(why) => self.postpone(step, why),
            Judgement::Stale(fact) => self.stale(step, fact),
        }
    }

    fn applied(&mut self, step: u32, applied: Applied) {
        if self.stage(step) != Some(Stage::Applying) {
            return;
        }
        match applied {
            Applied::Done => self.change_made(step, false),
            Applied::AlreadyDone => self.change_made(step, true),
            Applied::Stale(fact) => self.stale(step, fact),
        }
    }

    /// The watch follows even where nothing was left to do: an earlier run may have ended before it saw the end.
    fn change_made(&mut self, step: u32, already_done: bool) {
        let state = &mut self.steps[step as usize];
        state.work = Work::Watch { already_done };
        let millis = state.age(self.now);
        let info = &self.plan.steps[step as usize];
        let (watched, id) = (info.watched, info.id.clone());
        self.tell(News::StepApplied { step: id, millis });
        if watched {
            self.enter(step, Stage::Watching, Command::Watch(StepAt(step)));
        } else {
            self.finish_step(step, already_done);
        }
    }

    fn watched(&mut self, step: u32) {
        if let (Some(Stage::Watching), Work::Watch { already_done }) = (self.stage(step), self.work(step)) {
            self.finish_step(step, already_done);
        }
    }

    fn finish_step(&mut self, step: u32, already_done: bool) {
        self.leave(step);
        let state = &mut self.steps[step as usize];
        state.stage = if already_done { Stage::AlreadyDone } else { Stage::Done };
        let millis = state.age(self.now);
        let info = &self.plan.steps[step as usize];
        let (unit, news) =
            (info.unit, News::StepFinished { step: info.id.clone(), kind: info.kind, already_done, millis });
        self.tell(news);
        if let Some(unit) = unit {
            self.slots[unit as usize].left -= 1;
            if self.slots[unit as usize].left == 0 {
                self.return_slot(unit);
            }
        }
        self.release_dependents(step);
    }

    fn failed(&mut self, step: u32, why: FailureSummary) {
        match self.stage(step) {
            Some(Stage::Judging | Stage::Applying | Stage::Watching) => {}
            _ => return,
        }
        let state = &mut self.steps[step as usize];
        state.tried += 1;
        let tried = state.tried;
        if why.retry == Retry::Later && tried < self.limits.tries && self.phase == Phase::Running {
            let pause_ms = self.limits.pause_after(tried);
            let id = self.plan.steps[step as usize].id.clone();
            self.tell(News::StepRetry { step: id, tried, pause_ms, why: why.clone() });
            self.steps[step as usize].why = Some(Box::new(why));
            self.pause(step, pause_ms);
        } else {
            if let Some(unit) = self.plan.steps[step as usize].unit {
                self.slots[unit as usize].touched = true;
            }
            self.leave(step);
            self.fail(step, why);
        }
    }

    /// Nothing was touched, and what is unsafe now may be safe soon: until then the slot is better with another unit,
    /// which may be the cure.
    fn postpone(&mut self, step: u32, why: String) {
        let state = &mut self.steps[step as usize];
        state.judged += 1;
        let judged = state.judged;
        let unit = self.plan.steps[step as usize].unit;
        if judged < self.limits.judgements && self.phase == Phase::Running {
            let pause_ms = self.limits.pause_after(judged);
            let id = self.plan.steps[step as usize].id.clone();
            self.tell(News::StepPostponed { step: id, why, pause_ms });
            self.pause(step, pause_ms);
        } else {
            self.leave(step);
            self.fail(
                step,
                FailureSummary { effect: Effect::None, retry: Retry::Later, what: why, causes: Vec::new() },
            );
        }
        if let Some(unit) = unit
            && self.slots[unit as usize].is_idle_and_untouched()
        {
            self.return_slot(unit);
        }
    }

    fn pause(&mut self, step: u32, pause_ms: u64) {
        self.leave(step);
        self.steps[step as usize].stage = Stage::Paused;
        self.pauses.insert((self.now + pause_ms, step));
    }

    fn fail(&mut self, step: u32, why: FailureSummary) {
        let state = &mut self.steps[step as usize];
        state.stage = Stage::Failed;
        state.why = Some(Box::new(why.clone()));
        let millis = state.age(self.now);
        let info = &self.plan.steps[step as usize];
        let news = News::StepFailed { step: info.id.clone(), kind: info.kind, millis, why };
        self.tell(news);
        self.block_dependents(step);
    }

    fn stale(&mut self, step: u32, fact: Mismatch) {
        self.leave(step);
        let news = News::StepStale { step: self.plan.steps[step as usize].id.clone(), fact: fact.clone() };
        let state = &mut self.steps[step as usize];
        state.stage = Stage::Stale;
        state.fact = Some(Box::new(fact));
        self.tell(news);
        self.block_dependents(step);
        if self.phase == Phase::Running {
            self.begin_nothing_more(Phase::Stale);
        }
    }

    fn woken(&mut self) {
        self.wake = None;
        while let Some(&(at, step)) = self.pauses.first()
            && at <= self.now
        {
            self.pauses.pop_first();
            self.steps[step as usize].stage = Stage::Ready;
            self.ready.insert(step);
        }
    }

    fn ask_to_be_woken(&mut self) {
        let next = self.pauses.first().map(|(at, _)| *at);
        if next.is_some() && next != self.wake && self.phase == Phase::Running {
            self.wake = next;
            self.commands.extend(next.map(Command::Wake));
        }
    }

    /// A step is in flight no longer.
    fn leave(&mut self, step: u32) {
        self.in_flight -= 1;
        if let Some(unit) = self.plan.steps[step as usize].unit {
            self.slots[unit as usize].busy -= 1;
        }
        for gate in self.host_gates(step) {
            self.gates.give_back(gate);
        }
    }

    fn take_slot(&mut self, step: u32) {
        let Some(unit) = self.plan.steps[step as usize].unit else { return };
        if std::mem::replace(&mut self.slots[unit as usize].held, true) {
            return;
        }
        let info = &self.plan.units[unit as usize];
        let gate = self.budget_gate(info.budget);
        // The unit's other steps that waited for a slot need none any more.
        self.ready.extend(info.steps.iter().copied().filter(|&sibling| self.gates.call(gate, sibling)));
        let unit = info.name.clone();
        self.tell(News::SlotTaken { unit });
    }

    fn return_slot(&mut self, unit: u32) {
        if !std::mem::take(&mut self.slots[unit as usize].held) {
            return;
        }
        let info = &self.plan.units[unit as usize];
        let (name, gate) = (info.name.clone(), self.budget_gate(info.budget));
        self.gates.give_back(gate);
        self.tell(News::SlotReturned { unit: name });
    }

    /// The gates that a step keeps its places at while it is in flight.
    fn host_gates(&self, step: u32) -> Vec<GateAt> {
        let info = &self.plan.steps[step as usize];
        if info.kind.is_upload() {
            let hosts = self.plan.hosts + 1;
            vec![info.host, hosts + info.host, 2 * hosts]
        } else {
            vec![info.host]
        }
    }

    /// The gate of the budget that a step's unit needs a slot of, where it holds none.
    fn slot_gate(&self, step: u32) -> Option<GateAt> {
        let unit = self.plan.steps[step as usize].unit?;
        let needed = !self.slots[unit as usize].held;
        needed.then(|| self.budget_gate(self.plan.units[unit as usize].budget))
    }

    const fn budget_gate(&self, budget: u32) -> GateAt {
        2 * (self.plan.hosts + 1) + 1 + budget
    }

    fn stage(&self, step: u32) -> Option<Stage> {
        self.steps.get(step as usize).map(|state| state.stage)
    }

    fn work(&self, step: u32) -> Work {
        self.steps[step as usize].work
    }

    fn tell(&mut self, news: News) {
        self.commands.push(Command::Tell(Progress { at: self.now, news }));
    }
}

//! A round: observe, plan, take the lease, carry out.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use fmp_core::{
    NodeName,
    observed::Observed,
    resource::{Effect, Resource, Scope},
};
use fmp_exec::{
    Context, Event, Executor, Limits, Outcome, Progress,
    lease::{self, Glance, LeaseRecord, Refused},
    progress::News,
};
use fmp_plan::{Action, Plan, Standing, Step, StepId};

use super::{Coming, Controller, RoundEnd, Simulation, Who, latency};
use crate::{invariant::Violation, world};

/// What a round said that it did, until something else happens.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// Steps that were carried out and watched.
    done: BTreeMap<StepId, Action>,
    /// When the hosts were observed that the plan rests on.
    since_ms: u64,
    /// When they were finished: whoever looked before that saw less.
    until_ms: u64,
}

impl Simulation {
    pub(super) fn begin_round(&mut self) {
        let observed = Box::new(self.world.observe(&self.case.questions));
        self.queue.at(self.now + 2 * latency::LOOK, Coming::Observed(observed, self.standing()));
    }

    pub(super) fn observed(&mut self, observed: &Observed, seen: world::Standing) {
        let seen_ms = self.now.saturating_sub(2 * latency::LOOK);
        self.counts.plans += 1;
        let plan = match self.case.plan(observed) {
            Ok(plan) => plan,
            Err(error) => return self.invariants.add(Violation::NoPlan { why: error.to_string() }),
        };
        self.agree(&plan, seen_ms);
        match plan.standing() {
            Standing::InSync => {
                self.is_taken_up(observed, seen_ms);
                self.end(RoundEnd::InSync);
            }
            Standing::Blocked => self.end(RoundEnd::Blocked(plan.waiting)),
            Standing::Steps => self.start(plan, (seen_ms, seen), observed.newest_epoch()),
        }
    }

    /// P12: what a step was said to have brought about is there, as far as a plan can see it.
    fn agree(&mut self, plan: &Plan, seen_ms: u64) {
        let claims = std::mem::take(&mut self.claims);
        if seen_ms < claims.until_ms || self.fault_ms.is_some_and(|fault| fault >= claims.since_ms) {
            return;
        }
        // Cordoning belongs to draining: the one is planned with the other until that succeeded.
        let drains = |node: &NodeName, step: &Step| {
            matches!(&step.action, Action::DrainNode { node: other, .. } if other == node)
                && !claims.done.contains_key(&step.id)
        };
        let is_half = |step: &Step| match &step.action {
            Action::CordonNode { node } => plan.steps.iter().any(|step| drains(node, step)),
            _ => false,
        };
        let again = |step: &&Step| !is_half(step) && claims.done.get(&step.id).is_some_and(|done| *done == step.action);
        if let Some(step) = plan.steps.iter().find(again) {
            let (step, reason) = (step.id.clone(), format!("{:?}", step.action));
            self.invariants.add(Violation::DoneAndPlannedAgain { step, reason });
        }
    }

    /// Nothing is said to be left to do: then every process has read what lies there, as far as it matters to it. Judged
    /// where nobody changed anything since somebody looked.
    pub(crate) fn is_taken_up(&mut self, observed: &Observed, seen_ms: u64) {
        if self.is_busy() || !self.flights.is_empty() || self.fault_ms.is_some_and(|fault| fault >= seen_ms) {
            return;
        }
        let Ok(lowered) = self.case.lower(observed) else { return };
        let another = lowered.desired.iter().find_map(|(_, id, resource)| {
            let (Scope::Node(node), Resource::Unit(unit)) = (&id.scope, resource) else { return None };
            let mut matter = unit.inputs.iter().filter(|input| input.effect > Effect::None);
            let input = matter.find(|input| self.world.read_another(node, &unit.name, &input.path))?;
            let (unit, path) = (unit.name.to_string(), input.path.to_string());
            Some(Violation::RunsOnAnother { node: node.clone(), unit, path })
        });
        another.into_iter().for_each(|another| self.invariants.add(another));
    }

    /// Somebody carries out a plan that was made elsewhere.
    pub fn carry_out(&mut self, plan: Plan) {
        let seen = (self.now, self.standing());
        let heard = self.world.observe(&self.case.questions).newest_epoch();
        self.start(plan, seen, heard);
    }

    /// `heard`: the newest epoch that whoever made the plan saw on any host.
    fn start(&mut self, plan: Plan, (seen_ms, seen): (u64, world::Standing), heard: u64) {
        self.begun += 1;
        let who = Who(self.begun);
        let (record, has_lease) = match self.acquire(who, heard) {
            Ok(_) if self.world.glance().is_empty() => (record(who, 0), false),
            Ok(record) => (record, true),
            Err(refused) if refused.ends_with_power(|main| self.world.is_known_to_be_off(main)) => {
                (record(who, 0), false)
            }
            Err(refused) => return self.end(RoundEnd::Refused(refused.to_string())),
        };
        if has_lease {
            self.granted(record.epoch);
        }
        let executor = match Executor::new(&plan, Limits::default()) {
            Ok(executor) => executor,
            Err(error) => return self.invariants.add(Violation::NoPlan { why: error.to_string() }),
        };
        self.note(|| format!("fmp {} begins with {} steps, epoch {}", who.0, plan.steps.len(), record.epoch));
        let run = record.instance.as_str().into();
        let cx = Context { epoch: record.epoch, run, texts: Arc::new(plan.texts.clone()) };
        let controller = Controller {
            plan: Arc::new(plan),
            cx,
            executor,
            record,
            heard,
            granted_ms: self.now,
            has_lease,
            seen_ms,
            seen,
            planned_ms: seen_ms,
            in_flight: BTreeSet::new(),
            to_judge: BTreeSet::new(),
            observing: false,
            wake: None,
            paused_until: 0,
            interrupted: false,
        };
        self.controllers.insert(who, controller);
        self.queue.at(self.now + latency::RENEWAL, Coming::Renew(who));
        self.feed(who, Event::Started);
    }

    /// Notes that a step was done, for a test of what is found where it was not.
    #[cfg(test)]
    pub(crate) fn claim(&mut self, step: &Step) {
        self.claims.done.insert(step.id.clone(), step.action.clone());
        self.claims.since_ms = self.now;
    }

    /// Whoever held the lease and is known to be dead does not hold it any more: all controllers run on one computer.
    fn acquire(&mut self, who: Who, heard: u64) -> Result<LeaseRecord, Refused> {
        match self.take(who, heard) {
            Err(Refused::Held(holding)) if !self.controllers.contains_key(&Who(holding.record.pid)) => {
                self.world.release_lease(&holding.record);
                self.take(who, heard)
            }
            taken => taken,
        }
    }

    /// A run got the lease. Before it begins anything, every host hears of it.
    fn granted(&mut self, epoch: u64) {
        self.invariants.granted(epoch);
        self.world.fence_all(epoch);
    }

    fn take(&mut self, who: Who, heard: u64) -> Result<LeaseRecord, Refused> {
        let record = record(who, lease::next_epoch(&self.world.glance(), heard)?);
        match lease::decide(&self.world.take_lease(&record)) {
            Ok(()) => Ok(record),
            Err(refused) => {
                self.world.release_lease(&record);
                Err(refused)
            }
        }
    }

    pub(super) fn renew(&mut self, who: Who) {
        if self.is_still(who, || Coming::Renew(who)) {
            return;
        }
        let Some(controller) = self.controllers.get_mut(&who) else { return };
        if controller.interrupted {
            return;
        }
        if !controller.has_lease {
            return self.queue.at(self.now + latency::RENEWAL, Coming::Renew(who));
        }
        match lease::decide(&self.world.take_lease(&controller.record)) {
            Ok(()) => controller.granted_ms = self.now,
            // Silence may pass before the lease runs out; an hour asleep does not.
            Err(Refused::NoMajority { .. }) if lease::covers(controller.granted_ms, self.now) => {}
            Err(refused) => {
                self.note(|| format!("fmp {} lost its lease: {refused}", who.0));
                return self.interrupt(who);
            }
        }
        self.queue.at(self.now + latency::RENEWAL, Coming::Renew(who));
    }

    /// A controller that began before a majority of the mains was there, or switched on, takes the lease once one is.
    /// Whether it may begin a step on a host.
    pub(super) fn take_first(&mut self, who: Who) -> bool {
        match self.controllers.get(&who) {
            None => return false,
            Some(controller) if controller.has_lease => return true,
            Some(_) => {}
        }
        let heard = self.controllers.get(&who).map_or(0, |controller| controller.heard);
        let (taken, granted_ms) = match self.ask_all(who, heard) {
            Ok(epoch) => (epoch, self.now),
            Err(Refused::NoMajority { .. }) => return false,
            Err(Refused::Held(_) | Refused::Overtaken(_)) => {
                // It has run out before it began, as whoever renews it is told.
                self.queue.at(self.now, Coming::Renew(who));
                (0, 0)
            }
        };
        if let Some(controller) = self.controllers.get_mut(&who) {
            (controller.has_lease, controller.granted_ms) = (true, granted_ms);
            (controller.record.epoch, controller.cx.epoch) = (taken, taken);
        }
        if taken > 0 {
            self.invariants.granted(taken);
        }
        true
    }

    /// Asks every main that is wanted for the lease; the epoch that it is granted with.
    fn ask_all(&mut self, who: Who, heard: u64) -> Result<u64, Refused> {
        let mut glances = self.world.glance();
        for (main, _) in self.case.spec.mains() {
            let not_there = || Glance::Silent("its machine is not there yet".to_owned());
            glances.entry(main.clone()).or_insert_with(not_there);
        }
        let epoch = lease::next_epoch(&glances, heard)?;
        // In the same moment: a majority of all that are wanted is free.
        lease::decide(&self.world.take_lease(&record(who, epoch))).map(|()| epoch)
    }

    /// Somebody asks a controller to stop.
    pub(crate) fn interrupt(&mut self, who: Who) {
        if let Some(controller) = self.controllers.get_mut(&who) {
            controller.interrupted = true;
            self.queue.at(self.now + latency::PATIENCE, Coming::Impatience(who));
            self.feed(who, Event::Interrupt);
        }
    }

    pub(super) fn finish(&mut self, who: Who, outcome: &Outcome) {
        let Some(controller) = self.controllers.remove(&who) else { return };
        self.world.release_lease(&controller.record);
        let failed = outcome.failed.iter().map(|failed| format!("{}: {}", failed.step, failed.why.what));
        let stale = outcome.stale.iter().map(|stale| format!("{}: {}", stale.step, stale.fact));
        let problems = stale.chain(failed).take(3).collect();
        if self.controllers.is_empty() {
            let done: BTreeSet<&StepId> = outcome.done.iter().chain(&outcome.already_done).collect();
            let steps = controller.plan.steps.iter().filter(|step| done.contains(&step.id));
            let done = steps.map(|step| (step.id.clone(), step.action.clone())).collect();
            self.claims = Claims { done, since_ms: controller.planned_ms, until_ms: self.now };
        }
        self.orphan(who);
        self.end(RoundEnd::Carried { complete: outcome.complete(), problems });
    }

    pub(super) fn end(&mut self, end: RoundEnd) {
        self.note(|| format!("a round ends: {end:?}"));
        self.ends.push(end);
    }

    /// The process of a controller ends in the middle.
    pub(crate) fn kill(&mut self, who: Who) {
        if self.controllers.remove(&who).is_some() {
            self.orphan(who);
            self.end(RoundEnd::Died);
        }
    }

    /// A controller stands still for a while.
    pub(crate) fn pause(&mut self, who: Who, ms: u64) {
        if let Some(controller) = self.controllers.get_mut(&who) {
            controller.paused_until = self.now + ms;
        }
    }

    /// The controllers at work, the newest last.
    pub(crate) fn at_work(&self) -> Vec<Who> {
        self.controllers.keys().copied().collect()
    }
}

fn record(who: Who, epoch: u64) -> LeaseRecord {
    let (holder, host) = ("simulated".to_owned(), "desk".to_owned());
    LeaseRecord { holder, host, pid: who.0, epoch, since: 0, instance: who.0.to_string() }
}

/// What a controller tells, in short.
pub(super) fn news(progress: &Progress) -> String {
    match &progress.news {
        News::StepStarted { step, .. } => format!("{step} begins"),
        News::StepFinished { step, already_done, .. } => format!("{step} is done (before: {already_done})"),
        News::StepRetry { step, why, .. } => format!("{step} is tried again: {}", why.what),
        News::StepFailed { step, why, .. } => format!("{step} failed: {}", why.what),
        other => format!("{other:?}"),
    }
}

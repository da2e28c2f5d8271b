//! Commands on hosts: sent, lost, torn, carried out, outliving whoever sent them.

use std::sync::Arc;

use fmp_core::NodeName;
use fmp_exec::{Applied, Context, Effect, Event, Failure, FailureKind, Retry, StepAt, lease};
use fmp_plan::{Action, Plan, Step, step::Subject};

use super::{Coming, LastCommand, Simulation, Who, latency};
use crate::{
    invariant::{Landed, Violation},
    world::Standing,
};

/// A command on its way or at work.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) who: Who,
    pub(super) at: StepAt,
    plan: Arc<Plan>,
    cx: Context,
    node: Option<NodeName>,
    /// How often its host had booted when it was sent.
    boots: u32,
    fate: Fate,
    /// When the hosts were observed that its judgement rests on.
    seen_ms: u64,
    /// When those were observed that the plan rests on, which is when versions are judged.
    planned_ms: u64,
    /// What the cluster offered then; none where nobody judged it.
    seen: Option<Standing>,
    /// The newer run that had the lease already when it was sent.
    overtaken: Option<u64>,
}

/// What becomes of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is carried out, and its sender hears of it.
    Heard,
    /// It is carried out, and nobody hears of it.
    Unheard,
    /// It is broken off after so many changes.
    Torn(u32),
}

impl Simulation {
    /// A controller sends a step's change to its host.
    pub(super) fn send(&mut self, who: Who, at: StepAt) {
        let Some(controller) = self.controllers.get_mut(&who) else { return };
        controller.in_flight.insert(at);
        let plan = controller.plan.clone();
        let step = &plan.steps[at.index()];
        let memberships =
            controller.in_flight.iter().filter(|at| is_membership(&plan.steps[at.index()].action)).count();
        let seen = (!step.disrupts.is_empty()).then_some(controller.seen);
        let (seen_ms, planned_ms) = (controller.seen_ms, controller.planned_ms);
        if memberships > 1 {
            self.invariants.two_changes_of_membership(step);
        }
        let node = step.subject.node().cloned();
        if self.heeds_lease && !self.permits(who, &step.subject) {
            let kind = FailureKind::Other("the lease may have run out".to_owned());
            return self.fail(who, at, &Failure { effect: Effect::None, retry: Retry::Later, kind, source: None }, 0);
        }
        let Some(cx) = self.controllers.get(&who).map(|controller| controller.cx.clone()) else { return };
        // Before there is a lease nobody can be overtaken.
        let overtaken = self.invariants.overtook(cx.epoch).filter(|_| cx.epoch > 0);
        if let Some(node) = node.as_ref().filter(|_| !is_membership(&step.action))
            && let Err(failure) = self.world.reach(node)
            && !matches!(step.action, Action::CreateMachine { .. } | Action::StartMachine)
        {
            let silence = if failure.retry == Retry::Never { 0 } else { latency::SILENCE };
            return self.fail(who, at, &failure, silence);
        }
        if self.luck.chance(self.rates.lost_before) {
            self.counts.faults += 1;
            let kind = FailureKind::Unreachable(node.map_or_else(|| "the cluster".to_owned(), |node| node.to_string()));
            let failure = Failure { effect: Effect::None, retry: Retry::Later, kind, source: None };
            return self.fail(who, at, &failure, latency::SILENCE);
        }
        let fate = self.fate();
        let slow = node.as_ref().and_then(|node| self.slow.get(node)).copied().unwrap_or(1);
        let busy = latency::of(&step.action, self.world.pace(), &mut self.latency) * slow;
        let boots = node.as_ref().map_or(0, |node| self.world.boots(node));
        self.sent += 1;
        let flight =
            Flight { who, at, plan: plan.clone(), cx, node, boots, fate, seen_ms, planned_ms, seen, overtaken };
        self.flights.insert(self.sent, flight);
        self.queue.at(self.now + latency::WAY + busy, Coming::Land(self.sent));
    }

    /// Whether a step on `subject` may begin, as far as the lease goes. Machines that are made or switched on before anybody
    /// could hold one need none.
    fn permits(&mut self, who: Who, subject: &Subject) -> bool {
        let has_lease = self.controllers.get(&who).is_some_and(|controller| controller.has_lease);
        if !has_lease && matches!(subject, Subject::Machine(_)) {
            return true;
        }
        self.take_first(who) && self.is_covered(who)
    }

    fn is_covered(&self, who: Who) -> bool {
        self.controllers.get(&who).is_some_and(|controller| lease::covers(controller.granted_ms, self.now))
    }

    fn fate(&mut self) -> Fate {
        if self.luck.chance(self.rates.lost_after) {
            self.counts.faults += 1;
            Fate::Unheard
        } else if self.luck.chance(self.rates.torn) {
            self.counts.faults += 1;
            Fate::Torn(u32::try_from(self.luck.below(4)).unwrap_or_default())
        } else {
            Fate::Heard
        }
    }

    /// A command takes effect.
    pub(super) fn land(&mut self, flight: u64) {
        let Some(flight) = self.flights.remove(&flight) else { return };
        let Flight { who, at, plan, cx, node, boots, fate, seen_ms, planned_ms, seen, overtaken } = flight;
        let step = &plan.steps[at.index()];
        self.landed += 1;
        if let Some(death) = self.death.filter(|death| death.at == self.landed) {
            self.kill(who);
            if death.last == LastCommand::IsLost {
                return;
            }
        }
        if let Some(node) = node.as_ref().filter(|node| self.world.boots(node) != boots) {
            // It ended with everything that ran there.
            let failure = lost(node);
            return self.fail(who, at, &failure, latency::SILENCE);
        }
        let strokes = match fate {
            Fate::Heard | Fate::Unheard => None,
            Fate::Torn(strokes) => Some(strokes),
        };
        let before = self.standing();
        let applied = self.carried_out((&cx, step, strokes), planned_ms);
        let after = self.standing();
        self.counts.steps += u64::from(matches!(applied, Ok(Applied::Done)));
        if let (Some(newest), Ok(Applied::Done)) = (overtaken, &applied) {
            self.found(Violation::Overtaken { step: step.id.clone(), epoch: cx.epoch, newest });
        }
        let excused = self.fault_ms.is_some_and(|fault| fault >= seen_ms);
        self.invariants.landed(&Landed { step, seen, before, after, excused, spec: &self.case.spec });
        self.note(|| format!("host: {} of fmp {} ends as {applied:?} ({fate:?})", step.id, who.0));
        let unheard = fate == Fate::Unheard || node.as_ref().is_some_and(|node| !self.world.is_reached(node));
        match (applied, &node) {
            (Ok(_), Some(node)) if unheard => self.fail(who, at, &lost(node), latency::SILENCE),
            (Ok(applied), _) => {
                self.queue.at(self.now + latency::WAY, Coming::Tell(who, Event::Applied(at, applied)));
            }
            (Err(failure), _) => self.fail(who, at, &failure, 0),
        }
    }

    /// A command's change is made. Where no fault came since the plan was made, no version meets another one that it must
    /// not meet.
    fn carried_out(
        &mut self,
        (cx, step, strokes): (&Context, &Step, Option<u32>),
        planned_ms: u64,
    ) -> Result<Applied, Failure> {
        if step.action.starts().is_none() || self.fault_ms.is_some_and(|fault| fault >= planned_ms) {
            return self.world.carry_out(cx, step, strokes);
        }
        let before = self.world.broken_skew();
        let applied = self.world.carry_out(cx, step, strokes);
        let pairs = self.world.broken_skew();
        self.invariants.met(&step.id, pairs.difference(&before).cloned());
        applied
    }

    /// What becomes of the commands of a controller that is gone: those that stream their input may end with it.
    pub(super) fn orphan(&mut self, who: Who) {
        let orphans: Vec<u64> =
            self.flights.iter().filter(|(_, flight)| flight.who == who).map(|(flight, _)| *flight).collect();
        for flight in orphans {
            if self.luck.chance(500) {
                self.flights.remove(&flight);
            } else if self.luck.chance(300) {
                // It outlives its sender by far.
                self.queue.forget(|coming| matches!(coming, Coming::Land(other) if *other == flight));
                let late = self.luck.between(5_000, 60_000);
                self.queue.at(self.now + late, Coming::Land(flight));
            }
        }
    }
}

fn lost(node: &NodeName) -> Failure {
    let kind = FailureKind::Lost(node.to_string());
    Failure { effect: Effect::MayHaveHappened, retry: Retry::Later, kind, source: None }
}

/// Whether an action changes who belongs to etcd.
pub(super) const fn is_membership(action: &Action) -> bool {
    matches!(
        action,
        Action::RemoveEtcdMember { .. } | Action::AddEtcdLearner { .. } | Action::PromoteEtcdLearner { .. }
    )
}

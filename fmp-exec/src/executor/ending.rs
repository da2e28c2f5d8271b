//! How a run ends: by itself, stale, or stopped by a person.

use std::collections::BTreeSet;

use fmp_core::NodeName;
use fmp_plan::StepId;

use super::{Executor, Phase, stage::Stage};
use crate::{
    Command, Outcome,
    outcome::{FailedStep, FlightStage, InFlight, NotBegun, StaleStep, WhyNot},
    progress::News,
};

impl Executor {
    /// Marks all that needs `step`, directly or not, as not to be begun because of it.
    pub(super) fn block_dependents(&mut self, step: u32) {
        let mut left = vec![step];
        let mut doors = BTreeSet::new();
        while let Some(point) = left.pop() {
            for at in 0..self.plan.dependents(point).len() {
                let next = self.plan.dependents(point)[at];
                if !self.plan.is_step(next) {
                    // A door has no state of its own, and is left once.
                    if doors.insert(next) {
                        left.push(next);
                    }
                } else if self.steps[next as usize].stage == Stage::Waiting {
                    self.steps[next as usize].stage = Stage::Blocked(step);
                    left.push(next);
                }
            }
        }
    }

    /// What is in flight goes on. What is judged, paused or ready touches nothing any more; if it was tried before, that
    /// try was its last.
    pub(super) fn begin_nothing_more(&mut self, phase: Phase) {
        self.phase = phase;
        for step in (0..).take(self.steps.len()) {
            if self.stage(step) == Some(Stage::Judging) {
                self.leave(step);
                self.steps[step as usize].stage = Stage::Ready;
            }
            if let Some(Stage::Ready | Stage::Paused) = self.stage(step)
                && let Some(why) = self.steps[step as usize].why.take()
            {
                self.fail(step, *why);
            }
        }
        self.pauses.clear();
    }

    pub(super) fn interrupted(&mut self) {
        match self.phase {
            Phase::Running | Phase::Stale => {
                self.begin_nothing_more(Phase::Interrupted);
                self.tell(News::RunInterrupted { in_flight: self.in_flight });
            }
            Phase::Waiting => self.phase = Phase::Interrupted,
            Phase::Interrupted => self.finish(),
            Phase::Over => {}
        }
    }

    pub(super) fn finish_if_over(&mut self) {
        let begun = !matches!(self.phase, Phase::Waiting | Phase::Over);
        if begun && self.in_flight == 0 && self.pauses.is_empty() {
            self.finish();
        }
    }

    fn finish(&mut self) {
        let outcome = self.outcome();
        self.tell(News::RunFinished {
            done: outcome.done.len(),
            already_done: outcome.already_done.len(),
            failed: outcome.failed.len(),
            stale: outcome.stale.len(),
            not_begun: outcome.not_begun.len(),
            in_flight: outcome.in_flight.len(),
            millis: self.now.since(self.began),
        });
        self.commands.push(Command::Finish(outcome));
        self.phase = Phase::Over;
    }

    fn outcome(&mut self) -> Outcome {
        self.block_behind_full_budgets();
        let mut outcome = Outcome { interrupted: self.phase == Phase::Interrupted, ..Outcome::default() };
        for (at, state) in (0..).zip(&self.steps) {
            let step = self.id(at);
            let why = || state.why.as_deref().cloned();
            match state.stage {
                Stage::Done => outcome.done.push(step),
                Stage::AlreadyDone => outcome.already_done.push(step),
                Stage::Failed => outcome.failed.extend(why().map(|why| FailedStep { step, why })),
                Stage::Stale => {
                    let fact = state.fact.as_deref().cloned();
                    outcome.stale.extend(fact.map(|fact| StaleStep { step, fact }));
                }
                Stage::Applying => outcome.in_flight.push(InFlight { step, stage: FlightStage::Applying }),
                Stage::Watching => outcome.in_flight.push(InFlight { step, stage: FlightStage::Watching }),
                Stage::Blocked(by) => outcome.not_begun.push(NotBegun { step, why: WhyNot::Needs(self.id(by)) }),
                Stage::Waiting | Stage::Ready | Stage::Judging | Stage::Paused => {
                    outcome.not_begun.push(NotBegun { step, why: self.why_not(at) });
                }
            }
        }
        outcome
    }

    /// A run that ends by itself leaves behind only steps that wait for a slot, and those that need them.
    fn block_behind_full_budgets(&mut self) {
        if self.phase == Phase::Running {
            for budget in (0..).take(self.plan.slots.len()) {
                let waiting: Vec<u32> = self.gates.waiting(self.budget_gate(budget)).collect();
                for step in waiting {
                    self.block_dependents(step);
                }
            }
        }
    }

    fn why_not(&self, step: u32) -> WhyNot {
        let unit = self.plan.steps[step as usize].unit.map(|unit| &self.plan.units[unit as usize]);
        match (self.phase, unit) {
            (Phase::Stale, _) => WhyNot::Stale,
            (Phase::Running, Some(unit)) => {
                WhyNot::NoSlot { budget: unit.name.budget, held_by: self.holders(unit.budget) }
            }
            (Phase::Running | Phase::Waiting | Phase::Interrupted | Phase::Over, _) => WhyNot::Interrupted,
        }
    }

    fn holders(&self, budget: u32) -> Vec<NodeName> {
        let units = self.plan.units.iter().zip(&self.slots);
        let holders = units.filter(|(unit, slot)| unit.budget == budget && slot.held);
        holders.map(|(unit, _)| unit.name.node.clone()).collect()
    }

    fn id(&self, step: u32) -> StepId {
        self.plan.steps[step as usize].id.clone()
    }
}

//! What a controller's executor asks for.

use fmp_exec::{Command, Event, Failure, FailureSummary, Judgement, Retry, StepAt, judge};
use fmp_plan::Step;

use super::{Coming, Simulation, Who, latency};

impl Simulation {
    /// A command of a controller begins.
    pub(super) fn begin(&mut self, who: Who, command: Command) {
        match command {
            Command::Judge(at) => {
                if let Some(controller) = self.controllers.get_mut(&who) {
                    controller.to_judge.insert(at);
                }
            }
            Command::Apply(at) => self.send(who, at),
            Command::Watch(at) => self.watch(who, at),
            Command::Wake(at) => {
                if let Some(controller) = self.controllers.get_mut(&who) {
                    controller.wake = Some(at.0);
                }
                self.queue.at(at.0, Coming::Wake(who));
            }
            Command::Tell(progress) => {
                self.note(|| format!("fmp {}: {}", who.0, super::round::news(&progress)));
                if let Some(news) = &mut self.news {
                    news.push(progress);
                }
            }
            Command::Finish(outcome) => self.finish(who, &outcome),
        }
    }

    /// One observation at a time, for all that asked before it begins.
    pub(super) fn look_if_asked(&mut self, who: Who) {
        let Some(controller) = self.controllers.get_mut(&who) else { return };
        if controller.observing || controller.to_judge.is_empty() {
            return;
        }
        controller.observing = true;
        let asked = std::mem::take(&mut controller.to_judge).into_iter().collect();
        self.queue.at(self.now + latency::LOOK, Coming::Look(who, asked));
    }

    pub(super) fn look(&mut self, who: Who, asked: Vec<StepAt>) {
        let observed = Box::new(self.world.observe(&self.case.to_judge));
        let seen = (self.now, self.standing());
        if let Some(controller) = self.controllers.get_mut(&who) {
            (controller.seen_ms, controller.seen) = seen;
            self.queue.at(self.now + latency::LOOK, Coming::Seen(who, asked, observed));
        }
    }

    /// One after the other, so that each counts the ones before it among those in flight.
    pub(super) fn seen(&mut self, who: Who, asked: Vec<StepAt>, observed: Box<fmp_core::observed::Observed>) {
        if self.controllers.get(&who).is_some_and(|controller| controller.paused_until > self.now) {
            let until = self.controllers[&who].paused_until;
            self.queue.at(until, Coming::Seen(who, asked, observed));
            return;
        }
        for at in asked {
            let Some(controller) = self.controllers.get_mut(&who) else { return };
            controller.observing = false;
            let in_flight: Vec<&Step> = controller.in_flight.iter().map(|at| controller.step(*at)).collect();
            let judgement = if self.judged {
                judge::judge(&self.case.spec, &observed, controller.step(at), &in_flight)
            } else {
                Judgement::Ready
            };
            if let Judgement::Unsafe(why) = &judgement {
                let line = format!("fmp {}: {} is unsafe until {why}", who.0, controller.step(at).id);
                self.note(|| line);
            }
            self.feed(who, Event::Judged(at, judgement));
        }
    }

    fn watch(&mut self, who: Who, at: StepAt) {
        let Some(controller) = self.controllers.get_mut(&who) else { return };
        controller.in_flight.insert(at);
        let patience = controller.step(at).watch.as_ref().map_or(0, latency::patience);
        let end_ms = self.now + patience;
        self.queue.at(self.now + latency::WAY, Coming::Poll { who, at, end_ms, pause: latency::FIRST_PAUSE });
    }

    pub(super) fn poll(&mut self, who: Who, at: StepAt, end_ms: u64, pause: u64) {
        let Some(controller) = self.controllers.get(&who) else { return };
        let Some(check) = &controller.step(at).watch else { return self.feed(who, Event::Watched(at)) };
        match self.world.watch(check) {
            Ok(_) => self.queue.at(self.now + latency::WAY, Coming::Tell(who, Event::Watched(at))),
            Err(failure) if failure.retry == Retry::Never || self.now >= end_ms => self.fail(who, at, &failure, 0),
            Err(_) => {
                // What is about to come up is looked at then: the watches of real hosts return at once.
                let soon = self.world.due_ms().map_or(u64::MAX, |due| due + 1).max(self.now + 1);
                let next = (self.now + pause).min(soon).min(end_ms);
                let pause = if next == soon { pause } else { (pause * 2).min(latency::LONGEST_PAUSE) };
                self.queue.at(next, Coming::Poll { who, at, end_ms, pause });
            }
        }
    }

    /// A controller hears of a failure after `after_ms`.
    pub(super) fn fail(&mut self, who: Who, at: StepAt, failure: &Failure, after_ms: u64) {
        let event = Event::Failed(at, FailureSummary::from(failure));
        self.queue.at(self.now + latency::WAY + after_ms, Coming::Tell(who, event));
    }
}

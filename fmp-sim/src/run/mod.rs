//! A run: controllers and the world, joined by one queue of what is going to happen, in made-up milliseconds.
//!
//! A controller is the executor that carries plans out for real, with the loop around it that the driver has: one
//! observation at a time for all who asked before it began, a lease that is renewed, a person who may interrupt. It knows
//! nothing of faults. Everything that is drawn comes from streams of the run's seed.

mod case;
mod commands;
mod controller;
mod latency;
mod queue;
mod remote;
mod round;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub use case::Case;
use controller::Controller;
pub use controller::{RoundEnd, Who};
use fmp_core::{NodeName, observed::Observed};
use fmp_exec::{Event, Millis, Progress, StepAt};
use fmp_plan::plan::Waiting;
use queue::Queue;
use remote::Flight;

use crate::{
    World,
    fault::{Rates, Swarm},
    invariant::Invariants,
    random::Stream,
    world::Standing,
};

/// What is going to happen.
#[derive(Debug)]
enum Coming {
    /// Somebody starts a controller: it observes.
    Begin,
    /// A controller has observed: it plans, takes the lease, begins.
    Observed(Box<Observed>, Standing),
    /// A controller hears something.
    Tell(Who, Event),
    /// It is as late as a controller asked for.
    Wake(Who),
    /// A command takes effect on its host.
    Land(u64),
    /// Somebody looks at the mains for a controller.
    Look(Who, Vec<StepAt>),
    /// A controller hears what was seen.
    Seen(Who, Vec<StepAt>, Box<Observed>),
    /// A watch looks again; `pause` is the next pause.
    Poll { who: Who, at: StepAt, end_ms: u64, pause: u64 },
    /// A controller renews its lease.
    Renew(Who),
    /// Nobody waits for a controller's last steps any more.
    Impatience(Who),
    /// A fault begins.
    Blow(usize),
    /// A fault ends.
    Heal(usize),
}

/// When a controller ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Death {
    /// When this many commands have come to the moment in which they take effect, the last of them its own.
    pub at: u64,
    /// What becomes of that one.
    pub last: LastCommand,
}

/// What becomes of a command in whose moment its sender ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastCommand {
    /// It is done, and nobody hears of it.
    TakesEffect,
    /// It ends with its sender.
    IsLost,
}

/// How much was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Things that happened.
    pub ticks: u64,
    /// Steps that took effect on a host.
    pub steps: u64,
    /// Plans that were made.
    pub plans: u64,
    /// Faults that began, and commands that were lost or torn.
    pub faults: u64,
}

/// Controllers and their world.
#[derive(Debug)]
pub struct Simulation {
    pub(crate) case: Arc<Case>,
    /// The world.
    pub world: World,
    queue: Queue<Coming>,
    pub(crate) now: u64,
    controllers: BTreeMap<Who, Controller>,
    begun: u32,
    /// Commands that are on their way or at work.
    flights: BTreeMap<u64, Flight>,
    sent: u64,
    latency: Stream,
    luck: Stream,
    pub(crate) rates: Rates,
    pub(crate) swarm: Arc<Swarm>,
    /// How many times slower a host is.
    pub(crate) slow: BTreeMap<NodeName, u64>,
    /// Machines in whose place another one stands, by fault.
    pub(crate) set_aside: BTreeMap<usize, Box<crate::world::SetAside>>,
    ends: Vec<RoundEnd>,
    /// What was done.
    pub counts: Counts,
    pub(crate) invariants: Invariants,
    /// When a fault last took something away or changed something.
    pub(crate) fault_ms: Option<u64>,
    claims: round::Claims,
    /// Commands that came to the moment in which they take effect.
    landed: u64,
    /// When a controller ends, where it does.
    death: Option<Death>,
    /// Whether a step is judged before it begins. Tests take that away and look whether the harm is found.
    pub(crate) judged: bool,
    /// Whether a controller looks at its lease's age before it begins a step, likewise.
    pub(crate) heeds_lease: bool,
    /// What controllers told, where somebody wants to know.
    pub(crate) news: Option<Vec<Progress>>,
    /// What happened, a line each, where somebody wants to read it.
    pub(crate) trace: Option<Vec<String>>,
    /// What waits for something that no run can do: where nothing else is left, the cluster stands.
    pub(crate) waits_anyway: BTreeSet<Waiting>,
}

impl Simulation {
    /// A world, faults that will come, and nobody who does anything yet.
    pub fn new(case: Arc<Case>, mut world: World, swarm: Arc<Swarm>, seed: u64) -> Self {
        world.deeds();
        world.settle();
        let now = world.clock_ms();
        let mut queue = Queue::default();
        for (at, blow) in swarm.blows.iter().enumerate() {
            queue.at(now + blow.at_ms, Coming::Blow(at));
        }
        Self {
            invariants: Invariants::new(&case.spec),
            case,
            world,
            queue,
            now,
            controllers: BTreeMap::new(),
            begun: 0,
            flights: BTreeMap::new(),
            sent: 0,
            latency: Stream::new(seed, "latency"),
            luck: Stream::new(seed, "luck"),
            rates: swarm.rates,
            swarm,
            slow: BTreeMap::new(),
            set_aside: BTreeMap::new(),
            ends: Vec::new(),
            counts: Counts::default(),
            fault_ms: None,
            claims: round::Claims::default(),
            landed: 0,
            death: None,
            judged: true,
            heeds_lease: true,
            news: None,
            trace: None,
            waits_anyway: BTreeSet::new(),
        }
    }

    /// From now on another file is wanted.
    pub fn want(&mut self, case: Arc<Case>) {
        self.invariants.follow(&case.spec);
        self.case = case;
        self.claims = round::Claims::default();
    }

    /// Has the controller end that sends a command of this number.
    pub const fn dies(&mut self, death: Death) {
        self.death = Some(death);
    }

    /// Whether after a round that ended like this nothing is left that a run could do.
    pub(crate) fn stands(&self, end: &RoundEnd) -> bool {
        match end {
            RoundEnd::InSync => true,
            RoundEnd::Blocked(waiting) => waiting.iter().all(|item| self.waits_anyway.contains(item)),
            RoundEnd::Refused(_) | RoundEnd::Carried { .. } | RoundEnd::Died => false,
        }
    }

    /// How many commands came to the moment in which they take effect, whatever they did then.
    pub const fn landed(&self) -> u64 {
        self.landed
    }

    /// Keeps a line for everything that happens.
    pub fn keep_trace(&mut self) {
        self.trace = Some(Vec::new());
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>9} {}", self.now, line()));
        }
    }

    /// Somebody starts a controller in `after_ms`.
    pub fn begin_in(&mut self, after_ms: u64) {
        self.queue.at(self.now + after_ms, Coming::Begin);
    }

    /// How the rounds ended that ended since this was last asked.
    pub fn ended(&mut self) -> Vec<RoundEnd> {
        std::mem::take(&mut self.ends)
    }

    /// Milliseconds since the world began.
    pub const fn now_ms(&self) -> u64 {
        self.now
    }

    /// What was found to be broken.
    pub fn violations(&self) -> &[crate::invariant::Violation] {
        &self.invariants.violations
    }

    /// The next thing happens. Whether there was one.
    pub fn tick(&mut self) -> bool {
        let next = self.queue.next_ms();
        if let Some(due) = self.world.due_ms().filter(|due| next.is_none_or(|next| *due < next)) {
            self.pass_to(due);
        } else if let Some((ms, coming)) = self.queue.pop() {
            self.pass_to(ms);
            self.happen(coming);
        } else {
            return false;
        }
        self.invariants.hear(self.world.deeds());
        true
    }

    fn pass_to(&mut self, ms: u64) {
        self.now = self.now.max(ms);
        self.counts.ticks += 1;
        self.world.advance(self.now);
    }

    fn happen(&mut self, coming: Coming) {
        match coming {
            Coming::Begin => self.begin_round(),
            Coming::Observed(observed, seen) => self.observed(&observed, seen),
            Coming::Tell(who, event) => self.feed(who, event),
            Coming::Wake(who) => self.wake(who),
            Coming::Land(flight) => self.land(flight),
            Coming::Look(who, asked) => self.look(who, asked),
            Coming::Seen(who, asked, observed) => self.seen(who, asked, observed),
            Coming::Poll { who, at, end_ms, pause } => self.poll(who, at, end_ms, pause),
            Coming::Renew(who) => self.renew(who),
            Coming::Impatience(who) => self.feed(who, Event::Interrupt),
            Coming::Blow(at) => self.blow(at),
            Coming::Heal(at) => self.heal(at),
        }
    }

    /// A controller that stands still does nothing now; what it would have done it does when it goes on.
    fn is_still(&mut self, who: Who, then: impl FnOnce() -> Coming) -> bool {
        match self.controllers.get(&who) {
            Some(controller) if controller.paused_until > self.now => {
                let until = controller.paused_until;
                self.queue.at(until, then());
                true
            }
            Some(_) | None => false,
        }
    }

    fn feed(&mut self, who: Who, event: Event) {
        let again = event.clone();
        if self.is_still(who, || Coming::Tell(who, again)) {
            return;
        }
        let Some(controller) = self.controllers.get_mut(&who) else { return };
        if let Event::Applied(step, _) | Event::Watched(step) | Event::Failed(step, _) = &event {
            controller.in_flight.remove(step);
        }
        let commands = controller.executor.on(Millis(self.now), event);
        for command in commands {
            self.begin(who, command);
        }
        self.look_if_asked(who);
    }

    fn wake(&mut self, who: Who) {
        if self.is_still(who, || Coming::Wake(who)) {
            return;
        }
        let Some(controller) = self.controllers.get_mut(&who) else { return };
        if controller.wake.is_some_and(|wake| wake <= self.now) {
            controller.wake = None;
            self.feed(who, Event::Wake);
        }
    }

    fn blow(&mut self, at: usize) {
        let swarm = self.swarm.clone();
        let blow = &swarm.blows[at];
        self.note(|| format!("fault begins: {}", blow.fault));
        self.counts.faults += 1;
        self.fault_ms = Some(self.now);
        self.queue.at(self.now + blow.lasts_ms, Coming::Heal(at));
        crate::fault::begin(self, at, &blow.fault);
    }

    fn heal(&mut self, at: usize) {
        let swarm = self.swarm.clone();
        let blow = &swarm.blows[at];
        self.note(|| format!("fault ends: {}", blow.fault));
        self.fault_ms = Some(self.now);
        crate::fault::end(self, at, &blow.fault);
    }

    /// No further fault comes, and those that last end now.
    pub fn heal_all(&mut self) {
        self.rates = Rates::default();
        let (mut lasting, mut kept) = (Vec::new(), Vec::new());
        while let Some((ms, coming)) = self.queue.pop() {
            match coming {
                Coming::Heal(at) => lasting.push(at),
                Coming::Blow(_) => {}
                other => kept.push((ms, other)),
            }
        }
        for (ms, coming) in kept {
            self.queue.at(ms, coming);
        }
        for at in lasting {
            self.heal(at);
        }
        self.slow.clear();
        for controller in self.controllers.values_mut() {
            controller.paused_until = controller.paused_until.min(self.now);
        }
    }

    /// When the next fault begins or ends.
    pub fn next_fault_ms(&self) -> Option<u64> {
        self.queue.first(|coming| matches!(coming, Coming::Blow(_) | Coming::Heal(_)))
    }

    /// Whether somebody is about to start a controller, or observes for one.
    pub fn is_awaited(&self) -> bool {
        self.queue.any(|coming| matches!(coming, Coming::Begin | Coming::Observed(..)))
    }

    /// What is still under way ends; what was said of a run's end stays said.
    pub fn run_out(&mut self) {
        while self.tick() {}
        self.queue = Queue::default();
    }

    /// What the cluster offers now.
    pub(crate) fn standing(&self) -> Standing {
        self.world.standing(&self.case.spec)
    }

    /// Something that must not be was found from outside.
    pub(crate) fn found(&mut self, violation: crate::invariant::Violation) {
        self.invariants.add(violation);
    }

    /// Whether somebody carries a plan out.
    pub fn is_busy(&self) -> bool {
        !self.controllers.is_empty()
    }
}

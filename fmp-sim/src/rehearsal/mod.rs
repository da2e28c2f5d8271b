//! A rehearsal: the plan that would be carried out now, in a world that looks as the real one was observed, once in peace
//! and then again and again under faults.
//!
//! It finds out what would become of the cluster, how long nobody could use it, and about how long it takes. Owns what is
//! measured; playing is the scenarios'.

mod outage;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use fmp_exec::{PlanError, critical};
use fmp_plan::{Plan, StepId, plan::Waiting};
use serde::{Deserialize, Serialize};

use self::outage::Outages;
use crate::{
    Case, Simulation, World,
    fault::Swarm,
    invariant::Violation,
    run::{Counts, RoundEnd},
    scenario::{self, Played},
};

/// What a rehearsal found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// Without faults.
    pub calm: Calm,
    /// Runs under faults.
    pub runs: u64,
    /// Faults that began in them.
    pub faults: u64,
    /// Steps that took effect in them.
    pub steps: u64,
    /// Runs at whose end nothing was left to do, but for what the run without faults left as well.
    pub converged: u64,
    /// Runs in which faults took so much of etcd's data that only a backup helps, and the plan said so.
    pub lost: u64,
    /// What must never be, and was: each by the first run that showed it.
    pub violations: Vec<Found>,
    /// Rounds of plan and apply after the last fault, in the worst run.
    pub worst_rounds: usize,
    /// The longest time in the worst run with fewer healthy voters than the cluster had, or has come to have, of those that
    /// are wanted, in milliseconds. Faults take voters too.
    pub longest_below_full_ms: u64,
    /// The longest time in the worst run without an apiserver that answers, in milliseconds.
    pub longest_without_api_ms: u64,
}

/// The run in which nothing goes wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Calm {
    /// About how long it takes, in milliseconds.
    pub millis: u64,
    /// How long its critical path takes, in milliseconds.
    pub critical_millis: u64,
    /// The critical path: steps of which each waits for the one before.
    pub critical_path: Vec<String>,
    /// The longest time with fewer healthy voters than the cluster had, or has come to have, of those that are wanted, in
    /// milliseconds.
    pub below_full_ms: u64,
    /// The longest time without an apiserver that answers, in milliseconds.
    pub without_api_ms: u64,
    /// Pods that run on the cluster, those of each node (a daemon set's) left out. None: nobody said.
    #[serde(default)]
    pub pods: Option<usize>,
    /// Disruption budgets that protect some of them.
    #[serde(default)]
    pub budgets: Option<usize>,
    /// What still waits at the end, for something that no run can do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<Waiting>,
}

/// Something that must never be, and was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Found {
    /// The run.
    pub seed: u64,
    /// What, in words.
    pub what: String,
    /// The fewest faults that still show it, then what happened until it was shown, a line each.
    pub events: Vec<String>,
}

impl Found {
    /// Its kind: the first word.
    fn kind(&self) -> &str {
        self.what.split(':').next().unwrap_or(&self.what)
    }
}

/// Why nothing can be rehearsed.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// The bundle lacks something.
    #[error("nothing can be lowered")]
    Lower(#[from] fmp_core::role::LowerError),
    /// The plan can't be carried out as a whole.
    #[error("the plan can't be carried out")]
    Plan(#[from] PlanError),
}

/// Milliseconds within which faults begin, beyond what the run without faults takes.
const AFTERMATH_MS: u64 = 20_000;

/// Rehearses what would be done now in `world`, under the faults of each seed. `calm` is [`calm`] of the same world.
pub fn rehearse(case: &Arc<Case>, world: &World, calm: &Calm, seeds: Range<u64>) -> Report {
    let mut report = Report {
        runs: 0,
        faults: 0,
        steps: 0,
        converged: 0,
        lost: 0,
        violations: Vec::new(),
        worst_rounds: 0,
        longest_below_full_ms: 0,
        longest_without_api_ms: 0,
        calm: calm.clone(),
    };
    let window_ms = report.calm.millis + AFTERMATH_MS;
    for seed in seeds {
        let swarm = Arc::new(Swarm::draw_for_all(seed, &case.spec, window_ms));
        let run = Run { case, world, calm, seed, window_ms };
        let (played, outages) = run.play(swarm.clone());
        report.add(&played, &outages);
        if let Some(first) = played.violations.first()
            && report.violations.iter().all(|found| found.kind() != first.kind())
        {
            report.violations.push(run.found(&swarm, first));
        }
    }
    report
}

impl Report {
    /// This one and another one of the same plan, about other seeds.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.runs += other.runs;
        self.faults += other.faults;
        self.steps += other.steps;
        self.converged += other.converged;
        self.lost += other.lost;
        for found in other.violations {
            if self.violations.iter().all(|known| known.kind() != found.kind()) {
                self.violations.push(found);
            }
        }
        self.worst_rounds = self.worst_rounds.max(other.worst_rounds);
        self.longest_below_full_ms = self.longest_below_full_ms.max(other.longest_below_full_ms);
        self.longest_without_api_ms = self.longest_without_api_ms.max(other.longest_without_api_ms);
        self
    }

    fn add(&mut self, played: &Played, outages: &Outages) {
        let Counts { steps, faults, .. } = played.counts;
        self.runs += 1;
        self.faults += faults;
        self.steps += steps;
        self.converged += u64::from(played.converged);
        self.lost += u64::from(!played.converged && played.violations.is_empty());
        self.worst_rounds = self.worst_rounds.max(played.rounds);
        self.longest_below_full_ms = self.longest_below_full_ms.max(outages.below_full.longest_ms);
        self.longest_without_api_ms = self.longest_without_api_ms.max(outages.without_api.longest_ms);
    }
}

/// One run under faults.
#[derive(Clone, Copy)]
struct Run<'a> {
    case: &'a Arc<Case>,
    world: &'a World,
    calm: &'a Calm,
    seed: u64,
    window_ms: u64,
}

impl Run<'_> {
    fn play(self, swarm: Arc<Swarm>) -> (Played, Outages) {
        let mut outages = Outages::new(self.case, self.world);
        let mut look = |sim: &Simulation| outages.look(sim.now_ms(), sim.standing());
        let played = scenario::play_through(self.simulation(swarm), 3 * self.window_ms, &mut look);
        (played, outages)
    }

    fn simulation(self, swarm: Arc<Swarm>) -> Simulation {
        let mut sim = Simulation::new(self.case.clone(), self.world.clone(), swarm, self.seed);
        sim.waits_anyway = self.calm.left.iter().cloned().collect();
        sim
    }

    /// Drops faults one by one as long as the same is shown.
    fn found(self, swarm: &Swarm, violation: &Violation) -> Found {
        let is_same = |other: &Violation| other.kind() == violation.kind();
        let least =
            scenario::fewest(swarm, |swarm| self.play(Arc::new(swarm.clone())).0.violations.iter().any(is_same));
        let rates = format!("{:?}", least.rates);
        let blows =
            least.blows.iter().map(|blow| format!("{} ms, for {} ms: {}", blow.at_ms, blow.lasts_ms, blow.fault));
        let mut events: Vec<String> = std::iter::once(rates).chain(blows).collect();
        let mut shown = None;
        let mut look = |sim: &Simulation| {
            if shown.is_none() && sim.violations().iter().any(is_same) {
                shown = sim.trace.as_ref().map(Vec::len);
            }
        };
        let mut sim = self.simulation(Arc::new(least));
        sim.keep_trace();
        let played = scenario::play_through(sim, 3 * self.window_ms, &mut look);
        events.extend(played.trace.into_iter().take(shown.unwrap_or(usize::MAX)));
        Found { seed: self.seed, what: violation.to_string(), events }
    }
}

/// The run without faults: what it takes, and which steps it waits for.
///
/// # Errors
/// There is nothing that could be carried out.
pub fn calm(case: &Arc<Case>, world: &World) -> Result<Calm, RehearsalError> {
    let plan = plan(case, world)?;
    let mut outages = Outages::new(case, world);
    let mut sim = Simulation::new(case.clone(), world.clone(), Arc::new(Swarm::default()), 0);
    sim.news = Some(Vec::new());
    let began = sim.now_ms();
    round(&mut sim, 0, &mut |sim| outages.look(sim.now_ms(), sim.standing()));
    let millis = sim.now_ms() - began;
    let durations: BTreeMap<StepId, u64> = critical::durations(sim.news.take().iter().flatten());
    let left = left(&mut sim);
    let (pods, budgets) = world.people();
    let path = critical::critical_path(&plan, &durations)?;
    Ok(Calm {
        pods: Some(pods),
        budgets: Some(budgets),
        millis,
        critical_millis: path.millis,
        critical_path: path.steps.iter().map(ToString::to_string).collect(),
        below_full_ms: outages.below_full.longest_ms,
        without_api_ms: outages.without_api.longest_ms,
        left,
    })
}

/// Somebody begins after a while, and it ends.
fn round(sim: &mut Simulation, after_ms: u64, look: scenario::Look<'_>) -> Option<RoundEnd> {
    sim.begin_in(after_ms);
    while sim.tick() {
        look(sim);
        if let Some(end) = sim.ended().pop() {
            return Some(end);
        }
    }
    None
}

/// Rounds after the first one until only what waits is left: a main that moves needs two, and mains leave one by one.
const ROUNDS: usize = 8;

/// What waits for something that no run can do, once all the rest is done.
fn left(sim: &mut Simulation) -> Vec<Waiting> {
    for _ in 0..ROUNDS {
        match round(sim, 1_000, &mut |_| {}) {
            Some(RoundEnd::Blocked(waiting)) => return waiting,
            Some(RoundEnd::Carried { .. } | RoundEnd::Refused(_) | RoundEnd::Died) => {}
            Some(RoundEnd::InSync) | None => return Vec::new(),
        }
    }
    Vec::new()
}

/// The plan that is rehearsed: what `world` would be asked to do first.
///
/// # Errors
/// The bundle lacks something.
pub fn plan(case: &Case, world: &World) -> Result<Plan, RehearsalError> {
    Ok(case.plan(&world.observe(&case.questions))?)
}

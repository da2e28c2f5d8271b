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
use fmp_plan::{Plan, StepId};
use serde::{Deserialize, Serialize};

use self::outage::Outages;
use crate::{
    Case, Simulation, World,
    fault::Swarm,
    invariant::Violation,
    run::Counts,
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
    /// Runs at whose end nothing was left to do.
    pub converged: u64,
    /// Runs in which faults took so much of etcd's data that only a backup helps, and the plan said so.
    pub lost: u64,
    /// What must never be, and was: each by the first run that showed it.
    pub violations: Vec<Found>,
    /// Rounds of plan and apply after the last fault, in the worst run.
    pub worst_rounds: usize,
    /// The longest time in the worst run with fewer healthy voters than mains, in milliseconds. Faults take voters too.
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
    /// The longest time with fewer healthy voters than mains, in milliseconds.
    pub below_full_ms: u64,
    /// The longest time without an apiserver that answers, in milliseconds.
    pub without_api_ms: u64,
}

/// Something that must never be, and was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Found {
    /// The run.
    pub seed: u64,
    /// What, in words.
    pub what: String,
    /// The fewest faults that still show it, and what happened, a line each.
    pub events: Vec<String>,
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
        let swarm = Arc::new(Swarm::draw(seed, &case.spec, window_ms));
        let (played, outages) = once(case, world, swarm.clone(), seed, window_ms);
        report.add(&played, &outages);
        if let Some(first) = played.violations.first()
            && report.violations.iter().all(|found| !found.what.starts_with(first.kind()))
        {
            report.violations.push(found(case, world, seed, &swarm, first, window_ms));
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
        self.violations.extend(other.violations);
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

fn once(case: &Arc<Case>, world: &World, swarm: Arc<Swarm>, seed: u64, window_ms: u64) -> (Played, Outages) {
    let mut outages = Outages::new(world.standing(&case.spec));
    let sim = Simulation::new(case.clone(), world.clone(), swarm, seed);
    let played = scenario::play_through(sim, 3 * window_ms, &mut |sim| outages.look(sim.now_ms(), sim.standing()));
    (played, outages)
}

/// The run without faults: what it takes, and which steps it waits for.
///
/// # Errors
/// There is nothing that could be carried out.
pub fn calm(case: &Arc<Case>, world: &World) -> Result<Calm, RehearsalError> {
    let plan = plan(case, world)?;
    let mut outages = Outages::new(world.standing(&case.spec));
    let mut sim = Simulation::new(case.clone(), world.clone(), Arc::new(Swarm::default()), 0);
    sim.news = Some(Vec::new());
    let began = sim.now_ms();
    sim.begin_in(0);
    while sim.tick() {
        outages.look(sim.now_ms(), sim.standing());
        if !sim.ended().is_empty() {
            break;
        }
    }
    let millis = sim.now_ms() - began;
    let durations: BTreeMap<StepId, u64> = critical::durations(sim.news.iter().flatten());
    let path = critical::critical_path(&plan, &durations)?;
    Ok(Calm {
        millis,
        critical_millis: path.millis,
        critical_path: path.steps.iter().map(ToString::to_string).collect(),
        below_full_ms: outages.below_full.longest_ms,
        without_api_ms: outages.without_api.longest_ms,
    })
}

/// Drops faults one by one as long as the same is shown.
fn found(case: &Arc<Case>, world: &World, seed: u64, swarm: &Swarm, what: &Violation, window_ms: u64) -> Found {
    let shows = |swarm: &Swarm| {
        let (played, _) = once(case, world, Arc::new(swarm.clone()), seed, window_ms);
        played.violations.iter().any(|violation| violation.kind() == what.kind())
    };
    let least = scenario::fewest(swarm, shows);
    let rates = format!("{:?}", least.rates);
    let blows = least.blows.iter().map(|blow| format!("{} ms, for {} ms: {}", blow.at_ms, blow.lasts_ms, blow.fault));
    Found { seed, what: what.to_string(), events: std::iter::once(rates).chain(blows).collect() }
}

/// The plan that is rehearsed: what `world` would be asked to do first.
///
/// # Errors
/// The bundle lacks something.
pub fn plan(case: &Case, world: &World) -> Result<Plan, RehearsalError> {
    Ok(case.plan(&world.observe(&case.questions))?)
}

//! Playing a seed.

use std::sync::Arc;

use fmp_core::NodeName;

use super::{Catalog, Deck, Drawn, Kind, SetupError, Shape};
use crate::{
    Case, Setup, Simulation, World,
    fault::Swarm,
    invariant::Violation,
    random::Stream,
    run::{Counts, RoundEnd},
};

/// Milliseconds within which faults begin: about as long as an installation takes.
const WINDOW_MS: u64 = 40_000;

/// Milliseconds after which all faults end.
const HEALED_MS: u64 = 180_000;

/// Rounds after all faults have ended within which a cluster must stand: what was torn takes one, what comes to light by
/// it another; members that join one by one take two each.
const ROUNDS: usize = 8;

/// Things that happen in a run at most: far more than any takes that ends.
const TICKS: u64 = 400_000;

/// How a run went.
#[derive(Debug, Clone)]
pub struct Report {
    /// Where its seed is drawn from.
    pub deck: Deck,
    /// Its seed.
    pub seed: u64,
    /// What was played.
    pub drawn: Drawn,
    /// What went wrong in it.
    pub swarm: Arc<Swarm>,
    /// What must never be, and was.
    pub violations: Vec<Violation>,
    /// How much was done.
    pub counts: Counts,
    /// Whether nothing was left to do at the end.
    pub converged: bool,
    /// Rounds after all faults had ended.
    pub rounds: usize,
    /// What happened, a line each; empty unless it was asked for.
    pub trace: Vec<String>,
}

/// Plays a seed of the first deck.
///
/// # Errors
/// The scenario can't be set up, which is a mistake of the generator.
pub fn run(catalog: &mut Catalog, seed: u64) -> Result<Report, SetupError> {
    run_of(Deck::First, catalog, seed)
}

/// Plays a seed of a deck.
///
/// # Errors
/// As [`run`].
pub fn run_of(deck: Deck, catalog: &mut Catalog, seed: u64) -> Result<Report, SetupError> {
    let drawn = Drawn::of_deck(deck, seed);
    let case = catalog.case(&drawn.then)?;
    let swarm = match deck {
        Deck::First => Swarm::draw(seed, &case.spec, WINDOW_MS),
        Deck::DayTwo | Deck::Upkeep => Swarm::draw_for_all(seed, &case.spec, calm_ms(catalog, &drawn)?),
    };
    play(catalog, (deck, seed), drawn, Arc::new(swarm), Trace::Off)
}

/// Plays a seed again with other faults, and tells what happened.
///
/// # Errors
/// As [`run`].
pub fn replay(catalog: &mut Catalog, deck: Deck, seed: u64, swarm: Arc<Swarm>) -> Result<Report, SetupError> {
    play(catalog, (deck, seed), Drawn::of_deck(deck, seed), swarm, Trace::On)
}

/// Milliseconds that a change takes where nothing goes wrong.
fn calm_ms(catalog: &mut Catalog, drawn: &Drawn) -> Result<u64, SetupError> {
    let key = (drawn.kind, drawn.shape.clone(), drawn.then.clone());
    if let Some(known) = catalog.calm_ms.get(&key) {
        return Ok(*known);
    }
    let case = catalog.case(&drawn.then)?;
    let mut world = begin(catalog, drawn, &case)?;
    befall(&mut world, drawn);
    let mut sim = Simulation::new(case, world, Arc::new(Swarm::default()), 0);
    let began = sim.now_ms();
    let (converged, _) = healed(&mut sim, &mut |_| {});
    match sim.violations() {
        [] if converged => {
            let took = sim.now_ms() - began;
            catalog.calm_ms.insert(key, took);
            Ok(took)
        }
        violations => Err(SetupError::Begin(format!("{violations:?}"))),
    }
}

/// Whether what happens is told, a line each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trace {
    On,
    Off,
}

fn play(
    catalog: &mut Catalog,
    (deck, seed): (Deck, u64),
    drawn: Drawn,
    swarm: Arc<Swarm>,
    trace: Trace,
) -> Result<Report, SetupError> {
    let case = catalog.case(&drawn.then)?;
    let mut world = begin(catalog, &drawn, &case)?;
    people(&mut world, &drawn, seed);
    befall(&mut world, &drawn);
    let mut sim = Simulation::new(case, world, swarm.clone(), seed);
    if trace == Trace::On {
        sim.keep_trace();
    }
    let healed_ms = match deck {
        Deck::First => HEALED_MS,
        Deck::DayTwo | Deck::Upkeep => HEALED_MS.max(calm_ms(catalog, &drawn)? * 2),
    };
    let Played { violations, counts, converged, rounds, trace } = play_through(sim, healed_ms, &mut |_| {});
    Ok(Report { deck, seed, drawn, swarm, violations, counts, converged, rounds, trace })
}

/// How a simulation went.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) violations: Vec<Violation>,
    pub(crate) counts: Counts,
    pub(crate) converged: bool,
    pub(crate) rounds: usize,
    pub(crate) trace: Vec<String>,
}

/// Somebody who looks on after each thing that happens.
pub(crate) type Look<'a> = &'a mut dyn FnMut(&Simulation);

/// Plays until nothing is left to do, or until it is certain that something will be. All faults end after `healed_ms`.
pub(crate) fn play_through(mut sim: Simulation, healed_ms: u64, look: Look<'_>) -> Played {
    let started = sim.now_ms();
    sim.begin_in(0);
    let stands = under_faults(&mut sim, started + healed_ms, look);
    sim.heal_all();
    let (converged, rounds) = if stands { (true, 0) } else { healed(&mut sim, look) };
    Played {
        violations: sim.violations().to_vec(),
        counts: sim.counts,
        converged,
        rounds,
        trace: sim.trace.take().unwrap_or_default(),
    }
}

/// The world that a scenario begins with, in good order.
pub(super) fn begin(catalog: &mut Catalog, drawn: &Drawn, case: &Case) -> Result<World, SetupError> {
    if drawn.kind == Kind::Install {
        return catalog.bare(&drawn.shape);
    }
    let mut world = catalog.settled(&drawn.shape)?;
    let before = catalog.case(&drawn.shape)?;
    if case.spec.environment.makes_machines() {
        world.make_room(&Setup::of(&case.spec));
    } else {
        for (name, node) in case.spec.nodes.iter().filter(|(name, _)| !before.spec.nodes.contains_key(*name)) {
            world.add_machine(name, node.address, node.role == fmp_core::spec::Role::Main);
        }
        world.plug_in(&Setup::of(&case.spec).disks);
    }
    Ok(world)
}

/// Seconds that pass before certificates of a year are renewed: ten months and a bit.
const UNTIL_RENEWAL_S: i64 = 306 * 24 * 3600;

/// What befell the cluster before anything is done: a machine is another one, or gone; time has passed; nothing works.
pub(super) fn befall(world: &mut World, drawn: &Drawn) {
    let node = |name: Option<String>| name.and_then(|name| name.parse::<NodeName>().ok());
    if let Some(node) = node(drawn.replaced.clone()) {
        world.replace_machine(&node);
    }
    if let Some(node) = node(drawn.then.last_leaving()).filter(|_| drawn.then.destroyed) {
        world.destroy_machine(&node);
    }
    match drawn.kind {
        Kind::Renewal => world.pass_s(UNTIL_RENEWAL_S),
        Kind::ColdStart => world.stop_everything(),
        Kind::Install | Kind::Change | Kind::Scale | Kind::Replacement | Kind::Upgrade | Kind::Retirement => {}
    }
}

/// What runs on a cluster that stands: in half of all, one to three sets of pods that lose one at a time at most, where there
/// is another node to go to.
fn people(world: &mut World, drawn: &Drawn, seed: u64) {
    let mut stream = Stream::new(seed, "workloads");
    if drawn.kind == Kind::Install || !stream.chance(500) {
        return;
    }
    let works = usize::from(drawn.shape.works);
    for _ in 0..stream.between(1, 3) {
        let replicas = 1 + usize::try_from(stream.below(drawn.shape.works.into())).unwrap_or_default();
        world.deploy(replicas, if works > 1 { replicas - 1 } else { 0 });
    }
}

/// Persons start controllers again and again while faults come and go. Whether nothing is left to do, and no fault either.
fn under_faults(sim: &mut Simulation, until_ms: u64, look: Look<'_>) -> bool {
    while sim.now_ms() < until_ms && sim.counts.ticks < TICKS {
        let goes_on = sim.tick();
        look(sim);
        for end in sim.ended() {
            let pause = match end {
                // Whoever sees that nothing is left to do looks again when the next thing has happened.
                RoundEnd::InSync | RoundEnd::Blocked(_) if sim.stands(&end) => match sim.next_fault_ms() {
                    None if !sim.is_busy() => return true,
                    None => 30_000,
                    Some(next) => next.saturating_sub(sim.now_ms()) + 2_000,
                },
                RoundEnd::InSync | RoundEnd::Carried { complete: true, .. } => 1_000,
                RoundEnd::Carried { complete: false, .. } | RoundEnd::Blocked(_) | RoundEnd::Refused(_) => 15_000,
                RoundEnd::Died => 10_000,
            };
            if !sim.is_awaited() {
                sim.begin_in(pause);
            }
        }
        if !goes_on {
            return false;
        }
    }
    false
}

/// All faults have ended: whether the cluster came to stand, and in how many rounds.
pub(crate) fn healed(sim: &mut Simulation, look: Look<'_>) -> (bool, usize) {
    if !sim.is_busy() && !sim.is_awaited() {
        sim.begin_in(0);
    }
    let (mut rounds, mut refused, mut last) = (0, 0, None);
    while rounds < ROUNDS && refused < 4 * ROUNDS {
        if !sim.tick() || sim.counts.ticks > TICKS {
            sim.found(Violation::NotConverged("it comes to no end".to_owned()));
            return (false, rounds);
        }
        look(sim);
        for end in sim.ended() {
            let stands = sim.stands(&end);
            if stands && !sim.is_busy() {
                return (true, rounds);
            }
            let pause = match end {
                // An older controller still does something.
                _ if stands => {
                    refused += 1;
                    15_000
                }
                RoundEnd::InSync | RoundEnd::Refused(_) => {
                    refused += 1;
                    15_000
                }
                RoundEnd::Blocked(_) | RoundEnd::Carried { .. } | RoundEnd::Died => {
                    rounds += 1;
                    5_000
                }
            };
            last = Some(end);
            if !sim.is_busy() && !sim.is_awaited() {
                sim.begin_in(pause);
            }
        }
    }
    let last = last.map_or_else(|| "nothing".to_owned(), |end| format!("{end:?}"));
    if !sim.world.has_lost_its_data() {
        sim.found(Violation::NotConverged(last));
    } else if !says_what_helps(sim) {
        sim.found(Violation::NotTold(last));
    }
    (false, rounds)
}

/// Whether a plan says what helps where a quorum of the data is lost: a backup, or a person's word that a main which leaves
/// and may hold the data is gone for good.
fn says_what_helps(sim: &Simulation) -> bool {
    let Ok(plan) = sim.case.plan(&sim.world.observe(&sim.case.questions)) else { return false };
    let leaving = || sim.case.spec.retired.keys();
    let helps = |until: &str| {
        let word = |name: &NodeName| until.contains(&format!("consent = [\"destroyed {name}\"]"));
        until.contains("restore a backup") || leaving().any(word)
    };
    plan.waiting.iter().any(|item| helps(&item.until))
}

/// A cluster that stands, made without faults.
pub(super) fn settle(catalog: &mut Catalog, shape: &Shape) -> Result<World, SetupError> {
    let case = catalog.case(shape)?;
    let world = catalog.bare(shape)?;
    let mut sim = Simulation::new(case, world, Arc::new(Swarm::default()), 0);
    sim.begin_in(0);
    let (converged, _) = healed(&mut sim, &mut |_| {});
    match sim.violations() {
        [] if converged => {
            sim.run_out();
            Ok(sim.world)
        }
        violations => Err(SetupError::Begin(format!("{violations:?}"))),
    }
}

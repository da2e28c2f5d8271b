//! Seeds for a while: `cargo run -p fmp-sim --example soak -- [KIND] SECONDS [FIRST_SEED [HOW_MANY]]`, on two threads. KIND is
//! `all`, `installs` (only full installations of three mains and four work nodes, with one fault at least), `day-two` or
//! `upkeep`.
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a program that takes the time and tells")]

use std::{
    collections::BTreeMap,
    env, process,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use fmp_sim::{
    run::Counts,
    scenario::{self, Catalog, Deck, Drawn, Kind, Report},
};

const LOCK: &str = include_str!("../../fixtures/bundle.lock");

/// As many as the smallest computer that builds this has.
const THREADS: usize = 2;

/// Failures that are told in full.
const TOLD: usize = 5;

#[derive(Default)]
struct Sum {
    runs: u64,
    converged: u64,
    counts: Counts,
    kinds: BTreeMap<&'static str, u64>,
    failed: Vec<Report>,
}

/// Which seeds are played.
#[derive(Clone, Copy)]
enum Plays {
    All,
    Installs,
    DayTwo,
    Upkeep,
}

/// Whether a seed installs three mains and four work nodes on bare machines. Every seed has a fault.
fn is_full_install(seed: u64) -> bool {
    let drawn = Drawn::of(seed);
    drawn.kind == Kind::Install && (drawn.shape.mains, drawn.shape.works) == (3, 4)
}

fn main() {
    let kind = env::args().nth(1).filter(|word| word.parse::<u64>().is_err());
    let plays = match kind.as_deref() {
        None | Some("all") => Plays::All,
        Some("installs") => Plays::Installs,
        Some("day-two") => Plays::DayTwo,
        Some("upkeep") => Plays::Upkeep,
        Some(other) => {
            println!("`{other}` is none of all, installs, day-two, upkeep");
            process::exit(2);
        }
    };
    let mut args = env::args().skip(1).filter_map(|arg| arg.parse::<u64>().ok());
    let seconds = args.next().unwrap_or(10);
    let first = args.next().unwrap_or(1);
    let most = args.next().unwrap_or(u64::MAX);
    let (next, sum, began) = (AtomicU64::new(first), Mutex::new(Sum::default()), Instant::now());
    let end = began + Duration::from_secs(seconds);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut catalog = Catalog::new(LOCK);
                while Instant::now() < end {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed - first >= most {
                        return;
                    }
                    let deck = match plays {
                        Plays::Installs if !is_full_install(seed) => continue,
                        Plays::All | Plays::Installs => Deck::First,
                        Plays::DayTwo => Deck::DayTwo,
                        Plays::Upkeep => Deck::Upkeep,
                    };
                    let report = scenario::run_of(deck, &mut catalog, seed).expect("every seed is a scenario");
                    count(&mut sum.lock().unwrap_or_else(PoisonError::into_inner), report);
                }
            });
        }
    });
    let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    tell(&sum, began.elapsed());
    let fell_short = most != u64::MAX && next.into_inner() - first < most;
    if fell_short {
        println!("{seconds} s were not enough for {most} seeds");
    }
    if fell_short || !sum.failed.is_empty() {
        process::exit(1);
    }
}

fn count(sum: &mut Sum, report: Report) {
    sum.runs += 1;
    sum.converged += u64::from(report.converged);
    sum.counts.ticks += report.counts.ticks;
    sum.counts.steps += report.counts.steps;
    sum.counts.plans += report.counts.plans;
    sum.counts.faults += report.counts.faults;
    for violation in &report.violations {
        *sum.kinds.entry(violation.kind()).or_default() += 1;
    }
    if !report.violations.is_empty() {
        sum.failed.push(report);
    }
}

fn tell(sum: &Sum, took: Duration) {
    let a_second = |count: u64| u128::from(count) * 1000 / took.as_millis().max(1);
    let Counts { ticks, steps, plans, faults } = sum.counts;
    println!("{} runs in {:.1} s, {} converged, {faults} faults", sum.runs, took.as_secs_f64(), sum.converged);
    println!(
        "{} runs, {} steps, {} plans, {} ticks a second",
        a_second(sum.runs),
        a_second(steps),
        a_second(plans),
        a_second(ticks)
    );
    for (kind, count) in &sum.kinds {
        println!("{kind}: {count}");
    }
    let mut catalog = Catalog::new(LOCK);
    let mut failed: Vec<&Report> = sum.failed.iter().collect();
    failed.sort_by_key(|report| report.seed);
    let named = |report: &&Report| format!("{} ({})", report.seed, report.violations[0].kind());
    let seeds: Vec<String> = failed.iter().map(named).collect();
    println!("seeds with violations: {}", if seeds.is_empty() { "none".to_owned() } else { seeds.join(" ") });
    for report in failed.into_iter().take(TOLD) {
        let report = scenario::shrink(&mut catalog, report).expect("it was a scenario before");
        println!("\nseed {} {:?}", report.seed, report.drawn);
        println!("  {:?}", report.swarm.rates);
        report.swarm.blows.iter().for_each(|blow| println!("  {} +{} ms: {}", blow.at_ms, blow.lasts_ms, blow.fault));
        report.violations.iter().for_each(|violation| println!("  {violation}"));
        let tail = report.trace.len().saturating_sub(if env::var("TRACE").is_ok() { usize::MAX } else { 25 });
        report.trace[tail..].iter().for_each(|line| println!("    {line}"));
    }
}

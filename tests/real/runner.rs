//! Which checks run, in which order, for how long, and what becomes of the machines.
//!
//! Knows nothing of what a check does. A check fails by a panic, as everywhere in Rust's tests. Machines are deleted
//! before the first check and after the last one, whatever happened; with `FMP_KEEP=1` they stay for a
//! look and for the next run.

use std::{
    env, fs,
    io::Write as _,
    os::unix::fs::MetadataExt as _,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use fmp::providers::environment::local::missing_programs;

use crate::lab::{self, Lab};

/// One thing that must be so.
pub(crate) struct Check {
    /// Its name, which begins with `real_`: `--skip real_` leaves all of them out.
    pub(crate) name: &'static str,
    /// What it begins with.
    pub(crate) begin: Begin,
    /// After this long it has failed, and no other check can be trusted.
    pub(crate) minutes: u64,
    /// Panics where something is not as it must be.
    pub(crate) run: fn(&Lab),
}

/// What a check finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// No machine at all.
    Nothing,
    /// A cluster of which `fmp plan` says that it is in sync.
    InSync,
}

/// How many ended how.
#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
}

/// Runs the checks that the arguments choose.
pub(crate) fn run(checks: &'static [Check]) -> ExitCode {
    let chosen = Chosen::parse(env::args().skip(1));
    let checks: Vec<&Check> = checks.iter().filter(|check| chosen.has(check.name)).collect();
    if chosen.list {
        for check in checks {
            say(&format!("{}: test", check.name));
        }
        return ExitCode::SUCCESS;
    }
    let tally = match (checks.is_empty(), why_not()) {
        (true, _) => Tally::default(),
        (false, Some(why)) => skip(&checks, &why),
        (false, None) => on_machines(&checks),
    };
    conclude(&tally)
}

/// Why there can't be machines here.
fn why_not() -> Option<String> {
    let root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let missing = missing_programs();
    match (root, missing.as_slice(), lab::lock_path().exists()) {
        (false, ..) => Some("needs root".to_owned()),
        (true, [], true) => None,
        (true, [], false) => Some("needs a bundle: ./scripts/build-bundle".to_owned()),
        (true, programs, _) => Some(format!("needs {}", programs.join(", "))),
    }
}

/// Nothing is skipped in CI.
fn skip(checks: &[&Check], why: &str) -> Tally {
    let forbidden = env::var_os("CI").is_some_and(|ci| ci == "true");
    for check in checks {
        let verdict = if forbidden { "FAILED, can't be skipped in CI" } else { "skipped" };
        say(&format!("test {} ... {verdict}: {why}", check.name));
    }
    if forbidden {
        Tally { failed: checks.len(), ..Tally::default() }
    } else {
        Tally { skipped: checks.len(), ..Tally::default() }
    }
}

fn on_machines(checks: &[&'static Check]) -> Tally {
    let mut tally = Tally::default();
    let lab = Arc::new(Lab::new());
    let keep = env::var_os("FMP_KEEP").is_some();
    // What a run that was killed left behind.
    if !keep {
        lab.destroy();
    }
    for (at, check) in checks.iter().enumerate() {
        let started = Instant::now();
        let verdict = one(&lab, check);
        let seconds = started.elapsed().as_secs_f64();
        say(&format!("test {} ... {} in {seconds:.1} s", check.name, verdict.word()));
        match verdict {
            Verdict::Passed => tally.passed += 1,
            Verdict::Failed => tally.failed += 1,
            Verdict::OutOfTime => {
                tally.failed += 1;
                let rest = &checks[at + 1..];
                for check in rest {
                    say(&format!("test {} ... FAILED, not begun", check.name));
                }
                tally.failed += rest.len();
                break;
            }
        }
    }
    if keep {
        say("the machines are kept, as FMP_KEEP asks");
    } else if catch_unwind(AssertUnwindSafe(|| lab.destroy())).is_err() {
        say("the machines could not be deleted");
        tally.failed += 1;
    }
    tally
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Passed,
    Failed,
    OutOfTime,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Passed => "ok",
            Self::Failed => "FAILED",
            Self::OutOfTime => "FAILED, out of time",
        }
    }
}

/// A check in a thread of its own, named after it: a panic says where it comes from, and what hangs can be left.
fn one(lab: &Arc<Lab>, check: &'static Check) -> Verdict {
    say(&format!("test {} ...", check.name));
    let (tell, told) = mpsc::channel();
    let lab = lab.clone();
    let body = move || {
        let whole = catch_unwind(AssertUnwindSafe(|| {
            match check.begin {
                Begin::Nothing => lab.destroy(),
                Begin::InSync => lab.settle(),
            }
            (check.run)(&lab);
        }));
        // Nobody listens any more where it was out of time.
        _ = tell.send(whole.is_ok());
    };
    thread::Builder::new().name(check.name.to_owned()).spawn(body).expect("a thread can be made");
    match told.recv_timeout(Duration::from_mins(check.minutes)) {
        Ok(true) => Verdict::Passed,
        Ok(false) => Verdict::Failed,
        Err(_) => Verdict::OutOfTime,
    }
}

fn conclude(tally: &Tally) -> ExitCode {
    let Tally { passed, failed, skipped } = tally;
    let word = if *failed == 0 { "ok" } else { "FAILED" };
    say(&format!("\ntest result: {word}. {passed} passed; {failed} failed; {skipped} ignored\n"));
    let and_skipped = if *skipped == 0 { String::new() } else { format!(", {skipped} skipped") };
    say(&format!("{passed} passed, {failed} failed{and_skipped}"));
    if *failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One line for whoever waits.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    _ = writeln!(out, "{line}");
    _ = out.flush();
}

/// What the arguments choose, as far as `cargo test` passes on the usual ones.
#[derive(Debug, Default)]
struct Chosen {
    only: Vec<String>,
    skip: Vec<String>,
    exact: bool,
    list: bool,
}

impl Chosen {
    fn parse(mut args: impl Iterator<Item = String>) -> Self {
        let mut chosen = Self::default();
        while let Some(arg) = args.next() {
            match (arg.as_str(), arg.strip_prefix("--skip=")) {
                (_, Some(name)) => chosen.skip.push(name.to_owned()),
                ("--skip", None) => chosen.skip.extend(args.next()),
                ("--exact", None) => chosen.exact = true,
                ("--list", None) => chosen.list = true,
                ("--test-threads" | "--format" | "--color", None) => _ = args.next(),
                (name, None) if !name.starts_with('-') => chosen.only.push(arg),
                (_, None) => {}
            }
        }
        chosen
    }

    fn has(&self, name: &str) -> bool {
        let meets = |word: &String| if self.exact { name == word } else { name.contains(word.as_str()) };
        (self.only.is_empty() || self.only.iter().any(meets)) && !self.skip.iter().any(meets)
    }
}

//! Bring-up of three mains and four work nodes from booted, bare machines, then observing and planning them:
//! `cargo bench --profile dev --bench bring_up`. Needs root, systemd-nspawn and the bundle's lock; makes and deletes its own machines.

#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use fmp::{
    core::{profile::Profiles, spec},
    exec::{Progress, critical, progress::News},
    planner::{Plan, codec},
    providers::environment::Local,
    sim::step_times::Tally,
};

/// Runs of each figure.
const RUNS: usize = 5;

const NAME: &str = "fmp-bench";

/// One run of the program.
struct Run {
    took: Duration,
    peak_mb: u64,
    out: String,
    complaint: String,
}

struct Bench {
    root: &'static Path,
    cluster: PathBuf,
}

impl Bench {
    fn fmp(&self, args: &[&str]) -> Run {
        self.run(args, 0)
    }

    fn run(&self, args: &[&str], code: i32) -> Run {
        let begun = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_fmp"))
            .arg("--file")
            .arg(&self.cluster)
            .arg("--lock")
            .arg(self.root.join("bundle.lock"))
            .args(args)
            .stdin(Stdio::null())
            .stdout(fs::File::create(self.cluster.with_extension("out")).unwrap())
            .stderr(fs::File::create(self.cluster.with_extension("err")).unwrap())
            .spawn()
            .unwrap();
        let status = PathBuf::from(format!("/proc/{}/status", child.id()));
        let watcher = std::thread::spawn(move || peak_mb(&status));
        assert_eq!(child.wait().unwrap().code(), Some(code), "{args:?}: {}", self.read("err"));
        let took = begun.elapsed();
        Run { took, peak_mb: watcher.join().unwrap(), out: self.read("out"), complaint: self.read("err") }
    }

    fn read(&self, kind: &str) -> String {
        fs::read_to_string(self.cluster.with_extension(kind)).unwrap_or_default()
    }
}

/// The most memory that a process held, as long as it could be asked.
fn peak_mb(status: &Path) -> u64 {
    let mut peak = 0;
    while let Ok(text) = fs::read_to_string(status) {
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let Some(kilobytes) = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()) else { break };
        peak = peak.max(kilobytes / 1024);
        std::thread::park_timeout(Duration::from_millis(20));
    }
    peak
}

#[expect(clippy::print_stdout, reason = "a table of results")]
fn row(what: &str, unit: &str, mut figures: Vec<f64>) {
    figures.sort_by(f64::total_cmp);
    let (first, last) = (figures[0], figures[figures.len() - 1]);
    println!("| {what} | {:.2} {unit} | {first:.2} to {last:.2} |", figures[figures.len() / 2]);
}

#[expect(clippy::print_stdout, reason = "a table of step times")]
fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let cluster = folder.path().join("cluster.toml");
    let text = fs::read_to_string(root.join("fixtures/local-7/cluster.toml")).unwrap().replace("fmp-local", NAME);
    fs::write(&cluster, &text).unwrap();
    let spec = spec::parse("cluster.toml", &text, &Profiles::shipped()).unwrap();
    let bench = Bench { root, cluster };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let machines = Local::new(NAME);
    let mut figures: BTreeMap<&str, (&str, Vec<f64>)> = BTreeMap::new();
    let mut tally = Tally::default();
    let mut note = |what, unit, figure| figures.entry(what).or_insert((unit, Vec::new())).1.push(figure);
    for _ in 0..RUNS {
        bench.fmp(&["destroy", "--name", NAME]);
        runtime.block_on(async {
            for (name, node) in &spec.nodes {
                machines.create(name, node.address, node.virtual_machine().as_ref()).await.unwrap();
            }
        });
        let plan = codec::read(&bench.run(&["plan", "--format", "json"], 2).out).unwrap();
        let run = bench.fmp(&["apply", "--yes", "--json"]);
        where_it_goes(&plan, &run.out, &mut note, &mut tally);
        note("1 bring-up, in sync at its end", "s", run.took.as_secs_f64());
        note("2 bytes sent by SSH", "GB", sent_gb(&run.complaint));
        note("3 peak memory of fmp apply", "MB", f64::from(u32::try_from(run.peak_mb).unwrap_or(0)));
        assert!(run.complaint.contains("in sync"), "{}", run.complaint);
        bench.fmp(&["observe"]);
        note("4 observing", "s", bench.fmp(&["observe"]).took.as_secs_f64());
        note("5 observing --deep", "s", bench.fmp(&["observe", "--deep"]).took.as_secs_f64());
        note("6 planning, in sync", "s", bench.fmp(&["plan"]).took.as_secs_f64());
    }
    bench.fmp(&["destroy", "--name", NAME]);
    for (what, (unit, all)) in figures {
        let name = what.split_once(' ').map_or(what, |(_, name)| name);
        row(name, unit, all);
    }
    println!("\nstep times, for fmp-sim/data/step-times.toml:\n\n{}", tally.table());
}

/// How many kinds of steps are told of: the others take less than a second.
const KINDS: usize = 6;

/// The run's own length, that of its critical path, and the kinds of steps that took longest.
#[expect(clippy::print_stdout, reason = "what a run was spent on")]
fn where_it_goes(plan: &Plan, events: &str, note: &mut impl FnMut(&'static str, &'static str, f64), tally: &mut Tally) {
    let news: Vec<Progress> = events.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let wall = news.iter().find_map(|progress| match progress.news {
        News::RunFinished { millis, .. } => Some(millis),
        _ => None,
    });
    tally.add(plan, &news);
    let durations = critical::durations(&news);
    assert_eq!(durations.len(), plan.steps.len(), "the run carried out the plan that was made before it");
    let path = critical::critical_path(plan, &durations).unwrap();
    note("1a all steps", "s", seconds(wall.unwrap()));
    note("1b critical path", "s", seconds(path.millis));
    let kinds = critical::by_kind(plan, &durations);
    let mut kinds: Vec<_> = kinds.into_iter().map(|(kind, millis)| (millis, kind)).collect();
    kinds.sort_unstable_by(|one, other| other.cmp(one));
    let told = kinds.iter().take(KINDS).map(|(millis, kind)| format!("{kind:?} {:.1} s", seconds(*millis)));
    println!("steps of a kind together: {}", told.collect::<Vec<_>>().join(", "));
    for step in path.steps.iter().filter(|step| durations[*step] > 500) {
        println!("  critical: {step} {:.1} s", seconds(durations[step]));
    }
}

fn seconds(millis: u64) -> f64 {
    Duration::from_millis(millis).as_secs_f64()
}

/// What `fmp apply` says that it sent.
fn sent_gb(complaint: &str) -> f64 {
    let line = complaint.lines().find_map(|line| line.strip_suffix(" bytes sent over SSH"));
    let bytes = line.and_then(|line| line.trim().parse::<f64>().ok());
    bytes.map_or(f64::NAN, |bytes| bytes / 1e9)
}

//! Lowering and planning, without parsing and rendering: `cargo bench --profile dev --bench planner`.

#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{BenchmarkId, Criterion};
use fmp::core::{
    observed::{Fact, Observed},
    spec::Spec,
};
use support::{Lab, generated, lock, node, parsed};

/// Nothing is there, and that is known.
fn nothing(spec: &Spec) -> Observed {
    let hosts = spec.nodes.keys().map(|name| (name.clone(), Fact::Absent)).collect();
    Observed { now: 0, machines: Fact::Absent, hosts, etcd: Fact::Absent, api: Fact::Absent }
}

/// Everything is as wanted, but for one file edited by hand.
fn drifted(file: &str) -> Observed {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let lab = runtime.block_on(Lab::settled(file));
    lab.world.lock().edit_file(&node("work-00003"), "/etc/crictl.yaml", "edited\n");
    lab.observed()
}

/// The most memory that this process ever held, in megabytes.
fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

#[expect(clippy::print_stdout, reason = "a table of results")]
fn planner(criterion: &mut Criterion) {
    let lock = lock();
    let mut group = criterion.benchmark_group("lower and plan");
    group.sample_size(10);
    for nodes in [7, 1_000, 5_000] {
        let file = generated(nodes - 3, |_| {});
        let spec = parsed(&file);
        let fresh = nothing(&spec);
        group.bench_function(BenchmarkId::new("fresh", nodes), |bencher| {
            bencher.iter(|| fmp::plan(&spec, &lock, &fresh).unwrap());
        });
        println!("peak {} MB", peak_megabytes());
        let settled = drifted(&file);
        group.bench_function(BenchmarkId::new("one change", nodes), |bencher| {
            bencher.iter(|| fmp::plan(&spec, &lock, &settled).unwrap());
        });
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    planner(&mut criterion);
    criterion.final_summary();
}

//! Reading a file, and lowering and planning it, without rendering: `cargo bench --profile dev --bench planner`.

#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

#[path = "../tests/support/mod.rs"]
mod support;

use criterion::{BenchmarkId, Criterion};
use fmp::{
    core::{
        Digest, NodeName,
        bundle::Lock,
        observed::{Fact, Host, NodeSeen, Observed, UnitSeen},
        resource::{Resource, Scope},
        role,
        spec::Spec,
    },
    planner::Standing,
};
use support::{Lab, generated, lock, node, parsed};

/// Nothing is there, and that is known.
fn nothing(spec: &Spec) -> Observed {
    let hosts = spec.nodes.keys().map(|name| (name.clone(), Fact::Absent)).collect();
    Observed { now: 0, machines: Fact::Absent, hosts, other_keys: [].into(), etcd: Fact::Absent, api: Fact::Absent }
}

/// Three mains and two work nodes, settled by applying: on one, names would be answered by one pod.
fn small() -> Observed {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(Lab::settled(&generated(2, |_| {}))).observed()
}

/// A work node of the small cluster.
const FIRST: &str = "work-00003";

/// A cluster of any size where everything is as wanted: to apply a hundred thousand steps takes longer than all
/// measurements, so each further work node is the first one, but for what its own name and address make different.
fn settled(spec: &Spec, lock: &Lock, small: &Observed) -> Observed {
    let first = small.host(&node(FIRST)).unwrap();
    let is_further = |name: &NodeName| !small.hosts.contains_key(name);
    let mut seen = small.clone();
    for name in spec.nodes.keys().filter(|name| is_further(name)) {
        let mut host = Host { pod_cidr: None, ..first.clone() };
        host.facts.hostname = name.to_string();
        host.facts.machine_id = Digest::of(name.as_str()).short();
        host.pinned_machine_id = Fact::Known(host.facts.machine_id.clone());
        seen.hosts.insert(name.clone(), Fact::Known(host));
    }
    let lowered = role::lower(spec, lock, &seen).unwrap();
    let Fact::Known(api) = &mut seen.api else { panic!("{:?}", seen.api) };
    for (_, id, resource) in lowered.desired.iter() {
        let Scope::Node(name) = &id.scope else { continue };
        let Some(Fact::Known(host)) = seen.hosts.get_mut(name).filter(|_| is_further(name)) else { continue };
        match resource {
            Resource::NodeObject(wanted) => {
                host.pod_cidr = wanted.pod_cidr;
                let like = api.nodes[FIRST].clone();
                api.nodes.insert(name.to_string(), NodeSeen { pod_cidr: wanted.pod_cidr, ..like });
            }
            resource => name_it(host, resource),
        }
    }
    for (_, host) in seen.hosts.iter_mut().filter(|(name, _)| is_further(name)) {
        stamp(host);
    }
    seen
}

/// What a node's name and address change on it.
fn name_it(host: &mut Host, resource: &Resource) {
    if let Resource::File(file) = resource
        && let Some(Fact::Known(seen)) = host.files.get_mut(&*file.path)
    {
        seen.digest = Some(file.content.digest);
    }
    if let Resource::Certificate(wanted) = resource
        && let Some(Fact::Known(seen)) = host.certificates.get_mut(&*wanted.path)
    {
        seen.common_name.clone_from(&wanted.request.common_name);
        seen.names.clone_from(&wanted.request.names);
    }
}

/// Each unit has read what lies there.
fn stamp(host: &mut Fact<Host>) {
    let Fact::Known(Host { files, units, .. }) = host else { return };
    for unit in units.values_mut() {
        let Fact::Known(UnitSeen { stamp: Some(stamp), .. }) = unit else { continue };
        for (path, value) in &mut stamp.0 {
            if let Some(Fact::Known(file)) = files.get(path) {
                *value = file.as_stamped(path);
            }
        }
    }
}

/// The same with one file edited by hand.
fn drifted(mut seen: Observed) -> Observed {
    let Some(Fact::Known(host)) = seen.hosts.get_mut(FIRST) else { panic!("{FIRST} does not answer") };
    let Some(Fact::Known(file)) = host.files.get_mut("/etc/crictl.yaml") else { panic!("{:?}", host.files) };
    file.digest = Some(Digest::of("edited\n"));
    seen
}

/// The most memory that this process ever held, in megabytes.
fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

#[expect(clippy::print_stdout, reason = "a table of results")]
fn planner(criterion: &mut Criterion) {
    let (lock, small) = (lock(), small());
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
        let settled = settled(&spec, &lock, &small);
        assert_eq!(fmp::plan(&spec, &lock, &settled).unwrap().standing(), Standing::InSync);
        let settled = drifted(settled);
        group.bench_function(BenchmarkId::new("one change", nodes), |bencher| {
            bencher.iter(|| fmp::plan(&spec, &lock, &settled).unwrap());
        });
    }
}

/// Ten times the nodes take ten times as long.
fn reading(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read the file");
    group.sample_size(10);
    for nodes in [500, 5_000] {
        let file = generated(nodes - 3, |_| {});
        group.bench_function(BenchmarkId::from_parameter(nodes), |bencher| bencher.iter(|| parsed(&file)));
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    reading(&mut criterion);
    planner(&mut criterion);
    criterion.final_summary();
}

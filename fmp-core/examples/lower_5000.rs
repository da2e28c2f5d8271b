//! How long it takes to lower a cluster of 5,000 nodes: `cargo run --release -p fmp-core --example lower_5000`.
//!
//! On 2 cores of a shared computer: see the figures that it prints; the aim is 0.3 s for 300,000 resources.
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "an example that takes the time")]

use std::{fmt::Write as _, time::Instant};

use fmp_core::{
    Digest,
    bundle::{Entry, Kind, Lock, SourceKind},
    observed::{Fact, Observed},
    profile::Profiles,
    role, spec,
};

/// Mains beside 4,995 work nodes.
const MAINS: u32 = 5;
const NODES: u32 = 5000;

const PROGRAMS: [&str; 17] = [
    "bridge",
    "containerd",
    "containerd-shim-runc-v2",
    "ctr",
    "etcd",
    "etcdctl",
    "etcdutl",
    "flanneld",
    "host-local",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-proxy",
    "kube-scheduler",
    "kubectl",
    "kubelet",
    "loopback",
    "portmap",
];

/// Programs beside Kubernetes have versions of their own.
fn version_of(name: &str) -> &'static str {
    match name {
        "etcd" | "etcdctl" | "etcdutl" => "3.5.21",
        "containerd" | "containerd-shim-runc-v2" | "ctr" => "1.7.27",
        _ => "1.29.15",
    }
}

fn main() {
    let spec = spec::parse("cluster.toml", &file(), &Profiles::shipped()).expect("the generated file is right");
    let entry = |name: &str, kind| Entry {
        name: name.parse().expect("a name"),
        version: version_of(name).to_owned(),
        digest: Digest::of(name),
        size: 1,
        kind,
        source: SourceKind::Go,
        manifest: None,
    };
    let mut lock: Lock = PROGRAMS.into_iter().map(|name| entry(name, Kind::Binary)).collect();
    lock.insert(entry("pause-image", Kind::Image("registry.k8s.io/pause:3.9".to_owned())));
    lock.insert(entry("coredns-image", Kind::Image("registry.k8s.io/coredns/coredns:v1.11.3".to_owned())));
    let hosts = spec.nodes.keys().map(|name| (name.clone(), Fact::Absent)).collect();
    let observed = Observed {
        now: 0,
        machines: Fact::Absent,
        hosts,
        other_keys: [].into(),
        etcd: Fact::Absent,
        api: Fact::Absent,
    };

    for _ in 0..3 {
        let start = Instant::now();
        let lowered = role::lower(&spec, &lock, &observed).expect("the bundle has everything");
        let edges: usize = lowered.desired.iter().map(|(at, ..)| lowered.desired.dependencies(at).len()).sum();
        println!("{} resources and {edges} edges in {:?}", lowered.desired.len(), start.elapsed());
    }
}

/// A cluster of many nodes on one link.
fn file() -> String {
    let mut text = String::from(
        "[cluster]\nname = 'many'\nprofile = 'local'\nkubernetes = '1.29.15'\n[environment]\nkind = 'ssh'\n\
         [network]\nmode = 'flannel'\npods = '10.128.0.0/9'\nservices = '10.96.0.0/16'\n",
    );
    for n in 0..NODES {
        let (role, number) = if n < MAINS { ("main", n) } else { ("work", n - MAINS) };
        let (high, low) = (n / 250, n % 250 + 1);
        write!(text, "[nodes.{role}-{number:04}]\nrole = '{role}'\naddress = '198.18.{high}.{low}'\n")
            .expect("writing to a String can't fail");
    }
    text
}

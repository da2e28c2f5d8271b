//! Every combination of what two mains may be.

use fmp_core::{
    NodeName,
    observed::{Api, Etcd, UnitSeen},
};

use super::*;
use crate::{merge, provider::HostQuestions};

/// What one main turns out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Main {
    /// Its environment has no such machine.
    Nowhere,
    /// It answers and holds nothing.
    Bare,
    /// It holds a member's data and has an apiserver.
    Alive,
    /// It does not answer.
    Silent,
    /// It was not asked.
    Unasked,
}

const ALL: [Main; 5] = [Main::Nowhere, Main::Bare, Main::Alive, Main::Silent, Main::Unasked];

/// A host that answers.
const HOST: &str = r#"{
    "facts": {
        "hostname": "m", "machine_id": "1", "architecture": "x86_64", "os_id": "debian", "os_version": "12",
        "os_name": "Debian", "kernel": "6.1.0", "systemd": 252, "cpus": 1, "memory_bytes": 1, "root_bytes": 1,
        "root_free_bytes": 1, "disks": [], "cgroup": "v2", "swap_bytes": 0, "clock_offset_ms": 0,
        "clock_sync": "synchronised", "programs": {}, "modules": [], "sysctls": {}, "listeners": {}, "addresses": []
    },
    "cluster_id": "absent", "pinned_machine_id": "absent", "ledger": {}, "files": {}, "units": {"kube-apiserver.service": "absent"},
    "certificates": {}, "secrets": {}, "images": {"unknown": "containerd does not run"}, "etcd_data": false,
    "etcd_born": false, "running": [], "pod_cidr": null, "strangers": {}
}"#;

fn bare() -> Host {
    serde_json::from_str(HOST).unwrap()
}

fn alive() -> Host {
    let unit = UnitSeen {
        active: "failed".into(),
        sub: "failed".into(),
        enabled: "enabled".into(),
        needs_reload: false,
        drop_ins: [].into(),
        condition: true,
        stamp: None,
    };
    Host { etcd_data: true, units: [(APISERVER.to_owned(), Fact::Known(unit))].into(), ..bare() }
}

fn name(at: usize) -> NodeName {
    format!("main-{at}").parse().unwrap()
}

/// What is concluded where nobody could tell of etcd and the API.
fn concluded(mains: &[Main]) -> Observed {
    completed(mains, merge::nothing())
}

fn completed(mains: &[Main], seen: Observed) -> Observed {
    let ask = |main| HostQuestions { main, ..HostQuestions::default() };
    let mut questions = Questions::default();
    let mut observed = seen;
    questions.hosts.insert("work-1".parse().unwrap(), ask(false));
    observed.hosts.insert("work-1".parse().unwrap(), Fact::Unknown("no route".into()));
    for (at, main) in mains.iter().enumerate() {
        questions.hosts.insert(name(at), ask(true));
        match main {
            Main::Nowhere => _ = observed.hosts.insert(name(at), Fact::Absent),
            Main::Bare => _ = observed.hosts.insert(name(at), Fact::Known(bare())),
            Main::Alive => _ = observed.hosts.insert(name(at), Fact::Known(alive())),
            Main::Silent => _ = observed.hosts.insert(name(at), Fact::Unknown("no route".into())),
            Main::Unasked => {}
        }
    }
    infer(observed, &questions)
}

fn is_unknown<T>(fact: &Fact<T>) -> bool {
    matches!(fact, Fact::Unknown(_))
}

#[test]
fn only_mains_that_are_nowhere_or_bare_leave_nothing() {
    for one in ALL {
        for other in ALL {
            let seen = concluded(&[one, other]);
            let nothing_there = [one, other].iter().all(|main| matches!(main, Main::Nowhere | Main::Bare));
            let expected = if nothing_there { "absent" } else { "unknown" };
            let told = |unknown| if unknown { "unknown" } else { "absent" };
            let facts = (told(is_unknown(&seen.etcd)), told(is_unknown(&seen.api)));
            assert_eq!(facts, (expected, expected), "{one:?} {other:?}: {seen:?}");
        }
    }
}

#[test]
fn without_a_main_nothing_is_concluded() {
    let seen = concluded(&[]);
    assert!(is_unknown(&seen.etcd) && is_unknown(&seen.api));
}

#[test]
fn etcd_and_the_api_are_concluded_apart() {
    let mut questions = Questions::default();
    questions.hosts.insert(name(0), HostQuestions { main: true, ..HostQuestions::default() });
    let with = |host: Host| Observed { hosts: [(name(0), Fact::Known(host))].into(), ..merge::nothing() };
    let seen = infer(with(Host { etcd_data: true, ..bare() }), &questions);
    assert!(is_unknown(&seen.etcd) && seen.api == Fact::Absent, "data without an apiserver: {seen:?}");
    let seen = infer(with(Host { etcd_data: false, ..alive() }), &questions);
    assert!(seen.etcd == Fact::Absent && is_unknown(&seen.api), "an apiserver without data: {seen:?}");
    // A unit that was not asked about may be there.
    let seen = infer(with(Host { units: [].into(), ..bare() }), &questions);
    assert!(is_unknown(&seen.api), "{seen:?}");
}

#[test]
fn what_somebody_knows_stays() {
    let etcd = Fact::Known(Etcd { cluster_id: "c".into(), members: [].into() });
    let api = Fact::Known(Api {
        ready: [].into(),
        cluster_id: Fact::Absent,
        nodes: [].into(),
        objects: [].into(),
        network_policies: Fact::Absent,
        pods: Fact::Absent,
        workloads: None,
        health: None,
    });
    let seen = Observed { etcd: etcd.clone(), api: api.clone(), ..merge::nothing() };
    let seen = completed(&[Main::Bare, Main::Nowhere], seen);
    assert_eq!((seen.etcd, seen.api), (etcd, api));
}

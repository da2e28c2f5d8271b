//! What holds for every unit file.

use std::collections::BTreeSet;

use crate::{
    graph::Desired,
    profile::Profiles,
    resource::{Effect, Input, Resource, Unit},
    role::{
        lower, paths,
        testing::{born, bundle, cluster, nothing, text, unit},
    },
    spec::{ApiEntrance, SharedAddress},
};

/// Directives that systemd 239 knows
/// ([its manuals](https://www.freedesktop.org/software/systemd/man/239/systemd.directives.html)).
const KNOWN: [&str; 35] = [
    "After",
    "CPUAccounting",
    "ConditionPathExists",
    "Delegate",
    "Description",
    "Documentation",
    "Environment",
    "EnvironmentFile",
    "ExecReload",
    "ExecStart",
    "ExecStartPost",
    "ExecStartPre",
    "ExecStop",
    "ExecStopPost",
    "KillMode",
    "LimitCORE",
    "LimitNOFILE",
    "LimitNPROC",
    "LogsDirectory",
    "LogsDirectoryMode",
    "MemoryAccounting",
    "OOMScoreAdjust",
    "RemainAfterExit",
    "RequiresMountsFor",
    "Restart",
    "RestartSec",
    "StartLimitIntervalSec",
    "SuccessExitStatus",
    "TasksMax",
    "TimeoutStartSec",
    "TimeoutStopSec",
    "Type",
    "User",
    "WantedBy",
    "Wants",
];

/// Every unit of every node, with its text on one line a directive: with the profile of machines that share a computer,
/// and with that of real ones.
fn units() -> Vec<(Unit, String)> {
    let mut spec = cluster("1.29.15", "flannel");
    let address = SharedAddress { address: [198, 18, 0, 10].into(), port: 8443, router_id: 10 };
    spec.api_entrance = ApiEntrance::Keepalived(address);
    let shared = spec.clone();
    spec.profile = Profiles::shipped().load("fmp-23.12").unwrap();
    let lowered = [shared, spec].map(|spec| lower(&spec, &bundle("1.29.15"), &nothing(&spec)).unwrap().desired);
    let units: Vec<(Unit, String)> = (lowered.iter())
        .flat_map(|desired| desired.iter().map(move |(_, id, resource)| (desired, id, resource)))
        .filter_map(|(desired, id, resource)| match resource {
            Resource::Unit(unit) => Some((unit.clone(), joined(desired, &id.scope.to_string(), &unit.name))),
            _ => None,
        })
        .collect();
    assert!(units.len() > 80, "{}", units.len());
    units
}

fn joined(desired: &Desired, node: &str, name: &str) -> String {
    text(desired, node, &paths::unit_file(name)).replace("\\\n", "")
}

#[test]
fn systemd_239_knows_every_directive() {
    for (unit, text) in units() {
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('[')) {
            let (directive, _) = line.split_once('=').unwrap_or_else(|| panic!("{}: {line}", unit.name));
            assert!(KNOWN.contains(&directive), "{}: {line}", unit.name);
        }
    }
}

#[test]
fn every_unit_comes_back_and_waits_as_long_as_it_takes() {
    for (unit, text) in units() {
        for line in ["StartLimitIntervalSec=0", "TimeoutStartSec=infinity", "WantedBy=multi-user.target"] {
            assert!(text.lines().any(|other| other == line), "{}: {line}", unit.name);
        }
        let oneshot = text.contains("Type=oneshot");
        assert_eq!(text.contains("Restart=always"), !oneshot, "{}", unit.name);
    }
}

#[test]
fn a_unit_notes_exactly_its_inputs_when_it_starts() {
    for (unit, text) in units() {
        let command = format!("ExecStartPre=-/bin/sh {} {}", paths::STAMP, unit.name);
        let noted = text.lines().find_map(|line| line.strip_prefix(&command)).unwrap_or_else(|| panic!("{text}"));
        let own = paths::unit_file(&unit.name);
        let noted: BTreeSet<&str> = noted.split_whitespace().chain([own.as_str()]).collect();
        let inputs: BTreeSet<&str> = unit.inputs.iter().map(|input| &*input.path).collect();
        assert_eq!(noted, inputs, "{}", unit.name);
        assert_eq!(inputs.len(), unit.inputs.len(), "{} has an input twice", unit.name);
    }
}

#[test]
fn every_file_that_a_unit_is_told_of_is_an_input() {
    for (unit, text) in units() {
        let start = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
        let told = start.split_whitespace().filter_map(|word| word.rsplit('=').next());
        for path in told.filter(|word| ["/etc/", "/opt/"].iter().any(|root| word.starts_with(root))) {
            assert!(unit.inputs.iter().any(|input| &*input.path == path), "{}: {path}", unit.name);
        }
    }
}

fn has_line(text: &str, line: &str) -> bool {
    text.lines().any(|other| other == line)
}

/// A runtime or kubelet that is started again must not take the pods along, nor may systemd meddle with their groups.
#[test]
fn pods_outlive_whoever_started_them() {
    let mut seen = BTreeSet::new();
    for (unit, text) in units() {
        let holds_pods = ["containerd.service", "kubelet.service"].contains(&&*unit.name);
        for line in ["KillMode=process", "Delegate=yes"] {
            assert_eq!(has_line(&text, line), holds_pods, "{}: {line}", unit.name);
        }
        seen.extend(holds_pods.then(|| unit.name.clone()));
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
}

/// On a disk that comes late, an empty folder would be taken for data that is gone.
#[test]
fn whoever_keeps_data_waits_for_the_disk_that_it_lies_on() {
    let mut seen = BTreeSet::new();
    for (unit, text) in units() {
        let data = match &*unit.name {
            "etcd.service" => "/var/lib/etcd",
            "containerd.service" => "/var/lib/containerd",
            "kubelet.service" => "/var/lib/kubelet",
            "kube-apiserver.service" => "/var/log",
            _ => continue,
        };
        assert!(has_line(&text, &format!("RequiresMountsFor={data}")), "{}: {data}", unit.name);
        seen.insert(unit.name.clone());
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
}

/// Silence on a connection is noticed well before a node counts as lost, which takes 40 s.
#[test]
fn a_dead_connection_to_the_api_is_given_up_before_its_node_is() {
    let clients = [
        "flanneld.service",
        "kube-apiserver.service",
        "kube-controller-manager.service",
        "kube-proxy.service",
        "kube-scheduler.service",
        "kubelet.service",
    ];
    let mut seen = BTreeSet::new();
    for (unit, text) in units().into_iter().filter(|(unit, _)| clients.contains(&&*unit.name)) {
        let seconds = |name: &str| -> u32 {
            let (_, rest) = text.split_once(name).unwrap_or_else(|| panic!("{} has no {name}", unit.name));
            let digits = rest.trim_start_matches('=').split(|c: char| !c.is_ascii_digit()).next();
            digits.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("{}: {name}{rest}", unit.name))
        };
        let noticed = seconds("HTTP2_READ_IDLE_TIMEOUT_SECONDS") + seconds("HTTP2_PING_TIMEOUT_SECONDS");
        assert!((1..=20).contains(&noticed), "{}: {noticed} s", unit.name);
        seen.insert(unit.name.clone());
    }
    assert!(seen.iter().map(|name| &**name).eq(clients), "{seen:?}");
}

#[test]
fn etcd_starts_on_its_data_or_with_a_permit_and_says_existing_at_rest() {
    let text = joined(&born("1.29.15", "routed").desired, "main-1", "etcd.service");
    for line in [
        "ConditionPathExists=|/var/lib/etcd/member",
        "ConditionPathExists=|/run/fmp/etcd-permit.env",
        "Environment=ETCD_INITIAL_CLUSTER_STATE=existing",
        "EnvironmentFile=-/run/fmp/etcd-permit.env",
    ] {
        assert!(text.lines().any(|other| other == line), "{line}");
    }
    assert!(!text.contains("--initial-cluster"));
}

#[test]
fn renewed_certificates_restart_only_what_reads_them_once() {
    let desired = born("1.29.15", "routed").desired;
    let mut restarted = BTreeSet::new();
    for name in ["etcd.service", "kube-apiserver.service", "kube-scheduler.service", "kubelet.service"] {
        let unit = unit(&desired, "main-1", name);
        let stem =
            |input: &Input| input.path.strip_suffix(".crt").filter(|stem| !stem.ends_with("ca")).map(str::to_owned);
        restarted.extend(unit.inputs.iter().filter(|input| input.effect != Effect::None).filter_map(stem));
    }
    assert!(restarted.iter().eq(["/var/lib/kubelet/pki/kubelet"]), "{restarted:?}");
}

#[test]
fn one_apiserver_asks_nobody_to_go_away() {
    let several = joined(&born("1.29.15", "routed").desired, "main-1", "kube-apiserver.service");
    assert!(several.contains("--goaway-chance="));
    let mut spec = cluster("1.29.15", "routed");
    spec.nodes.retain(|name, _| !["main-2", "main-3"].contains(&name.as_str()));
    let observed = nothing(&spec);
    let lowered = lower(&spec, &bundle("1.29.15"), &observed).unwrap();
    assert!(!joined(&lowered.desired, "main-1", "kube-apiserver.service").contains("--goaway-chance="));
}

#[test]
fn swap_is_off_where_the_profile_allows_none() {
    let host = |profile: &str| {
        let mut spec = cluster("1.29.15", "routed");
        spec.profile = Profiles::shipped().load(profile).unwrap();
        joined(&lower(&spec, &bundle("1.29.15"), &nothing(&spec)).unwrap().desired, "work-1", "fmp-host.service")
    };
    assert!(has_line(&host("fmp-23.12"), "ExecStartPre=-/sbin/swapoff -a"));
    assert!(!host("local").contains("swapoff"), "machines that share a computer share its swap");
}

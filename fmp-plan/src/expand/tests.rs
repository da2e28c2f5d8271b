//! Units of disruption, order, and what is held back, over whole clusters.

use std::collections::{BTreeMap, BTreeSet};

use fmp_core::resource::Capability;

use crate::{
    Plan, Step, StepId,
    step::{Budget, Disruption},
    testing::{Lab, comes_after, ids, node, step, url, waits},
};

/// Everything that nodes run is older than what is wanted.
fn all_outdated(mains: u8, works: u16) -> Lab {
    let mut lab = Lab::settled(mains, works);
    for name in lab.spec.nodes.keys().cloned().collect::<Vec<_>>() {
        let units: Vec<String> = lab.host(name.as_str()).units.keys().cloned().collect();
        units.iter().for_each(|unit| lab.outdate(name.as_str(), unit));
        lab.edit(name.as_str(), "/etc/fmp/node.env");
    }
    lab
}

/// Units that wait for each other can't be carried out: each would hold its slot for ever.
fn check_units_are_in_order(plan: &Plan) {
    let point = |step: &Step| step.unit.as_ref().map_or_else(|| step.id.to_string(), |unit| format!("unit {unit:?}"));
    let point_of: BTreeMap<&StepId, String> = plan.steps.iter().map(|step| (&step.id, point(step))).collect();
    // Steps of one unit are one point.
    let mut before: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for step in &plan.steps {
        before.entry(&point_of[&step.id]).or_default().extend(step.after.iter().map(|id| point_of[id].as_str()));
    }
    let all_before = |point: &str| {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut stack: Vec<&str> = before[point].iter().copied().collect();
        while let Some(at) = stack.pop() {
            if seen.insert(at) {
                stack.extend(&before[at]);
            }
        }
        seen
    };
    let units: Vec<(&str, BTreeSet<&str>)> =
        before.keys().filter(|point| point.starts_with("unit ")).map(|point| (*point, all_before(point))).collect();
    for (one, before_one) in &units {
        let waits_for_it = |(other, before): &&(&str, BTreeSet<&str>)| {
            other != one && before_one.contains(other) && before.contains(one)
        };
        assert_eq!(
            units.iter().find(waits_for_it).map(|(other, _)| other),
            None,
            "{one} waits for it, and it for that"
        );
    }
}

fn unit(name: &str, budget: Budget) -> Disruption {
    Disruption { node: node(name), budget }
}

#[test]
fn restarts_of_everything_on_all_nodes_can_be_ordered() {
    let plan = all_outdated(3, 2).plan();
    assert!(plan.waiting.is_empty(), "{:#?}", plan.waiting);
    check_units_are_in_order(&plan);
    assert!(comes_after(&plan, "main-1/unit/kubelet.service", "main-3/unit/kube-apiserver.service"));
}

#[test]
fn apiservers_that_are_down_and_kubelets_that_restart_can_be_ordered() {
    let mut lab = all_outdated(3, 1);
    ["main-1", "main-2", "main-3"].iter().for_each(|main| lab.stop(main, "kube-apiserver.service", "failed"));
    check_units_are_in_order(&lab.plan());
}

#[test]
fn all_steps_that_take_something_away_from_a_main_share_its_slot() {
    let plan = all_outdated(3, 0).plan();
    for own in ["files", "unit/etcd.service", "unit/kube-apiserver.service", "unit/kube-scheduler.service"] {
        assert_eq!(step(&plan, &format!("main-2/{own}")).unit, Some(unit("main-2", Budget::Mains)), "{own}");
    }
    assert_eq!(plan.budgets[&Budget::Mains], 1);
}

#[test]
fn a_broken_balancer_or_network_shows_on_one_node_first() {
    let plan = all_outdated(3, 1).plan();
    for own in ["fmp-balancer", "kube-proxy", "flanneld", "kubelet", "containerd"] {
        let step = step(&plan, &format!("work-1/unit/{own}.service"));
        assert_eq!(step.unit, Some(unit("work-1", Budget::Works)), "{own}");
        assert!(step.disrupts.contains(&Capability::Pods(node("work-1"))), "{own}");
    }
}

#[test]
fn a_membership_change_is_one_unit_and_counts_as_the_voter() {
    let mut lab = Lab::settled(5, 0);
    lab.wipe(1);
    lab.wipe(2);
    let plan = lab.plan();
    for main in ["main-1", "main-2"] {
        for link in ["remove", "add", "start", "promote"] {
            let step = step(&plan, &format!("{main}/etcd-member/{link}"));
            assert_eq!(step.unit, Some(unit(main, Budget::Mains)), "{}", step.id);
            assert!(step.disrupts.contains(&Capability::Voter(node(main))), "{}", step.id);
        }
    }
    check_units_are_in_order(&plan);
}

#[test]
fn first_members_are_born_together() {
    let plan = Lab::bare(3, 1).plan();
    for main in ["main-1", "main-2", "main-3"] {
        let step = step(&plan, &format!("{main}/etcd-member/bootstrap"));
        assert_eq!((&step.unit, step.disrupts.len()), (&None, 0));
    }
}

#[test]
fn a_running_unit_reads_no_new_file_before_it_may_be_restarted() {
    let mut lab = Lab::settled(3, 0);
    lab.edit("main-1", "/etc/systemd/system/etcd.service");
    lab.member(2).healthy = fmp_core::observed::Fact::Unknown("no answer".into());
    let plan = lab.plan();
    assert_eq!(ids(&plan), Vec::<&str>::new());
    assert!(waits(&plan, "main-1/unit/etcd.service").unwrap().starts_with("2 of etcd's 3 voters stay healthy"));
    assert_eq!(
        waits(&plan, "main-1/file/etc/systemd/system/etcd.service"),
        Some("main-1/unit/etcd.service is settled")
    );
}

#[test]
fn what_shares_a_file_with_a_unit_that_is_held_up_is_held_up_too() {
    let mut lab = Lab::settled(3, 0);
    lab.edit("main-1", "/etc/fmp/node.env");
    lab.edit("main-1", "/etc/fmp/containerd.toml");
    lab.edit("main-1", "/etc/kubernetes/audit-policy.yaml");
    lab.member(2).healthy = fmp_core::observed::Fact::Known(false);
    let plan = lab.plan();
    assert!(waits(&plan, "main-1/file/etc/fmp/node.env").is_some());
    assert!(waits(&plan, "main-1/file/etc/kubernetes/audit-policy.yaml").is_some(), "its apiserver is held up");
    assert_eq!(ids(&plan), ["main-1/files", "main-1/unit/containerd.service"], "containerd reads no node.env");
}

#[test]
fn a_unit_that_is_down_gets_its_files_whatever_else_waits() {
    let mut lab = Lab::settled(3, 0);
    lab.edit("main-1", "/etc/systemd/system/etcd.service");
    lab.stop("main-1", "etcd.service", "failed");
    lab.member(1).healthy = fmp_core::observed::Fact::Known(false);
    lab.member(2).healthy = fmp_core::observed::Fact::Known(false);
    assert_eq!(ids(&lab.plan()), ["main-1/files", "main-1/unit/etcd.service"]);
}

#[test]
fn new_mains_join_one_after_the_other_each_with_the_members_of_its_day() {
    let mut lab = Lab::settled(5, 0);
    for main in [4, 5] {
        lab.clear(&format!("main-{main}"));
        lab.etcd().remove(&url(main));
        lab.api().nodes.remove(&format!("main-{main}"));
        lab.api().ready.remove(&node(&format!("main-{main}")));
    }
    let plan = lab.plan();
    assert!(comes_after(&plan, "main-5/etcd-member/add", "main-4/etcd-member/promote"));
    let members = |id: &str| match &step(&plan, id).action {
        crate::Action::StartEtcdLearner { members } => members.values().cloned().collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(members("main-4/etcd-member/start"), [1, 2, 3, 4].map(url));
    assert_eq!(members("main-5/etcd-member/start"), [1, 2, 3, 4, 5].map(url));
    check_units_are_in_order(&plan);

    lab.host("main-4").images = fmp_core::observed::Fact::Absent;
    lab.host("main-4").files.insert("/etc/fmp/node.env".into(), fmp_core::observed::Fact::Unknown("io error".into()));
    let plan = lab.plan();
    assert_eq!(waits(&plan, "main-5/etcd-member"), Some("main-4/file/etc/fmp/node.env is settled"));
}

#[test]
fn a_main_whose_learner_was_announced_joins_before_one_that_etcd_does_not_know() {
    let mut lab = Lab::settled(5, 0);
    for main in [4, 5] {
        lab.clear(&format!("main-{main}"));
        lab.api().nodes.remove(&format!("main-{main}"));
        lab.api().ready.remove(&node(&format!("main-{main}")));
    }
    lab.etcd().remove(&url(4));
    let announced = lab.member(5);
    (announced.learner, announced.started, announced.name) = (true, false, String::new());
    let plan = lab.plan();
    assert_eq!(waits(&plan, "main-5/etcd-member"), None, "{:#?}", plan.waiting);
    assert!(ids(&plan).contains(&"main-5/etcd-member/promote"));
}

/// Every etcd waits for a restart, and no apiserver runs, so that nobody says what may be restarted.
fn all_apiservers_down() -> Lab {
    let mut lab = Lab::settled(3, 0);
    for main in ["main-1", "main-2", "main-3"] {
        lab.outdate(main, "etcd.service");
        lab.stop(main, "kube-apiserver.service", "failed");
    }
    lab.seen.api = fmp_core::observed::Fact::Unknown("no apiserver answers".into());
    lab
}

#[test]
fn what_is_down_is_started_although_what_it_stands_on_waits_for_a_restart() {
    let plan = all_apiservers_down().plan();
    let started: Vec<String> = (1..=3).map(|main| format!("main-{main}/unit/kube-apiserver.service")).collect();
    assert_eq!(ids(&plan), started);
    assert!(waits(&plan, "main-1/unit/etcd.service").unwrap().starts_with("an apiserver answers: "));
}

#[test]
fn what_would_come_up_with_something_new_waits_for_what_it_stands_on() {
    let mut lab = all_apiservers_down();
    lab.edit_beneath("main-1", "/etc/kubernetes/audit-policy.yaml");
    let plan = lab.plan();
    assert_eq!(waits(&plan, "main-1/unit/kube-apiserver.service"), Some("main-1/unit/etcd.service is settled"));
}

#[test]
fn a_host_belongs_to_its_cluster_before_anything_else_lies_there() {
    let plan = Lab::bare(3, 1).plan();
    let firsts = plan.steps.iter().filter_map(|step| match &step.action {
        crate::Action::EstablishTrust { items } => Some(items[0].what),
        _ => None,
    });
    let firsts: Vec<_> = firsts.collect();
    assert_eq!(firsts, vec![fmp_core::resource::Holding::ClusterId; 4]);
}

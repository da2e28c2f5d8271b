//! Nodes that leave: in which order, what it waits for, and what is only told.

use std::collections::BTreeSet;

use fmp_core::{
    observed::{Fact, Machine},
    spec::{AppsAddress, AppsEntrance, Role},
};

use crate::{
    Action, Plan, Standing, StepId,
    action::{Evict, MemberBefore},
    fact::FactKey,
    lint::lint,
    safety::ETCD,
    testing::{CLUSTER, Lab, ids, node, step, url, waits},
};

/// The steps about one node, by the last part of their names.
fn of<'a>(plan: &'a Plan, name: &str) -> Vec<&'a str> {
    let prefix = format!("{name}/retire/");
    plan.steps.iter().filter_map(|step| step.id.as_str().strip_prefix(&*prefix)).collect()
}

/// A plan that the linter has nothing to say about.
#[track_caller]
fn planned(lab: &Lab) -> Plan {
    let plan = lab.plan();
    assert_eq!(lint(&plan), []);
    plan
}

/// Three mains and two work nodes, of which the second leaves.
fn work_leaves() -> Lab {
    // Two stay: on fewer, names are answered by fewer pods.
    let mut lab = Lab::settled(3, 3);
    lab.retire("work-2");
    lab
}

/// Five mains, of which these leave.
fn mains_leave(leaving: &[&str]) -> Lab {
    let mut lab = Lab::settled(5, 1);
    leaving.iter().for_each(|name| lab.retire(name));
    lab
}

/// Whether the steps about a node come in this order, one after the other.
#[track_caller]
fn check_chain(plan: &Plan, name: &str, links: &[&str]) {
    let (found, wanted): (BTreeSet<&str>, _) = (of(plan, name).into_iter().collect(), links.iter().copied().collect());
    assert_eq!(found, wanted);
    for pair in links.windows(2) {
        let after = &step(plan, &format!("{name}/retire/{}", pair[1])).after;
        assert_eq!(after.iter().map(StepId::as_str).collect::<Vec<_>>(), [format!("{name}/retire/{}", pair[0])]);
    }
}

#[test]
fn a_work_node_is_cordoned_drained_stopped_and_deleted() {
    let plan = planned(&work_leaves());
    check_chain(&plan, "work-2", &["cordon", "drain", "stop", "delete"]);
    assert_eq!(plan.steps.len(), 4, "nobody else is touched: {:?}", ids(&plan));
    assert!(matches!(step(&plan, "work-2/retire/drain").action, Action::DrainNode { evict: Evict::Replaceable, .. }));
    let Action::StopUnits { units } = &step(&plan, "work-2/retire/stop").action else { panic!("it stops nothing") };
    assert!(units.iter().any(|unit| &**unit == "kubelet.service"), "{units:?}");
    let first = step(&plan, "work-2/retire/cordon");
    assert_eq!(first.unit, step(&plan, "work-2/retire/drain").unit);
    assert_eq!(first.unit, step(&plan, "work-2/retire/stop").unit);
    let rests_on = |key: &FactKey| plan.basis.facts.iter().any(|fact| fact.key == *key);
    assert!(rests_on(&FactKey::Host { node: node("work-2") }));
}

#[test]
fn all_pods_go_where_a_person_agreed() {
    let mut lab = work_leaves();
    lab.agree("evict work-2");
    let plan = planned(&lab);
    assert!(matches!(step(&plan, "work-2/retire/drain").action, Action::DrainNode { evict: Evict::All, .. }));
    assert!(plan.consents.contains("evict work-2"));
}

#[test]
fn a_departure_that_broke_off_goes_on() {
    let mut lab = work_leaves();
    lab.api().nodes.get_mut("work-2").unwrap().unschedulable = true;
    check_chain(&planned(&lab), "work-2", &["drain", "stop", "delete"]);
    // In the middle of the stop: the kubelet is down for good, the runtime still runs.
    lab.api().nodes.get_mut("work-2").unwrap().ready = false;
    "disabled".clone_into(&mut lab.unit("work-2", "kubelet.service").enabled);
    lab.stop("work-2", "kubelet.service", "inactive");
    check_chain(&planned(&lab), "work-2", &["stop", "delete"]);
    for unit in lab.host("work-2").units.values_mut() {
        if let Fact::Known(unit) = unit {
            "inactive".clone_into(&mut unit.active);
            "disabled".clone_into(&mut unit.enabled);
        }
    }
    check_chain(&planned(&lab), "work-2", &["delete"]);
    lab.api().nodes.remove("work-2");
    assert_eq!(planned(&lab).standing(), Standing::InSync);
}

#[test]
fn what_would_start_at_the_next_boot_is_stopped_too() {
    let mut lab = work_leaves();
    for unit in lab.host("work-2").units.values_mut() {
        if let Fact::Known(unit) = unit {
            "inactive".clone_into(&mut unit.active);
        }
    }
    lab.api().nodes.get_mut("work-2").unwrap().ready = false;
    let until = waits(&lab.plan(), "work-2").map(str::to_owned).unwrap();
    assert!(until.starts_with("its Node is Ready, so that its pods can go elsewhere"), "{until}");
    lab.agree("evict work-2");
    check_chain(&planned(&lab), "work-2", &["stop", "delete"]);
}

#[test]
fn a_main_leaves_with_its_member_and_one_at_a_time() {
    let lab = mains_leave(&["main-4", "main-5"]);
    let plan = planned(&lab);
    check_chain(&plan, "main-4", &["cordon", "drain", "stop", "member", "etcd", "delete"]);
    assert_eq!(waits(&plan, "main-5"), Some("etcd's change of main-4 is over"));
    assert!(of(&plan, "main-5").is_empty());
    let stopped = |name: &str| match &step(&plan, name).action {
        Action::StopUnits { units } => units.iter().map(|unit| &**unit).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(stopped("main-4/retire/etcd"), [ETCD], "it is no voter any more when it stops");
    let member = &step(&plan, "main-4/retire/member").action;
    assert!(matches!(member, Action::RemoveEtcdMember { before: MemberBefore::Answering, .. }), "{member:?}");
    let first = stopped("main-4/retire/stop");
    assert!(first.contains(&"kube-apiserver.service") && !first.contains(&ETCD), "{first:?}");
    for name in ["main-4/retire/stop", "main-4/retire/etcd"] {
        assert_eq!(step(&plan, name).unit, step(&plan, "main-4/retire/member").unit);
    }
}

#[test]
fn a_main_whose_departure_broke_off_after_its_vote_ended_is_stopped() {
    let mut lab = mains_leave(&["main-5"]);
    for (name, fact) in &mut lab.host("main-5").units {
        if let Fact::Known(unit) = fact
            && name != ETCD
        {
            "inactive".clone_into(&mut unit.active);
            "disabled".clone_into(&mut unit.enabled);
        }
    }
    let object = lab.api().nodes.get_mut("main-5").unwrap();
    (object.ready, object.unschedulable) = (false, true);
    check_chain(&planned(&lab), "main-5", &["member", "etcd", "delete"]);
    lab.etcd().remove(&url(5));
    "activating".clone_into(&mut lab.unit("main-5", ETCD).active);
    check_chain(&planned(&lab), "main-5", &["stop", "delete"]);
}

#[test]
fn a_member_that_does_not_answer_is_stopped_before_it_is_taken_out() {
    let mut lab = mains_leave(&["main-5"]);
    lab.member(5).healthy = Fact::Known(false);
    let plan = planned(&lab);
    check_chain(&plan, "main-5", &["cordon", "drain", "stop", "member", "delete"]);
    let Action::StopUnits { units } = &step(&plan, "main-5/retire/stop").action else { panic!("it stops nothing") };
    assert!(units.iter().any(|unit| &**unit == ETCD));
    let member = &step(&plan, "main-5/retire/member").action;
    assert!(matches!(member, Action::RemoveEtcdMember { before: MemberBefore::Silent, .. }), "{member:?}");
}

#[test]
fn a_main_waits_where_the_others_have_no_quorum_without_it() {
    let mut lab = mains_leave(&["main-5"]);
    lab.member(1).healthy = Fact::Known(false);
    lab.member(2).healthy = Fact::Known(false);
    let plan = lab.plan();
    assert!(of(&plan, "main-5").is_empty());
    assert!(waits(&plan, "main-5").unwrap().contains("voters are healthy without main-5"), "{:?}", plan.waiting);
}

#[test]
fn a_main_that_moves_leaves_after_the_new_one_has_its_vote() {
    let mut lab = mains_leave(&["main-5"]);
    lab.etcd().remove(&url(4));
    lab.clear("main-4");
    assert_eq!(waits(&lab.plan(), "main-5"), Some("main-4 has its vote"));
}

#[test]
fn a_dead_main_leaves_before_the_new_one_joins() {
    let mut lab = mains_leave(&["main-5"]);
    lab.agree("destroyed main-5");
    lab.seen.hosts.remove(&node("main-5"));
    lab.member(5).healthy = Fact::Known(false);
    lab.api().nodes.get_mut("main-5").unwrap().ready = false;
    lab.etcd().remove(&url(4));
    lab.clear("main-4");
    let plan = planned(&lab);
    check_chain(&plan, "main-5", &["member", "delete"]);
    let until = "main-5, which leaves and is dead, is taken out of etcd before main-4 joins";
    assert_eq!(waits(&plan, "main-4/etcd-member"), Some(until));
    assert!(plan.consents.contains("destroyed main-5"));
}

#[test]
fn a_member_that_was_stopped_votes_again_where_the_others_have_no_quorum() {
    let mut lab = mains_leave(&["main-5"]);
    lab.stop("main-5", ETCD, "inactive");
    lab.seen.etcd = Fact::Unknown("etcdserver: no leader".into());
    let plan = planned(&lab);
    check_chain(&plan, "main-5", &["vote"]);
    assert_eq!(step(&plan, "main-5/retire/vote").action, Action::StartUnit { unit: ETCD.into() });
    lab.host("main-5").etcd_data = false;
    assert!(of(&lab.plan(), "main-5").is_empty());
}

#[test]
fn nobody_is_born_while_a_main_that_leaves_has_data() {
    let mut lab = Lab::bare(3, 0);
    let other = Lab::settled(5, 0);
    lab.spec.retired.insert(node("main-5"), other.spec.nodes[&node("main-5")].clone());
    lab.seen.hosts.insert(node("main-5"), other.seen.hosts[&node("main-5")].clone());
    let plan = lab.plan();
    assert_eq!((plan.steps.len(), plan.waiting.len()), (0, 1));
    assert!(waits(&plan, "main-5").unwrap().starts_with("a main under [nodes] answers and holds the cluster"));
    // A birth that broke off, once.
    lab.host("main-1").cluster_id = Fact::Known(CLUSTER.into());
    let until = waits(&lab.plan(), "main-1/etcd-member").map(str::to_owned);
    assert!(until.unwrap().starts_with("etcd has a quorum: main-5 was a voter once"));
    lab.silence("main-5");
    assert_eq!(waits(&lab.plan(), "main-1/etcd-member"), Some("main-5 says whether it holds etcd's data: no route"));
    lab.agree("destroyed main-5");
    assert_eq!(waits(&lab.plan(), "main-1/etcd-member"), None);
}

#[test]
fn nothing_that_stands_for_a_machine_goes_while_it_may_live() {
    let mut lab = work_leaves();
    lab.silence("work-2");
    let plan = lab.plan();
    assert_eq!(plan.standing(), Standing::Blocked);
    let until = waits(&plan, "work-2").unwrap();
    assert!(until.starts_with("it answers, so that what runs there can be stopped: no route"), "{until}");
    assert!(until.ends_with("`consent = [\"destroyed work-2\"]`"), "{until}");
}

#[test]
fn a_word_against_the_evidence_does_not_count() {
    let mut lab = work_leaves();
    lab.agree("destroyed work-2");
    check_chain(&planned(&lab), "work-2", &["cordon", "drain", "stop", "delete"]);
    lab.silence("work-2");
    assert_eq!(waits(&lab.plan(), "work-2"), Some("its machine is really gone: its Node is Ready"));
    lab.api().nodes.get_mut("work-2").unwrap().ready = false;
    check_chain(&planned(&lab), "work-2", &["delete"]);
    let mut lab = mains_leave(&["main-5"]);
    lab.agree("destroyed main-5");
    lab.silence("main-5");
    assert_eq!(waits(&lab.plan(), "main-5"), Some("its machine is really gone: its member of etcd answers"));
}

#[test]
fn a_machine_that_is_off_or_wiped_can_do_nothing() {
    for wiped in [true, false] {
        let mut lab = work_leaves();
        lab.api().nodes.get_mut("work-2").unwrap().ready = false;
        if wiped {
            lab.clear("work-2");
        } else {
            lab.silence("work-2");
            let off = Machine { running: false, kind: None };
            lab.seen.machines = Fact::Known([(node("work-2"), off)].into());
        }
        let plan = lab.plan();
        check_chain(&plan, "work-2", &["delete"]);
    }
}

#[test]
fn another_machine_at_its_address_is_not_touched() {
    let mut lab = work_leaves();
    lab.host("work-2").cluster_id = Fact::Known("fedcba9876543210".into());
    let plan = lab.plan();
    assert!(of(&plan, "work-2").is_empty());
    assert!(waits(&plan, "work-2").unwrap().starts_with("the machine at 198.18.1.3 is its own"), "{:?}", plan.waiting);
}

#[test]
fn what_runs_under_the_name_of_another_node_is_not_touched() {
    let mut lab = work_leaves();
    lab.host("work-2").facts.addresses = [[198, 18, 0, 11].into()].into();
    let plan = lab.plan();
    assert!(of(&plan, "work-2").is_empty());
    assert!(waits(&plan, "work-2").unwrap().starts_with("its [retired.work-2.ssh] leads to it"));
    lab.host("work-2").facts.machine_id = "another".into();
    lab.host("work-2").pinned_machine_id = Fact::Known("the one".into());
    assert!(waits(&lab.plan(), "work-2").unwrap().starts_with("the machine at 198.18.1.3 is its own"));
}

#[test]
fn a_machine_that_has_left_may_serve_others() {
    let mut lab = work_leaves();
    lab.host("work-2").cluster_id = Fact::Known("fedcba9876543210".into());
    lab.api().nodes.remove("work-2");
    assert_eq!(lab.plan().standing(), Standing::InSync);
}

#[test]
fn a_plan_is_stale_once_what_was_gone_comes_back() {
    let mut lab = work_leaves();
    lab.api().nodes.get_mut("work-2").unwrap().ready = false;
    let there = lab.seen.hosts[&node("work-2")].clone();
    lab.silence("work-2");
    lab.seen.machines = Fact::Known([(node("work-2"), Machine { running: false, kind: None })].into());
    let plan = lab.plan();
    check_chain(&plan, "work-2", &["delete"]);
    lab.seen.hosts.insert(node("work-2"), there);
    lab.seen.machines = Fact::Known([(node("work-2"), Machine { running: true, kind: None })].into());
    let changed: Vec<String> = crate::changed(&plan, &lab.seen).iter().map(|it| it.fact.to_string()).collect();
    assert_eq!(changed, ["work-2: machine", "work-2: identity"]);
}

#[test]
fn a_main_by_another_role_takes_its_vote_along() {
    let mut lab = mains_leave(&["main-5"]);
    lab.spec.retired.get_mut(&node("main-5")).unwrap().role = Role::Work;
    check_chain(&planned(&lab), "main-5", &["cordon", "drain", "stop", "member", "etcd", "delete"]);
    lab.member(1).healthy = Fact::Known(false);
    lab.member(2).healthy = Fact::Known(false);
    assert!(of(&lab.plan(), "main-5").is_empty());
}

#[test]
fn a_main_waits_for_another_change_of_members() {
    let mut lab = mains_leave(&["main-5"]);
    lab.wipe(4);
    let plan = planned(&lab);
    assert_eq!(waits(&plan, "main-5"), Some("etcd's change of main-4 is over"));
    assert!(ids(&plan).contains(&"main-4/etcd-member/remove"));
}

#[test]
fn a_unit_that_cannot_be_asked_holds_the_departure_up() {
    let mut lab = work_leaves();
    lab.host("work-2").units.insert("kubelet.service".into(), Fact::Unknown("no answer".into()));
    assert_eq!(waits(&lab.plan(), "work-2"), Some("work-2 says whether kubelet.service runs: no answer"));
}

#[test]
fn a_node_that_is_away_keeps_others_from_leaving() {
    let mut lab = work_leaves();
    lab.api().nodes.get_mut("work-1").unwrap().ready = false;
    assert!(waits(&lab.plan(), "work-2").unwrap().starts_with("at most 1 node is away at once"));
}

/// Work nodes that shared an address once, by a file that says so no more.
fn entrance_taken_away() -> Lab {
    let shared =
        AppsAddress { address: [198, 18, 0, 20].into(), ports: [80].into(), router_id: 20, services: Vec::new() };
    let mut lab = Lab::settled_as(3, 2, |spec| spec.apps_entrance = AppsEntrance::Keepalived(shared.clone()));
    assert_eq!(lab.plan().standing(), Standing::InSync);
    lab.spec.apps_entrance = AppsEntrance::None;
    lab
}

const ENTRANCE: &str = "fmp-entrance.service";

#[test]
fn a_unit_that_nothing_wants_any_more_is_stopped_for_good() {
    let mut lab = entrance_taken_away();
    let plan = planned(&lab);
    assert_eq!(ids(&plan), ["work-1/unit/fmp-entrance.service", "work-2/unit/fmp-entrance.service"]);
    assert!(matches!(&plan.steps[0].action, Action::StopUnits { units } if units == &[ENTRANCE.into()]));
    assert_eq!(plan.basis.facts.len(), 2);
    for node in ["work-1", "work-2"] {
        lab.stop(node, ENTRANCE, "inactive");
        "disabled".clone_into(&mut lab.unit(node, ENTRANCE).enabled);
    }
    assert_eq!(lab.plan().standing(), Standing::InSync);
}

#[test]
fn a_unit_that_is_nobodys_and_one_that_nobody_asked_for_are_left_alone() {
    let mut lab = entrance_taken_away();
    lab.host("work-1").ledger.remove("unit/fmp-entrance.service");
    lab.host("work-2").units.insert(ENTRANCE.into(), Fact::Unknown("no answer".into()));
    let plan = lab.plan();
    assert!(plan.steps.is_empty(), "{:#?}", plan.steps);
    let until = "work-2 says whether fmp-entrance.service runs: no answer";
    assert_eq!(waits(&plan, "work-2/unit/fmp-entrance.service"), Some(until));
}

#[test]
fn what_left_the_file_without_a_word_stays_and_is_told() {
    let mut lab = Lab::settled(5, 2);
    lab.spec.nodes.remove("work-2");
    lab.spec.nodes.remove("main-5");
    let plan = lab.plan();
    assert!(!ids(&plan).iter().any(|id| id.starts_with("work-2") || id.starts_with("main-5")));
    let told: Vec<&str> = plan.notes.iter().map(|note| note.about.as_str()).collect();
    assert_eq!(told, ["Node main-5", "Node work-2", "etcd member https://198.18.0.15:2380"]);
    assert!(plan.notes[1].what.contains("[retired.work-2]"), "{}", plan.notes[1].what);
    assert_eq!(Lab::settled(3, 1).plan().notes, []);
}

//! What is done to members, by data, births, votes and health.

use std::collections::BTreeMap;

use fmp_core::observed::Fact;

use crate::{
    Action, Plan,
    testing::{Lab, ids, node, step, url, waits},
};

/// Three mains: for each what its data directory and its `etcd-born` say (`d` data, `b` born, `.` neither, `x` both, `?`
/// no answer), while no quorum answers.
fn without_quorum(mains: &str) -> Plan {
    let mut lab = Lab::settled(3, 0);
    lab.seen.etcd = Fact::Unknown("no leader".into());
    lab.seen.api = Fact::Unknown("no etcd".into());
    for (main, state) in (1..).zip(mains.chars()) {
        let name = format!("main-{main}");
        let host = lab.host(&name);
        host.etcd_data = matches!(state, 'd' | 'x');
        host.etcd_born = matches!(state, 'b' | 'x');
        lab.stop(&name, "etcd.service", "inactive");
        if state == '?' {
            lab.silence(&name);
        }
    }
    lab.plan()
}

/// What is done to etcd on each main: `b` bootstrapped, `s` started with its data, `w` waits, `.` nothing is said.
fn told(plan: &Plan) -> String {
    let has = |id: String| ids(plan).contains(&id.as_str());
    let main = |n: u8| {
        let (member, unit) = (format!("main-{n}/etcd-member"), format!("main-{n}/unit/etcd.service"));
        match (has(format!("{member}/bootstrap")), has(unit.clone()), waits(plan, &unit)) {
            (true, false, None) => 'b',
            (false, true, None) => 's',
            (false, false, Some(_)) => 'w',
            (false, false, None) => '.',
            odd => panic!("main-{n}: {odd:?}"),
        }
    };
    (1..=3).map(main).collect()
}

#[test]
fn without_a_quorum_only_what_cannot_vote_twice_is_started() {
    for (mains, then) in [
        ("...", "bbb"), // a birth
        ("d..", "sbb"), // a birth that broke off
        ("dd.", "ssb"),
        ("ddd", "sss"), // a cold start before the birth was over
        ("xxx", "sss"), // a cold start
        ("xx.", "ssw"), // the third was wiped, with its `etcd-born`: two make a quorum
        ("xxb", "ssw"),
        ("x..", "sww"), // two were wiped: only a backup helps
        ("xbb", "sww"),
        ("xd.", "ssw"),
        ("bbb", "www"), // all were wiped
        ("b..", "www"),
        ("..?", "ww."), // the third may hold the data
        ("d.?", "sw."),
        ("x.?", "sw."),
        ("xx?", "ss."),
        ("???", "..."),
    ] {
        assert_eq!(told(&without_quorum(mains)), then, "{mains}");
    }
}

#[test]
fn who_waits_for_a_quorum_is_told_what_helps() {
    let plan = without_quorum("x..");
    let until = waits(&plan, "main-2/etcd-member").unwrap();
    assert!(until.starts_with("etcd has a quorum: main-1 was a voter once"), "{until}");
    assert!(until.ends_with("start the members that have data, or restore a backup"), "{until}");
}

#[test]
fn a_birth_rests_on_what_every_main_says() {
    let plan = without_quorum("d..");
    let facts: Vec<String> = plan.basis.facts.iter().map(|fact| fact.key.to_string()).collect();
    for main in ["main-1", "main-2", "main-3"] {
        assert!(facts.contains(&format!("{main}: etcd data")), "{facts:?}");
    }
}

/// The links of the chain of main-1's member, and what it waits for.
fn chain(plan: &Plan) -> (Vec<&str>, Option<&str>) {
    let links = ids(plan).into_iter().filter_map(|id| id.strip_prefix("main-1/etcd-member/")).collect();
    (links, waits(plan, "main-1/etcd-member"))
}

const JOIN_AGAIN: [&str; 4] = ["add", "promote", "remove", "start"];

#[track_caller]
fn check_waits(lab: &Lab, until: &str) {
    let plan = lab.plan();
    let (links, waits) = chain(&plan);
    assert_eq!(links, Vec::<&str>::new());
    assert!(waits.unwrap_or_default().starts_with(until), "{waits:?}");
}

fn wiped(mains: u8) -> Lab {
    let mut lab = Lab::settled(mains, 0);
    lab.wipe(1);
    lab
}

#[test]
fn a_wiped_member_is_removed_and_joins_as_a_learner() {
    let plan = wiped(3).plan();
    assert_eq!(chain(&plan), (JOIN_AGAIN.to_vec(), None));
    for (later, earlier) in [("add", "remove"), ("start", "add"), ("promote", "start")] {
        let (later, earlier) = (format!("main-1/etcd-member/{later}"), format!("main-1/etcd-member/{earlier}"));
        assert_eq!(step(&plan, &later).after.iter().map(crate::StepId::as_str).collect::<Vec<_>>(), [earlier]);
    }
    assert!(!ids(&plan).contains(&"main-1/unit/etcd.service"), "the chain starts it");
}

#[test]
fn a_wiped_member_stays_while_the_others_are_not_a_healthy_quorum() {
    for health in [Fact::Known(false), Fact::Unknown("no answer".into())] {
        let mut lab = wiped(3);
        lab.member(2).healthy = health;
        check_waits(&lab, "2 of etcd's 3 voters are healthy without main-1");
    }
    let mut lab = wiped(5);
    lab.wipe(2);
    assert_eq!(chain(&lab.plan()), (JOIN_AGAIN.to_vec(), None));
    lab.wipe(3);
    check_waits(&lab, "3 of etcd's 5 voters are healthy without main-1");
}

#[test]
fn no_consent_lets_a_member_go_that_the_quorum_needs() {
    let mut lab = Lab::agreed(3, 0, &["outage main-1", "outage main-2"]);
    lab.wipe(1);
    lab.member(2).healthy = Fact::Known(false);
    check_waits(&lab, "2 of etcd's 3 voters are healthy without main-1");
}

#[test]
fn a_main_that_does_not_answer_is_still_a_member() {
    let mut lab = wiped(3);
    lab.silence("main-3");
    let plan = lab.plan();
    let Action::StartEtcdLearner { members } = &step(&plan, "main-1/etcd-member/start").action else { panic!() };
    assert_eq!(members.keys().map(fmp_core::NodeName::as_str).collect::<Vec<_>>(), ["main-1", "main-2", "main-3"]);
}

#[test]
fn a_member_that_left_the_file_is_still_a_member() {
    let mut lab = wiped(3);
    lab.take_in(9);
    let plan = lab.plan();
    let Action::StartEtcdLearner { members } = &step(&plan, "main-1/etcd-member/start").action else { panic!() };
    assert_eq!(members.get(&node("main-9")), Some(&url(9)));
    assert_eq!(members.len(), 4);
}

#[test]
fn a_second_learner_waits_for_the_first() {
    let mut lab = wiped(5);
    lab.wipe(2);
    (lab.member(2).learner, lab.member(2).started) = (true, false);
    lab.member(1).healthy = Fact::Known(false);
    check_waits(&lab, "etcd's learner https://198.18.0.12:2380 has its vote or is removed, before main-1 joins again");
    assert!(ids(&lab.plan()).contains(&"main-2/etcd-member/start"));
}

fn learner(change: impl FnOnce(&mut Lab)) -> Lab {
    let mut lab = Lab::settled(3, 0);
    lab.member(1).learner = true;
    change(&mut lab);
    lab
}

#[test]
fn a_learner_that_runs_is_promoted_and_one_that_does_not_is_started_first() {
    assert_eq!(chain(&learner(|_| {}).plan()), (vec!["promote"], None));
    let stopped = learner(|lab| lab.stop("main-1", "etcd.service", "failed"));
    assert_eq!(chain(&stopped.plan()), (vec!["promote", "start"], None));
    assert!(!ids(&stopped.plan()).contains(&"main-1/unit/etcd.service"));
    let announced = learner(|lab| {
        lab.wipe(1);
        lab.member(1).started = false;
    });
    assert_eq!(chain(&announced.plan()), (vec!["promote", "start"], None));
}

/// The last of three first members never started; two make a quorum.
fn late(change: impl FnOnce(&mut Lab)) -> Lab {
    let mut lab = wiped(3);
    lab.host("main-1").etcd_born = false;
    lab.member(1).started = false;
    change(&mut lab);
    lab
}

#[test]
fn a_late_first_member_is_born_with_the_list_of_its_siblings() {
    let plan = late(|lab| lab.silence("main-3")).plan();
    let Action::BootstrapEtcd { members } = &step(&plan, "main-1/etcd-member/bootstrap").action else { panic!() };
    assert_eq!(members.values().cloned().collect::<Vec<_>>(), [1, 2, 3].map(url));
}

#[test]
fn a_late_first_member_joins_as_a_learner_where_the_list_may_be_another_by_now() {
    let more = late(|lab| lab.take_in(9));
    assert_eq!(chain(&more.plan()).0, JOIN_AGAIN);
    assert_eq!(chain(&late(|lab| lab.host("main-1").etcd_born = true).plan()).0, JOIN_AGAIN);
}

#[test]
fn data_of_a_member_that_was_removed_is_left_to_a_person() {
    let mut lab = Lab::settled(3, 0);
    lab.etcd().remove(&url(1));
    check_waits(&lab, "main-1's old etcd data is gone");
}

#[test]
fn a_change_of_membership_rests_on_all_members() {
    let plan = wiped(3).plan();
    let members: BTreeMap<String, &str> =
        plan.basis.facts.iter().map(|fact| (fact.key.to_string(), fact.value.as_str())).collect();
    for main in 1..=3 {
        assert!(members.contains_key(&format!("etcd member {}", url(main))), "{members:?}");
    }
}

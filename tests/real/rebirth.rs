//! A voter that lost its data: it is not born again by systemd, and comes back as a learner.

use crate::lab::{Lab, MAINS, SOON, until};

const WIPED: &str = "main-3";

pub(crate) fn run(lab: &Lab) {
    for main in MAINS {
        lab.sh(main, "systemctl stop etcd.service");
    }
    lab.sh(WIPED, "rm -rf /var/lib/etcd/member");
    for main in MAINS {
        lab.sh(main, "systemctl start --no-block etcd.service");
    }
    until("the other two form the quorum", SOON, || lab.try_sh("main-1", "etcdctl endpoint health").map(drop));
    let state = lab.sh(WIPED, "systemctl show --property=ActiveState,ConditionResult etcd.service");
    assert_eq!(state, "ActiveState=inactive\nConditionResult=no\n", "the wiped one stays down, and says why");
    assert!(lab.try_sh(WIPED, "test -e /var/lib/etcd/member").is_err(), "and has made no data");

    until("the apiservers of the other two answer", SOON, || lab.nodes("main-1").map(drop));
    let (code, plan) = lab.plan();
    assert_eq!(code, Some(2), "{:?}", plan.waiting);
    let member: Vec<&str> = plan
        .steps
        .iter()
        .filter_map(|step| step.id.as_str().split_once("/etcd-member/"))
        .map(|(_, what)| what)
        .collect();
    let mut wanted = ["remove", "add", "start", "promote"];
    wanted.sort_unstable();
    assert_eq!(member, wanted, "{plan:#?}");
    let others = plan.steps.iter().filter(|step| step.subject.node().is_none_or(|node| node.as_str() != WIPED));
    assert_eq!(others.map(|step| step.id.as_str()).collect::<Vec<_>>(), Vec::<&str>::new(), "nothing else is touched");
    chained(&plan);

    lab.fmp(&["apply", "--yes"]).exits(0);
    lab.fmp(&["plan"]).exits(0);
    let members = lab.sh("main-1", "etcdctl member list");
    let voters = members.lines().filter(|line| line.contains(", started, ") && line.ends_with(", false")).count();
    assert_eq!((members.lines().count(), voters), (3, 3), "{members}");
    lab.sh("main-1", "etcdctl endpoint health --cluster");
}

/// Each step waits for the one before it.
fn chained(plan: &fmp::planner::Plan) {
    let id = |what: &str| format!("{WIPED}/etcd-member/{what}");
    for (first, then) in [("remove", "add"), ("add", "start"), ("start", "promote")] {
        let step = plan.steps.iter().find(|step| step.id.as_str() == id(then)).expect("it was listed");
        assert!(step.after.iter().any(|before| before.as_str() == id(first)), "{then} waits for {first}: {step:?}");
    }
}

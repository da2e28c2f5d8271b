//! Safety: what may be taken away now, judged from what was seen.
//!
//! One module, used by the planner for each disruptive step and by the executor again just before it. Unknown is never
//! safe. Knows nothing of hosts; steps in flight are given as what they disrupt.

// Whoever adds an action, a fact or a kind of resource thinks here about what it may take away.
#![cfg_attr(not(test), warn(clippy::wildcard_enum_match_arm))]

mod disk;
mod foreign;
mod nodes;
mod quorum;
mod skew;
mod verdict;

use std::collections::BTreeSet;

use fmp_core::{
    NodeName,
    observed::{Fact, Observed},
    resource::Capability,
    spec::Spec,
};

pub use disk::Refused as DiskRefused;
pub(crate) use disk::refused as disk_refused;
pub(crate) use foreign::foreign;
pub(crate) use nodes::{Nodes, evictable, eviction_agreed, max_unavailable};
pub(crate) use quorum::{owner, peer_url};
pub use skew::broken_skew;
pub(crate) use skew::{Versions, versions_used};
pub use verdict::{Ground, Health, Refusal, Unseen, Verdict};

use crate::action::{Action, UnitBefore};

/// The unit that runs etcd.
pub(crate) use fmp_core::role::paths::unit::ETCD;

/// What an action takes away while it lasts, where what it is done to works.
///
/// Effects couple: etcd's stop takes its apiserver along, and that takes the controllers, which talk to their own
/// apiserver alone. A membership change takes the voter itself: whatever else counts on voters waits meanwhile.
pub(crate) fn disrupted(node: &NodeName, action: &Action) -> BTreeSet<Capability> {
    match action {
        Action::RestartUnit { unit, before: UnitBefore::Active } => restarted(node, unit),
        Action::RemoveEtcdMember { .. }
        | Action::AddEtcdLearner { .. }
        | Action::StartEtcdLearner { .. }
        | Action::PromoteEtcdLearner { .. } => {
            BTreeSet::from([Capability::Voter(node.clone()), Capability::Membership(node.clone())])
        }
        // What keeps new pods away takes the node from them, so it is judged, too, and counts from there on.
        Action::CordonNode { node } | Action::DrainNode { node, .. } => {
            BTreeSet::from([Capability::Pods(node.clone())])
        }
        Action::StopUnits { units } => units.iter().flat_map(|unit| restarted(node, unit)).collect(),
        // At a birth there is nothing to lose, and first members wait for each other. What is not up serves nobody, and its host refuses where it has come up.
        Action::RestartUnit { before: UnitBefore::Starting, .. }
        | Action::BootstrapEtcd { .. }
        | Action::CreateMachine { .. }
        | Action::StartMachine
        | Action::EstablishTrust { .. }
        | Action::Upload { .. }
        | Action::WriteFiles { .. }
        | Action::IssueCertificates { .. }
        | Action::StartUnit { .. }
        | Action::ReloadUnit { .. }
        | Action::EnableUnit { .. }
        | Action::ImportImage { .. }
        | Action::StoreImage { .. }
        | Action::PullImage { .. }
        | Action::InstallPackages { .. }
        | Action::MakeVolume { .. }
        | Action::MountVolume { .. }
        | Action::GrowVolume { .. }
        | Action::UncordonNode { .. }
        | Action::DeleteNode { .. }
        | Action::ApplyNode { .. }
        | Action::DeleteObject { .. }
        | Action::ApplyObject { .. } => BTreeSet::new(),
    }
}

/// Whether a unit belongs to what a node is, and not to what a main is to the cluster.
pub(crate) fn is_of_node(unit: &str) -> bool {
    let of_cluster = [ETCD, "kube-apiserver.service", "kube-controller-manager.service", "kube-scheduler.service"];
    !of_cluster.contains(&unit)
}

fn restarted(node: &NodeName, unit: &str) -> BTreeSet<Capability> {
    let controllers = [Capability::ControllerManager(node.clone()), Capability::Scheduler(node.clone())];
    let apiserver = std::iter::once(Capability::Apiserver(node.clone())).chain(controllers);
    match unit {
        ETCD => std::iter::once(Capability::Voter(node.clone())).chain(apiserver).collect(),
        "kube-apiserver.service" => apiserver.collect(),
        "kube-controller-manager.service" => BTreeSet::from([Capability::ControllerManager(node.clone())]),
        "kube-scheduler.service" => BTreeSet::from([Capability::Scheduler(node.clone())]),
        // Pods outlive all other units of ours, but a bad configuration shows here first, so they go node by node: a
        // balancer or a kubelet that does not come back takes its node away, and all at once would take all nodes.
        _ => BTreeSet::from([Capability::Pods(node.clone())]),
    }
}

/// Judges disruptions together: those of one step and of all steps in flight.
pub fn permit(spec: &Spec, observed: &Observed, disrupts: &BTreeSet<Capability>) -> Verdict {
    permit_among(spec, observed, &Nodes::new(spec, observed), disrupts)
}

/// The same for whoever judges many, with the nodes that are away counted once.
pub(crate) fn permit_among(
    spec: &Spec,
    observed: &Observed,
    nodes: &Nodes<'_>,
    disrupts: &BTreeSet<Capability>,
) -> Verdict {
    let mut grounds = Vec::new();
    let mut consents = BTreeSet::new();
    for capability in disrupts {
        let (node, ground) = match capability {
            Capability::Voter(node) => (node, quorum::quorum(spec, &observed.etcd, disrupts)),
            Capability::Membership(node) => (node, quorum::membership(spec, &observed.etcd, disrupts)),
            Capability::Apiserver(node) => (node, apiservers(spec, observed, disrupts)),
            Capability::Pods(node) => (node, nodes.ground(disrupts)),
            // Another main's takes the lead; where there is none, the apiserver stays, and so do its pods.
            Capability::ControllerManager(_) | Capability::Scheduler(_) => continue,
        };
        let Some(ground) = ground else { continue };
        if !ground.holds() {
            match consent(capability, node) {
                Some(consent) if spec.consents.contains(&consent) => _ = consents.insert(consent),
                consent => return Verdict::Unsafe(Refusal { ground, consent }),
            }
        }
        if !grounds.contains(&ground) {
            grounds.push(ground);
        }
    }
    if consents.is_empty() { Verdict::Safe(grounds) } else { Verdict::Consented { consents, grounds } }
}

/// The consent by which a person lets go what one node gives. To a change of members that etcd would not survive, or that
/// nobody can judge, nobody can agree.
fn consent(capability: &Capability, node: &NodeName) -> Option<String> {
    match capability {
        Capability::Membership(_) => None,
        Capability::Voter(_)
        | Capability::Apiserver(_)
        | Capability::ControllerManager(_)
        | Capability::Scheduler(_)
        | Capability::Pods(_) => Some(format!("outage {node}")),
    }
}

/// What is counted where apiservers are taken away: another one must answer meanwhile, but one that is known not to answer
/// may always be started again. `None`: there is none yet.
fn apiservers(spec: &Spec, observed: &Observed, disrupts: &BTreeSet<Capability>) -> Option<Ground> {
    let api = match &observed.api {
        Fact::Known(api) => api,
        Fact::Absent => return None,
        Fact::Unknown(why) => return Some(Ground::Unseen { what: Unseen::Apiservers, why: why.clone() }),
    };
    let mains = || spec.mains().map(|(node, _)| node);
    let is_taken = |node: &&NodeName| disrupts.contains(&Capability::Apiserver((*node).clone()));
    let health = |node: &NodeName| api.ready.get(node).map_or(Health::Unknown, Health::of);
    Some(Ground::Apiservers {
        apiservers: mains().map(|node| (node.to_string(), health(node))).collect(),
        taken: mains().filter(is_taken).map(ToString::to_string).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Lab, node};

    fn restart(main: &str, unit: &str) -> BTreeSet<Capability> {
        disrupted(&node(main), &Action::RestartUnit { unit: unit.into(), before: UnitBefore::Active })
    }

    fn verdict(lab: &Lab, disrupts: &BTreeSet<Capability>) -> Verdict {
        permit(&lab.spec, &lab.seen, disrupts)
    }

    #[track_caller]
    fn check_unsafe(lab: &Lab, disrupts: &BTreeSet<Capability>, until: &str) {
        match verdict(lab, disrupts) {
            Verdict::Unsafe(found) => assert!(found.to_string().starts_with(until), "{found}"),
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn check_safe(lab: &Lab, disrupts: &BTreeSet<Capability>) {
        assert!(matches!(verdict(lab, disrupts), Verdict::Safe(_)), "{:?}", verdict(lab, disrupts));
    }

    #[test]
    fn one_main_at_a_time_may_restart_anything() {
        let lab = Lab::settled(3, 0);
        for unit in [ETCD, "kube-apiserver.service", "kube-scheduler.service", "kubelet.service"] {
            check_safe(&lab, &restart("main-2", unit));
        }
    }

    #[test]
    fn what_is_in_flight_is_counted_together() {
        let lab = Lab::settled(3, 0);
        let both: BTreeSet<_> = restart("main-1", ETCD).into_iter().chain(restart("main-2", ETCD)).collect();
        check_unsafe(&lab, &both, "2 of etcd's 3 voters stay healthy meanwhile, now 1 would");
    }

    #[test]
    fn an_apiserver_waits_for_another_one_to_answer() {
        let mut lab = Lab::settled(3, 0);
        lab.api().ready.insert(node("main-2"), Fact::Unknown("no answer".into()));
        lab.api().ready.remove(&node("main-3"));
        check_unsafe(&lab, &restart("main-1", "kube-apiserver.service"), "another apiserver answers meanwhile");
        check_safe(&lab, &restart("main-2", "kube-apiserver.service"));
    }

    #[test]
    fn an_apiserver_that_cannot_be_seen_may_be_the_one_that_answers() {
        let mut lab = Lab::settled(3, 0);
        lab.api().ready =
            [(node("main-1"), Fact::Unknown("no answer".into())), (node("main-2"), Fact::Known(false))].into();
        assert_eq!(lab.api().ready.get(&node("main-3")), None);
        check_unsafe(&lab, &restart("main-1", "kube-apiserver.service"), "another apiserver answers meanwhile");
        check_safe(&lab, &restart("main-2", "kube-apiserver.service"));
    }

    #[test]
    fn who_is_unhealthy_while_there_is_an_alarm_may_hold_the_quorum() {
        let mut lab = Lab::settled(3, 0);
        (1..=3).for_each(|main| lab.member(main).healthy = Fact::Known(false));
        assert!(matches!(verdict(&lab, &restart("main-1", ETCD)), Verdict::Safe(_)), "nothing is left to lose");
        lab.member(2).alarms.insert("NOSPACE".into());
        check_unsafe(&lab, &restart("main-1", ETCD), "2 of etcd's 3 voters stay healthy meanwhile, now 0 would");
    }

    #[test]
    fn what_does_not_exist_yet_can_not_be_lost() {
        let mut lab = Lab::settled(3, 0);
        lab.seen.api = Fact::Absent;
        check_safe(&lab, &restart("main-1", ETCD));
        lab.seen.etcd = Fact::Absent;
        check_safe(&lab, &restart("main-1", ETCD));
    }

    #[test]
    fn what_cannot_be_seen_is_not_safe() {
        let mut lab = Lab::settled(3, 0);
        lab.seen.api = Fact::Unknown("timeout".into());
        check_unsafe(&lab, &restart("main-1", "kube-apiserver.service"), "an apiserver answers: timeout, or");
        lab.seen.etcd = Fact::Unknown("timeout".into());
        check_unsafe(&lab, &restart("main-1", ETCD), "etcd's members are seen: timeout, or");
    }

    #[test]
    fn a_single_main_needs_consent_and_no_more_than_that() {
        let lab = Lab::settled(1, 0);
        check_unsafe(&lab, &restart("main-1", ETCD), "1 of etcd's 1 voters stay healthy meanwhile, now 0 would, or");
        let lab = Lab::agreed(1, 0, &["outage main-1"]);
        match verdict(&lab, &restart("main-1", ETCD)) {
            Verdict::Consented { consents, grounds } => {
                assert_eq!(consents, BTreeSet::from(["outage main-1".to_owned()]));
                assert!(grounds.iter().any(|ground| !ground.holds()));
            }
            other => panic!("{other:?}"),
        }
        let lab = Lab::agreed(1, 1, &["outage work-1"]);
        check_unsafe(&lab, &restart("main-1", ETCD), "1 of etcd's 1 voters");
    }

    #[test]
    fn a_membership_change_and_a_restart_elsewhere_are_not_safe_together() {
        let mut lab = Lab::settled(3, 0);
        lab.wipe(1);
        let learner = Action::AddEtcdLearner { peer_url: crate::testing::url(1) };
        let change = disrupted(&node("main-1"), &learner);
        check_safe(&lab, &change);
        let both: BTreeSet<_> = change.into_iter().chain(restart("main-2", ETCD)).collect();
        check_unsafe(&lab, &both, "2 of etcd's 3 voters stay healthy meanwhile");
    }

    fn learner(main: u8) -> BTreeSet<Capability> {
        let peer_url = crate::testing::url(main);
        disrupted(&node(&format!("main-{main}")), &Action::AddEtcdLearner { peer_url })
    }

    #[test]
    fn two_changes_of_membership_are_not_safe_together_whatever_else_is_lost() {
        let mut lab = Lab::agreed(5, 0, &["outage main-1", "outage main-2"]);
        lab.wipe(1);
        lab.wipe(2);
        check_safe(&lab, &learner(1));
        let both: BTreeSet<_> = learner(1).into_iter().chain(learner(2)).collect();
        check_unsafe(&lab, &both, "one change of etcd's members is over before the next one begins");
    }

    #[test]
    fn membership_waits_for_the_learner_that_is_there_and_for_a_quorum_of_the_others() {
        let mut lab = Lab::agreed(3, 0, &["outage main-1"]);
        lab.wipe(1);
        check_safe(&lab, &learner(1));
        lab.take_in(9);
        lab.member(9).learner = true;
        check_unsafe(&lab, &learner(1), "etcd's learner https://198.18.0.19:2380 has its vote or is removed");
        lab.etcd().remove(&crate::testing::url(9));
        lab.member(2).healthy = Fact::Unknown("no answer".into());
        check_unsafe(&lab, &learner(1), "2 of etcd's 3 voters are healthy without main-1; now 1");
        lab.seen.etcd = Fact::Unknown("timeout".into());
        let verdict = verdict(&lab, &BTreeSet::from([Capability::Membership(node("main-1"))]));
        assert!(matches!(verdict, Verdict::Unsafe(Refusal { ground: Ground::Unseen { .. }, .. })), "{verdict:?}");
    }

    /// Whatever a rule would have to count can't be seen: it is not safe, for each capability that a rule is about.
    #[test]
    fn unknown_is_never_safe() {
        let all = |node: &NodeName| {
            let node = || node.clone();
            [
                Capability::Voter(node()),
                Capability::Membership(node()),
                Capability::Apiserver(node()),
                Capability::Pods(node()),
            ]
        };
        let mut lab = Lab::settled(3, 1);
        lab.seen.etcd = Fact::Unknown("timeout".into());
        lab.seen.api = Fact::Unknown("timeout".into());
        for capability in all(&node("main-1")) {
            let found = verdict(&lab, &BTreeSet::from([capability.clone()]));
            match &found {
                Verdict::Unsafe(Refusal { ground: Ground::Unseen { why, .. }, .. }) => assert_eq!(why, "timeout"),
                other => panic!("{capability:?}: {other:?}"),
            }
            assert!(!found.permits());
        }
    }

    #[test]
    fn a_verdict_tells_the_facts_that_it_used() {
        let mut lab = Lab::settled(3, 1);
        lab.member(3).healthy = Fact::Unknown("no answer".into());
        let Verdict::Unsafe(refusal) = verdict(&lab, &restart("main-1", ETCD)) else { panic!("it is safe") };
        let health = [("main-1", Health::Healthy), ("main-2", Health::Healthy), ("main-3", Health::Unknown)];
        let voters = health.into_iter().map(|(name, health)| (name.to_owned(), health)).collect();
        assert_eq!(refusal.ground, Ground::Quorum { voters, taken: BTreeSet::from(["main-1".to_owned()]) });
        assert_eq!(refusal.consent.as_deref(), Some("outage main-1"));
        let written = serde_json::to_string(&Verdict::Unsafe(refusal.clone())).unwrap();
        assert_eq!(serde_json::from_str::<Verdict>(&written).unwrap(), Verdict::Unsafe(refusal));
    }

    #[test]
    fn what_holds_can_be_shown_from_what_was_counted() {
        let lab = Lab::settled(3, 1);
        for disrupts in [restart("main-1", ETCD), restart("work-1", "kubelet.service")] {
            let Verdict::Safe(grounds) = verdict(&lab, &disrupts) else { panic!("{disrupts:?} is not safe") };
            assert!(!grounds.is_empty() && grounds.iter().all(Ground::holds), "{grounds:?}");
        }
    }
}

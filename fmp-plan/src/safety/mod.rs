//! Safety: what may be taken away now, judged from what was seen.
//!
//! One module, used by the planner for each disruptive step and by the executor again just before it. Unknown is never
//! safe. Knows nothing of hosts; steps in flight are given as what they disrupt.

mod foreign;
mod nodes;
mod quorum;

use std::collections::BTreeSet;

use fmp_core::{
    NodeName,
    observed::{Fact, Observed},
    resource::Capability,
    spec::Spec,
};
use serde::{Deserialize, Serialize};

pub(crate) use foreign::foreign;
pub(crate) use nodes::{Nodes, max_unavailable};
pub use quorum::Voters;
pub(crate) use quorum::{owner, peer_url};

use crate::action::Action;

/// The unit that runs etcd.
pub(crate) const ETCD: &str = "etcd.service";

/// Whether a set of disruptions is safe, with the fact that decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything that holds now holds meanwhile.
    Safe,
    /// A person agreed to what would be lost; the consent's text.
    Consented(String),
    /// It would break what holds, or can't be judged. What is to be waited for.
    Unsafe(String),
}

/// What an action takes away while it lasts, where what it is done to works.
///
/// Effects couple: etcd's stop takes its apiserver along, and that takes the controllers, which talk to their own
/// apiserver alone. A membership change takes the voter itself: whatever else counts on voters waits meanwhile.
pub(crate) fn disrupted(node: &NodeName, action: &Action) -> BTreeSet<Capability> {
    match action {
        Action::RestartUnit { unit } => restarted(node, unit),
        Action::RemoveEtcdMember { .. }
        | Action::AddEtcdLearner { .. }
        | Action::StartEtcdLearner { .. }
        | Action::PromoteEtcdLearner { .. } => BTreeSet::from([Capability::Voter(node.clone())]),
        // At a birth there is nothing to lose, and first members wait for each other.
        Action::BootstrapEtcd { .. }
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
        | Action::ApplyNode { .. }
        | Action::ApplyObject { .. } => BTreeSet::new(),
    }
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
    let mut consented = None;
    for capability in disrupts {
        let (node, until) = match capability {
            Capability::Voter(node) => (node, voters(spec, observed, disrupts)),
            Capability::Apiserver(node) => (node, apiservers(spec, observed, disrupts)),
            Capability::Pods(node) => (node, nodes.blocked(disrupts)),
            // Another main's takes the lead; where there is none, the apiserver stays, and so do its pods.
            Capability::ControllerManager(node) | Capability::Scheduler(node) => (node, None),
        };
        if let Some(until) = until {
            let consent = format!("outage {node}");
            if !spec.consents.contains(&consent) {
                return Verdict::Unsafe(format!("{until}, or cluster.toml says `consent = [\"{consent}\"]`"));
            }
            consented = Some(consent);
        }
    }
    consented.map_or(Verdict::Safe, Verdict::Consented)
}

/// Why these voters can't be spared.
fn voters(spec: &Spec, observed: &Observed, disrupts: &BTreeSet<Capability>) -> Option<String> {
    let down = |node: &NodeName| disrupts.contains(&Capability::Voter(node.clone()));
    match &observed.etcd {
        Fact::Known(etcd) => Voters::new(spec, etcd).blocked(down),
        Fact::Absent => None,
        Fact::Unknown(why) => Some(format!("etcd's members are seen: {why}")),
    }
}

/// Why these apiservers can't be spared: another one must answer meanwhile. One that is known not to answer may always be
/// started again.
fn apiservers(spec: &Spec, observed: &Observed, disrupts: &BTreeSet<Capability>) -> Option<String> {
    let api = match &observed.api {
        Fact::Known(api) => api,
        Fact::Absent => return None,
        Fact::Unknown(why) => return Some(format!("an apiserver answers: {why}")),
    };
    let is_taken = |node: &NodeName| disrupts.contains(&Capability::Apiserver(node.clone()));
    let (taken, staying): (Vec<&NodeName>, Vec<&NodeName>) =
        spec.mains().map(|(node, _)| node).partition(|n| is_taken(n));
    let harmless = taken.iter().all(|node| api.ready.get(*node) == Some(&Fact::Known(false)));
    let one_stays = staying.iter().any(|node| api.ready.get(*node) == Some(&Fact::Known(true)));
    (!harmless && !one_stays).then(|| "another apiserver answers meanwhile".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Lab, node};

    fn restart(main: &str, unit: &str) -> BTreeSet<Capability> {
        disrupted(&node(main), &Action::RestartUnit { unit: unit.into() })
    }

    fn verdict(lab: &Lab, disrupts: &BTreeSet<Capability>) -> Verdict {
        permit(&lab.spec, &lab.seen, disrupts)
    }

    #[track_caller]
    fn check_unsafe(lab: &Lab, disrupts: &BTreeSet<Capability>, until: &str) {
        match verdict(lab, disrupts) {
            Verdict::Unsafe(found) => assert!(found.starts_with(until), "{found}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_main_at_a_time_may_restart_anything() {
        let lab = Lab::settled(3, 0);
        for unit in [ETCD, "kube-apiserver.service", "kube-scheduler.service", "kubelet.service"] {
            assert_eq!(verdict(&lab, &restart("main-2", unit)), Verdict::Safe, "{unit}");
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
        assert_eq!(verdict(&lab, &restart("main-2", "kube-apiserver.service")), Verdict::Safe);
    }

    #[test]
    fn an_apiserver_that_cannot_be_seen_may_be_the_one_that_answers() {
        let mut lab = Lab::settled(3, 0);
        lab.api().ready =
            [(node("main-1"), Fact::Unknown("no answer".into())), (node("main-2"), Fact::Known(false))].into();
        assert_eq!(lab.api().ready.get(&node("main-3")), None);
        check_unsafe(&lab, &restart("main-1", "kube-apiserver.service"), "another apiserver answers meanwhile");
        assert_eq!(verdict(&lab, &restart("main-2", "kube-apiserver.service")), Verdict::Safe, "its cure");
    }

    #[test]
    fn what_does_not_exist_yet_can_not_be_lost() {
        let mut lab = Lab::settled(3, 0);
        lab.seen.api = Fact::Absent;
        assert_eq!(verdict(&lab, &restart("main-1", ETCD)), Verdict::Safe);
        lab.seen.etcd = Fact::Absent;
        assert_eq!(verdict(&lab, &restart("main-1", ETCD)), Verdict::Safe);
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
        assert_eq!(verdict(&lab, &restart("main-1", ETCD)), Verdict::Consented("outage main-1".into()));
        let lab = Lab::agreed(1, 0, &["outage main-2"]);
        check_unsafe(&lab, &restart("main-1", ETCD), "1 of etcd's 1 voters");
    }

    #[test]
    fn a_membership_change_and_a_restart_elsewhere_are_not_safe_together() {
        let mut lab = Lab::settled(3, 0);
        lab.wipe(1);
        let learner = Action::AddEtcdLearner { peer_url: crate::testing::url(1) };
        let change = disrupted(&node("main-1"), &learner);
        assert_eq!(verdict(&lab, &change), Verdict::Safe);
        let both: BTreeSet<_> = change.into_iter().chain(restart("main-2", ETCD)).collect();
        check_unsafe(&lab, &both, "2 of etcd's 3 voters stay healthy meanwhile");
    }
}

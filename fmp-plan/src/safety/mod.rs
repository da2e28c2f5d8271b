//! Safety: what may be taken away now, judged from what was seen.
//!
//! One module, used by the planner for each disruptive step and by the executor again just before it. Unknown is never
//! safe. Knows nothing of hosts; steps in flight are given as what they disrupt.

mod foreign;
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
pub use quorum::Voters;

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

/// What a unit's step takes away while it lasts. Effects couple: etcd's stop takes its apiserver along, and that takes
/// the controllers, which talk to their own apiserver alone.
pub(crate) fn disrupted(node: &NodeName, action: &Action) -> BTreeSet<Capability> {
    let Action::RestartUnit { unit } = action else { return BTreeSet::new() };
    let controllers = || [Capability::ControllerManager(node.clone()), Capability::Scheduler(node.clone())].into_iter();
    let apiserver = || std::iter::once(Capability::Apiserver(node.clone())).chain(controllers());
    match &**unit {
        ETCD => std::iter::once(Capability::Voter(node.clone())).chain(apiserver()).collect(),
        "kube-apiserver.service" => apiserver().collect(),
        "kube-controller-manager.service" => BTreeSet::from([Capability::ControllerManager(node.clone())]),
        "kube-scheduler.service" => BTreeSet::from([Capability::Scheduler(node.clone())]),
        // Pods outlive these, but a bad configuration shows here first, so they go node by node.
        "containerd.service" | "kubelet.service" => BTreeSet::from([Capability::Pods(node.clone())]),
        _ => BTreeSet::new(),
    }
}

/// Judges disruptions together: those of one step and of all steps in flight.
pub fn permit(spec: &Spec, observed: &Observed, disrupts: &BTreeSet<Capability>) -> Verdict {
    let mut consented = None;
    for capability in disrupts {
        let (node, until) = match capability {
            Capability::Voter(node) => (node, voters(spec, observed, disrupts)),
            Capability::Apiserver(node) => (node, apiservers(spec, observed, disrupts)),
            Capability::ControllerManager(node) | Capability::Scheduler(node) | Capability::Pods(node) => (node, None),
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

/// Why these apiservers can't be spared: another one must answer meanwhile.
fn apiservers(spec: &Spec, observed: &Observed, disrupts: &BTreeSet<Capability>) -> Option<String> {
    let Fact::Known(api) = &observed.api else { return Some("an apiserver answers".to_owned()) };
    let stays = |node: &NodeName| {
        let answers = api.ready.get(node) == Some(&Fact::Known(true));
        answers && !disrupts.contains(&Capability::Apiserver(node.clone()))
    };
    let any_answers = api.ready.values().any(|ready| *ready == Fact::Known(true));
    let one_stays = spec.mains().any(|(node, _)| stays(node));
    // Where none answers, nothing is lost by starting one again.
    (any_answers && !one_stays).then(|| "another apiserver answers meanwhile".to_owned())
}

//! The basis: what a plan rests on, and whether it still holds.

use std::collections::BTreeSet;

use fmp_core::{
    NodeName,
    graph::{Desired, Handle},
    observed::{Fact, Observed},
    resource::Scope,
};

use crate::{
    Plan,
    diff::Delta,
    fact::{FactKey, read},
    plan::Premise,
    safety,
};

/// A fact that is not what a plan rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Which fact.
    pub fact: FactKey,
    /// What the plan rests on.
    pub then: String,
    /// What it is now.
    pub now: String,
}

/// Every fact of the basis that is another one now. A plan of which this is empty may be carried out.
pub fn changed(plan: &Plan, observed: &Observed) -> Vec<Changed> {
    let differs = |premise: &Premise| {
        let now = read(observed, &premise.key);
        (now != premise.value).then(|| Changed { fact: premise.key.clone(), then: premise.value.clone(), now })
    };
    plan.basis.facts.iter().filter_map(differs).collect()
}

/// What the changing resources rest on, in order.
pub(crate) fn premises(observed: &Observed, desired: &Desired, deltas: &[Delta], changing: &[Handle]) -> Vec<Premise> {
    let mut keys = BTreeSet::new();
    let mut last_node: Option<&NodeName> = None;
    for handle in changing {
        let Some(work) = deltas[handle.index()].work() else { continue };
        keys.extend(work.facts.iter().cloned());
        if let Scope::Node(node) = &desired.id(*handle).scope
            && last_node != Some(node)
        {
            last_node = Some(node);
            keys.insert(FactKey::Host { node: node.clone() });
        }
        if let crate::diff::Task::Unit { action, .. } = &work.task
            && let Some(node) = last_node
            && !safety::disrupted(node, action).is_empty()
        {
            keys.extend(members(observed));
        }
    }
    keys.into_iter().map(|key| Premise { value: read(observed, &key), key }).collect()
}

/// Safety counted on these.
fn members(observed: &Observed) -> Vec<FactKey> {
    match &observed.etcd {
        Fact::Known(etcd) => {
            etcd.members.keys().map(|peer_url| FactKey::EtcdMember { peer_url: peer_url.clone() }).collect()
        }
        Fact::Absent | Fact::Unknown(_) => Vec::new(),
    }
}

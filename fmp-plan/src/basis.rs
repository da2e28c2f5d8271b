//! The basis: what a plan rests on, and whether it still holds.

use std::collections::BTreeSet;

use fmp_core::{
    NodeName,
    graph::Handle,
    observed::{Fact, Observed},
    resource::{Holding, Scope},
};

use crate::{
    Plan,
    diff::{Delta, Holders, HostView, Sides, Task},
    fact::{FactKey, read},
    plan::Premise,
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

/// What the changing resources rest on, in order: their own facts, those of the hosts that lend them something, and where
/// safety counted, those that it counted on.
pub(crate) fn premises(sides: Sides<'_>, deltas: &[Delta], changing: &[Handle]) -> Vec<Premise> {
    let mut keys = BTreeSet::new();
    let mut lent = BTreeSet::new();
    let mut counted = false;
    let mut last_node: Option<&NodeName> = None;
    for handle in changing {
        let Some(work) = deltas[handle.index()].work() else { continue };
        keys.extend(work.facts.iter().cloned());
        lent.extend(borrows(&work.task));
        counted |= !work.disrupts.is_empty();
        if let Scope::Node(node) = &sides.desired.id(*handle).scope
            && last_node != Some(node)
        {
            last_node = Some(node);
            keys.insert(FactKey::Host { node: node.clone() });
        }
    }
    keys.extend(lent.into_iter().flat_map(|what| lenders(sides, what)));
    if counted {
        keys.extend(members(sides.observed));
    }
    keys.into_iter().map(|key| Premise { value: read(sides.observed, &key), key }).collect()
}

/// Adds what else a plan rests on.
pub(crate) fn add(premises: &mut Vec<Premise>, observed: &Observed, keys: BTreeSet<FactKey>) {
    let is_new = |key: &FactKey| premises.binary_search_by(|premise| premise.key.cmp(key)).is_err();
    let new: Vec<FactKey> = keys.into_iter().filter(is_new).collect();
    premises.extend(new.into_iter().map(|key| Premise { value: read(observed, &key), key }));
    premises.sort_by(|a, b| a.key.cmp(&b.key));
}

/// What a task needs of other hosts.
const fn borrows(task: &Task) -> Option<Holding> {
    match task {
        Task::Trust(item) => Some(item.what),
        Task::Issue(issue) => Some(Holding::Authority(issue.request.signer)),
        Task::One(_) | Task::Write(_) | Task::Install(_) | Task::Unit { .. } | Task::Chain(_) => None,
    }
}

/// What was asked to find who holds a shared thing: of what is made for the first time, every host.
fn lenders(sides: Sides<'_>, what: Holding) -> Vec<FactKey> {
    let trust = |node: &NodeName| FactKey::Trust { node: node.clone(), what };
    match sides.trust.holders(what) {
        Holders::Held(mains) => mains.iter().map(trust).collect(),
        Holders::Nobody { .. } => {
            let fact = |node: &NodeName| {
                let bare = HostView::new(sides.observed, node).bare;
                if bare { FactKey::Host { node: node.clone() } } else { trust(node) }
            };
            sides.spec.nodes.keys().map(fact).collect()
        }
        Holders::Blocked { .. } => Vec::new(),
    }
}

/// The members of etcd: safety counts on these.
pub(crate) fn members(observed: &Observed) -> Vec<FactKey> {
    match &observed.etcd {
        Fact::Known(etcd) => {
            etcd.members.keys().map(|peer_url| FactKey::EtcdMember { peer_url: peer_url.clone() }).collect()
        }
        Fact::Absent | Fact::Unknown(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::testing::{Lab, url};

    fn facts(plan: &Plan) -> BTreeMap<String, &str> {
        plan.basis.facts.iter().map(|fact| (fact.key.to_string(), fact.value.as_str())).collect()
    }

    #[test]
    fn a_restart_rests_on_its_unit_its_files_its_host_and_all_voters() {
        let mut lab = Lab::settled(3, 1);
        lab.edit("main-2", "/etc/kubernetes/audit-policy.yaml");
        let plan = lab.plan();
        let facts = facts(&plan);
        let keys: Vec<&str> = facts.keys().map(String::as_str).collect();
        let expected = [
            "etcd member https://198.18.0.11:2380",
            "etcd member https://198.18.0.12:2380",
            "etcd member https://198.18.0.13:2380",
            "main-2: file /etc/kubernetes/audit-policy.yaml",
            "main-2: identity",
            "main-2: unit kube-apiserver.service",
        ];
        assert_eq!(keys, expected);
    }

    #[test]
    fn what_is_copied_rests_on_who_lends_it() {
        let mut lab = Lab::settled(3, 1);
        lab.host("work-1").certificates.insert("/etc/kubernetes/pki/ca.crt".into(), Fact::Absent);
        let plan = lab.plan();
        for main in ["main-1", "main-2", "main-3"] {
            assert!(facts(&plan).contains_key(&format!("{main}: ca")), "{:?}", facts(&plan));
        }
    }

    #[test]
    fn what_is_made_for_the_first_time_rests_on_every_host() {
        let plan = Lab::bare(3, 1).plan();
        let facts = facts(&plan);
        for node in ["main-1", "main-2", "main-3", "work-1"] {
            assert!(facts[&format!("{node}: identity")].ends_with(", no cluster, bare"), "{facts:?}");
        }
    }

    #[test]
    fn a_changed_premise_is_named_and_nothing_else_matters() {
        let mut lab = Lab::settled(3, 1);
        lab.edit("main-2", "/etc/kubernetes/audit-policy.yaml");
        let plan = lab.plan();
        assert_eq!(changed(&plan, &lab.seen), []);
        lab.edit("work-1", "/etc/fmp/node.env");
        lab.member(2).leader = true;
        lab.host("main-2").facts.root_free_bytes = 1;
        assert_eq!(changed(&plan, &lab.seen), []);
        lab.etcd().remove(&url(1));
        lab.silence("main-2");
        let changed: Vec<String> =
            changed(&plan, &lab.seen).iter().map(|it| format!("{} {}", it.fact, it.now)).collect();
        assert_eq!(changed[0], "main-2: identity unknown");
        assert!(changed.contains(&format!("etcd member {} absent", url(1))), "{changed:?}");
    }

    #[test]
    fn what_others_write_on_a_node_object_changes_nothing() {
        let mut lab = Lab::settled(1, 1);
        lab.api().nodes.get_mut("work-1").unwrap().pod_cidr = None;
        let plan = lab.plan();
        assert_eq!(facts(&plan).keys().collect::<Vec<_>>(), ["Node work-1", "work-1: identity"]);
        let seen = lab.api().nodes.get_mut("work-1").unwrap();
        seen.labels.insert("feature.node.kubernetes.io/cpu".into(), "yes".into());
        seen.taints.insert("node.kubernetes.io/unreachable=:NoExecute".into());
        seen.taints.insert("somebody.else/maintenance=:NoSchedule".into());
        assert_eq!(changed(&plan, &lab.seen), []);
    }
}

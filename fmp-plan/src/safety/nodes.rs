//! Nodes: how many may be away at once, those that are away already included.
//!
//! Without this a bad configuration would take one more node with each plan: a slot is never given back after a
//! failure, but the next plan has slots of its own.

use std::collections::BTreeSet;

use fmp_core::{
    NodeName,
    observed::{Api, Fact, NodeSeen, Observed},
    resource::{CORDONED, Capability, DRAINED},
    spec::Spec,
};

use super::verdict::{Ground, Unseen};
use crate::action::{Action, Evict};

/// Nodes that may be away at once: one, or a tenth of many.
pub(crate) fn max_unavailable(spec: &Spec) -> usize {
    (spec.workers().count() / 10).max(1)
}

/// Which pods may be evicted from a node.
pub(crate) fn evictable(spec: &Spec, node: &NodeName) -> Evict {
    if spec.consents.contains(&eviction(node)) { Evict::All } else { Evict::Replaceable }
}

/// The consent to lose pods that nobody makes again, and what pods keep on the node.
fn eviction(node: &NodeName) -> String {
    format!("evict {node}")
}

/// The consent without which a drain would evict fewer pods.
pub(crate) fn eviction_agreed(action: &Action) -> Option<String> {
    let Action::DrainNode { node, evict: Evict::All } = action else { return None };
    Some(eviction(node))
}

/// Which nodes are away now.
#[derive(Debug)]
pub(crate) struct Nodes<'a> {
    api: &'a Fact<Api>,
    away: BTreeSet<&'a NodeName>,
    /// Ready ones that FMP began to empty: how many of their pods have left nobody knows.
    emptying: BTreeSet<&'a NodeName>,
    most: usize,
}

impl<'a> Nodes<'a> {
    pub(crate) fn new(spec: &'a Spec, observed: &'a Observed) -> Self {
        let api = &observed.api;
        let among = |is: fn(&Api, &NodeName) -> bool| {
            spec.nodes.keys().filter(|node| api.known().is_some_and(|api| is(api, node))).collect()
        };
        Self { api, away: among(is_away), emptying: among(is_emptying), most: max_unavailable(spec) }
    }

    /// What is counted where nodes are taken away. A node that is known not to be Ready may always be touched: that is its
    /// cure. `None`: there is no API yet.
    pub(super) fn ground(&self, disrupts: &BTreeSet<Capability>) -> Option<Ground> {
        let api = match self.api {
            Fact::Known(api) => api,
            Fact::Absent => return None,
            Fact::Unknown(why) => return Some(Ground::Unseen { what: Unseen::Nodes, why: why.clone() }),
        };
        let taken: BTreeSet<&NodeName> = disrupts.iter().filter_map(pods_of).collect();
        // Of nodes that were all begun each may be gone on with: else two such would wait for each other for ever.
        let goes_on = taken.iter().all(|node| self.emptying.contains(node) || is_gone(api, node));
        let emptying = self.emptying.iter().filter(|_| !goes_on);
        let mut away = self.away.iter().chain(emptying).copied().filter(|node| !taken.contains(node));
        let (first, more) = (away.next().cloned(), away.count());
        Some(Ground::Nodes {
            taken: taken.len(),
            ready: taken.iter().filter(|node| !is_gone(api, node)).count(),
            away: more + usize::from(first.is_some()),
            first,
            most: self.most,
        })
    }
}

fn pods_of(capability: &Capability) -> Option<&NodeName> {
    match capability {
        Capability::Pods(node) => Some(node),
        Capability::Voter(_)
        | Capability::Apiserver(_)
        | Capability::ControllerManager(_)
        | Capability::Scheduler(_)
        | Capability::Membership(_) => None,
    }
}

/// A node whose kubelet has come once and is not Ready now, or whose pods FMP had leave. Before that nobody misses it.
fn is_away(api: &Api, node: &NodeName) -> bool {
    api.nodes.get(node.as_str()).is_some_and(|seen| is_empty(seen) && !seen.kubelet_version.is_empty())
}

/// Whether nothing is lost where this node goes away.
fn is_gone(api: &Api, node: &NodeName) -> bool {
    api.nodes.get(node.as_str()).is_none_or(is_empty)
}

/// Whether no pod serves anybody there. What a person cordoned may be full, and so may be what FMP cordoned and did not
/// come to drain.
fn is_empty(seen: &NodeSeen) -> bool {
    !seen.ready || seen.unschedulable && seen.labels.get(CORDONED).is_some_and(|value| value == DRAINED)
}

/// Whether FMP keeps new pods away from a node on which others may still serve.
fn is_emptying(api: &Api, node: &NodeName) -> bool {
    let begun = |seen: &NodeSeen| seen.unschedulable && seen.labels.contains_key(CORDONED) && !is_empty(seen);
    api.nodes.get(node.as_str()).is_some_and(begun)
}

#[cfg(test)]
mod tests {
    use fmp_core::resource::EMPTYING;

    use super::*;
    use crate::testing::{Lab, node};

    fn lab(works: u16, away: &[&str]) -> Lab {
        let mut lab = Lab::settled(3, works);
        away.iter().for_each(|name| lab.api().nodes.get_mut(*name).unwrap().ready = false);
        lab
    }

    fn blocked_at(lab: &Lab, taken: &[&str]) -> Option<String> {
        let taken = taken.iter().map(|name| Capability::Pods(node(name))).collect();
        let ground = Nodes::new(&lab.spec, &lab.seen).ground(&taken).unwrap();
        (!ground.holds()).then(|| ground.to_string())
    }

    #[test]
    fn one_node_may_be_spared_where_all_are_ready() {
        assert_eq!(blocked_at(&lab(4, &[]), &["work-1"]), None);
        assert_eq!(max_unavailable(&lab(4, &[]).spec), 1);
    }

    #[test]
    fn a_node_that_is_away_uses_the_slot_up() {
        let why = blocked_at(&lab(4, &["work-2"]), &["work-1"]).unwrap();
        assert_eq!(why, "at most 1 node is away at once; work-2 is not Ready");
    }

    #[test]
    fn a_tenth_of_many_may_be_away() {
        assert_eq!(blocked_at(&lab(20, &["work-2"]), &["work-1"]), None);
        assert!(blocked_at(&lab(20, &["work-2", "work-3"]), &["work-1"]).is_some());
        assert!(blocked_at(&lab(20, &["work-2"]), &["work-1", "work-4"]).is_some());
    }

    #[test]
    fn a_node_that_is_away_may_be_cured_whatever_the_others_do() {
        assert_eq!(blocked_at(&lab(4, &["work-1", "work-2"]), &["work-1"]), None);
    }

    #[test]
    fn a_node_that_fmp_emptied_is_away_until_it_is_given_back() {
        let mut lab = lab(4, &["work-3"]);
        mark(&mut lab, "work-2", DRAINED);
        assert!(blocked_at(&lab, &["work-1"]).is_some());
        assert_eq!(blocked_at(&lab, &["work-2"]), None, "what it was emptied for goes on");
        lab.api().nodes.get_mut("work-2").unwrap().unschedulable = false;
        assert!(blocked_at(&lab, &["work-2"]).is_some(), "somebody let pods come again");
        let mut lab = super::tests::lab(4, &[]);
        lab.api().nodes.get_mut("work-2").unwrap().unschedulable = true;
        assert_eq!(blocked_at(&lab, &["work-1"]), None, "a person's cordon leaves its pods");
    }

    /// FMP cordoned a node and says so by this value.
    fn mark(lab: &mut Lab, name: &str, value: &str) {
        let seen = lab.api().nodes.get_mut(name).unwrap();
        seen.unschedulable = true;
        seen.labels.insert(CORDONED.to_owned(), value.to_owned());
    }

    #[test]
    fn a_node_that_was_cordoned_and_never_drained_is_no_less_to_be_missed() {
        let mut lab = lab(4, &["work-2"]);
        mark(&mut lab, "work-1", EMPTYING);
        let why = blocked_at(&lab, &["work-1"]).unwrap();
        assert_eq!(why, "at most 1 node is away at once; work-2 is not Ready");
    }

    #[test]
    fn what_was_begun_goes_on_before_anything_else_begins() {
        let mut lab = lab(4, &[]);
        mark(&mut lab, "work-1", EMPTYING);
        assert_eq!(blocked_at(&lab, &["work-1"]), None);
        assert!(blocked_at(&lab, &["work-2"]).is_some(), "some pods of work-1 may have left");
        mark(&mut lab, "work-2", EMPTYING);
        assert_eq!(blocked_at(&lab, &["work-1"]), None, "neither waits for the other");
    }

    #[test]
    fn a_node_whose_kubelet_never_came_is_not_missed() {
        let mut lab = lab(4, &["work-2"]);
        lab.api().nodes.get_mut("work-2").unwrap().kubelet_version.clear();
        assert_eq!(blocked_at(&lab, &["work-1"]), None);
    }
}

//! etcd's membership: one change at a time, each in its order.

use std::collections::{BTreeMap, BTreeSet};

use fmp_core::NodeName;

use super::{Findings, Rule, graph::Graph};
use crate::{StepId, action::Action};

/// The links of a change, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Link {
    Remove,
    Add,
    Start,
    Promote,
}

/// The steps that change one member, by link.
type Chain = BTreeMap<Link, usize>;

pub(super) fn check(graph: &Graph<'_>, findings: &mut Findings) {
    births(graph, findings);
    let chains = chains(graph, findings);
    for (url, chain) in &chains {
        whole(graph, url, chain, findings);
    }
    in_turn(graph, &chains, findings);
}

/// Changes by peer URL.
fn chains<'a>(graph: &Graph<'a>, findings: &mut Findings) -> BTreeMap<&'a str, Chain> {
    let mut chains: BTreeMap<&str, Chain> = BTreeMap::new();
    for (at, step) in graph.steps() {
        let (link, url) = match &step.action {
            Action::RemoveEtcdMember { peer_url, .. } => (Link::Remove, Some(peer_url)),
            Action::AddEtcdLearner { peer_url } => (Link::Add, Some(peer_url)),
            Action::StartEtcdLearner { members } => {
                (Link::Start, step.subject.node().and_then(|node| members.get(node)))
            }
            Action::PromoteEtcdLearner { peer_url } => (Link::Promote, Some(peer_url)),
            _ => continue,
        };
        let Some(url) = url else {
            findings.add(Rule::Membership, &step.id, "starts a member that its own list does not name");
            continue;
        };
        if chains.entry(url).or_default().insert(link, at).is_some() {
            findings.add(Rule::Membership, &step.id, format!("does to {url} what another step does too"));
        }
    }
    chains
}

/// A change that was begun is brought to its end, in order, on one host.
fn whole(graph: &Graph<'_>, url: &str, chain: &Chain, findings: &mut Findings) {
    let links = [Link::Remove, Link::Add, Link::Start, Link::Promote];
    let missing: Vec<Link> = match chain.keys().next() {
        // Who leaves for good is only removed.
        Some(Link::Remove) if chain.len() == 1 => Vec::new(),
        // A learner that runs is promoted and nothing else.
        Some(first) => links.into_iter().filter(|link| link > first && !chain.contains_key(link)).collect(),
        None => Vec::new(),
    };
    let steps: Vec<usize> = chain.values().copied().collect();
    let first = &graph.step(steps[0]).id;
    if !missing.is_empty() {
        findings.add(Rule::Membership, first, format!("{url} is left half changed: no {missing:?}"));
    }
    let hosts: BTreeSet<Option<&NodeName>> = steps.iter().map(|&at| graph.step(at).subject.node()).collect();
    if hosts.len() > 1 {
        findings.add(Rule::Membership, first, format!("{url} is changed on several hosts"));
    }
    for pair in steps.windows(2).filter(|pair| !graph.all_before(pair[1]).contains(&pair[0])) {
        let (earlier, later): (&StepId, &StepId) = (&graph.step(pair[0]).id, &graph.step(pair[1]).id);
        findings.add(Rule::Membership, later, format!("does not wait for {earlier}"));
    }
}

/// Of two changes one ends before the other one begins.
fn in_turn(graph: &Graph<'_>, chains: &BTreeMap<&str, Chain>, findings: &mut Findings) {
    let ends: Vec<(usize, usize)> =
        chains.values().filter_map(|chain| Some((*chain.values().next()?, *chain.values().next_back()?))).collect();
    for (at, one) in ends.iter().enumerate() {
        for other in &ends[at + 1..] {
            let apart = graph.all_before(other.0).contains(&one.1) || graph.all_before(one.0).contains(&other.1);
            if !apart {
                let (one, other) = (&graph.step(one.0).id, &graph.step(other.0).id);
                findings.add(Rule::Membership, other, format!("may be under way together with {one}"));
            }
        }
    }
}

fn births(graph: &Graph<'_>, findings: &mut Findings) {
    let mut first: Option<&BTreeMap<NodeName, String>> = None;
    for (_, step) in graph.steps() {
        let Action::BootstrapEtcd { members } = &step.action else { continue };
        if step.subject.node().is_none_or(|node| !members.contains_key(node)) {
            findings.add(Rule::Birth, &step.id, "is not among the first members that it names");
        }
        if members.values().collect::<BTreeSet<_>>().len() < members.len() {
            findings.add(Rule::Birth, &step.id, "names two members by one URL");
        }
        if first.is_some_and(|first| first != members) {
            findings.add(Rule::Birth, &step.id, "names other first members than its siblings");
        }
        first = first.or(Some(members));
    }
}

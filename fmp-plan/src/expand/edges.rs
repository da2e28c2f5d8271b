//! What comes before what: edges of resources become edges of steps, and units of disruption are drawn.

use std::collections::BTreeSet;

use fmp_core::{
    NodeName,
    graph::{Desired, Handle},
    spec::Role,
};

use super::draft::{CERTIFICATES, Drafts, FILES, MACHINE, Slot, TRUST};
use crate::{
    action::{Action, TrustSource},
    diff::{Delta, Sides, Task},
};

/// Orders all drafts.
pub(super) fn connect(sides: Sides<'_>, deltas: &[Delta], changing: &[Handle], drafts: &mut Drafts) {
    for handle in changing {
        let Some((first, _)) = drafts.place_of(*handle) else { continue };
        for earlier in changing_beneath(sides.desired, deltas, *handle) {
            if let Some((_, last)) = drafts.place_of(earlier) {
                drafts.order(first, last);
            }
        }
        if let Some(Task::Unit { remove, .. }) = deltas[handle.index()].work().map(|work| &work.task)
            && !remove.is_empty()
            && let Some(node) = super::node_of(sides.desired, *handle)
            && let Some(files) = drafts.shared_step(&node, FILES)
        {
            drafts.order(first, files);
        }
    }
    claim_first(drafts);
    lend_after_making(drafts);
}

/// The nearest resources beneath that change: what is in sync is looked through.
fn changing_beneath(desired: &Desired, deltas: &[Delta], handle: Handle) -> Vec<Handle> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut stack: Vec<Handle> = desired.dependencies(handle).to_vec();
    while let Some(at) = stack.pop() {
        match deltas[at.index()] {
            Delta::Work(_) => found.push(at),
            Delta::InSync | Delta::Blocked { .. } => {
                if seen.insert(at) {
                    stack.extend(desired.dependencies(at));
                }
            }
        }
    }
    found
}

/// A host is made, then claimed for the cluster, before anything else is written on it.
fn claim_first(drafts: &mut Drafts) {
    let mut edges: Vec<(Slot, Slot)> = Vec::new();
    for (slot, step) in drafts.slots() {
        let Some(node) = step.subject.node() else { continue };
        let machine = drafts.shared_step(node, MACHINE);
        let trust = drafts.shared_step(node, TRUST);
        let firsts = [machine, trust.filter(|_| machine != Some(slot))];
        edges.extend(firsts.into_iter().flatten().map(|first| (slot, first)));
    }
    for (later, earlier) in edges {
        drafts.order(later, earlier);
    }
}

/// Whoever copies a shared thing or borrows an authority's key waits until a lender has it.
fn lend_after_making(drafts: &mut Drafts) {
    let mut edges: Vec<(Slot, Slot)> = Vec::new();
    for (slot, step) in drafts.slots() {
        let lenders: BTreeSet<&NodeName> = match &step.action {
            Action::EstablishTrust { items } => items
                .iter()
                .filter_map(|item| match &item.from {
                    TrustSource::Copy(holders) => Some(holders),
                    TrustSource::Create => None,
                })
                .flatten()
                .collect(),
            Action::IssueCertificates { certificates } => {
                certificates.iter().flat_map(|issue| &issue.holders).collect()
            }
            Action::CreateMachine { .. }
            | Action::StartMachine
            | Action::Upload { .. }
            | Action::WriteFiles { .. }
            | Action::StartUnit { .. }
            | Action::RestartUnit { .. }
            | Action::ReloadUnit { .. }
            | Action::EnableUnit { .. }
            | Action::BootstrapEtcd { .. }
            | Action::RemoveEtcdMember { .. }
            | Action::AddEtcdLearner { .. }
            | Action::StartEtcdLearner { .. }
            | Action::PromoteEtcdLearner { .. }
            | Action::ImportImage { .. }
            | Action::ApplyNode { .. }
            | Action::ApplyObject { .. } => continue,
        };
        let makes = |node: &&NodeName| drafts.shared_step(node, TRUST).filter(|made| makes_something(drafts, *made));
        edges.extend(lenders.iter().filter_map(makes).map(|made| (slot, made)));
    }
    for (later, earlier) in edges {
        drafts.order(later, earlier);
    }
}

fn makes_something(drafts: &Drafts, slot: Slot) -> bool {
    let step = drafts.step(slot);
    matches!(&step.action, Action::EstablishTrust { items } if items.iter().any(|item| item.from == TrustSource::Create))
}

/// Names the units of disruption: on a node where anything is disrupted, that and what it is disrupted for.
pub(super) fn draw_units(sides: Sides<'_>, drafts: &mut Drafts) {
    let disrupted: BTreeSet<NodeName> = drafts
        .slots()
        .filter(|(_, step)| !step.disrupts.is_empty())
        .filter_map(|(_, step)| step.subject.node().cloned())
        .collect();
    for node in disrupted {
        let budget = match sides.spec.nodes.get(&node).map(|node| node.role) {
            Some(Role::Main) | None => crate::step::Budget::Mains,
            Some(Role::Work) => crate::step::Budget::Works,
        };
        let gathered = [drafts.shared_step(&node, FILES), drafts.shared_step(&node, CERTIFICATES)];
        let members: Vec<Slot> = drafts
            .slots()
            .filter(|(slot, step)| {
                let of_node = step.subject.node() == Some(&node);
                of_node && (!step.disrupts.is_empty() || gathered.contains(&Some(*slot)))
            })
            .map(|(slot, _)| slot)
            .collect();
        for slot in members {
            drafts.step_mut(slot).unit = Some(crate::step::Disruption { node: node.clone(), budget });
        }
    }
}

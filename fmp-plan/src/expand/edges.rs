//! What comes before what: edges of resources become edges of steps.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use fmp_core::{
    NodeName,
    graph::{Desired, Handle},
};

use super::draft::{Drafts, FILES, MACHINE, Slot, TRUST};
use crate::{
    action::{Action, TrustSource},
    diff::{Delta, Joining, Sides, Task},
};

/// Orders all drafts.
pub(super) fn connect(sides: Sides<'_>, deltas: &[Delta], changing: &[Handle], drafts: &mut Drafts) {
    let mut beneath = Beneath { desired: sides.desired, deltas, found: BTreeMap::new() };
    for handle in changing {
        let Some((first, _)) = drafts.place_of(*handle) else { continue };
        for earlier in beneath.of(*handle) {
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
    join_in_turn(sides, drafts);
    claim_first(drafts);
    lend_after_making(drafts);
}

/// The nearest resources beneath that change: what is in sync is looked through, each but once.
struct Beneath<'a> {
    desired: &'a Desired,
    deltas: &'a [Delta],
    /// By resource that is looked through.
    found: BTreeMap<Handle, Rc<BTreeSet<Handle>>>,
}

impl Beneath<'_> {
    fn of(&mut self, handle: Handle) -> BTreeSet<Handle> {
        let mut found = BTreeSet::new();
        for dependency in self.desired.dependencies(handle) {
            match self.deltas[dependency.index()] {
                Delta::Work(_) => _ = found.insert(*dependency),
                Delta::InSync | Delta::Blocked { .. } => found.extend(self.through(*dependency).iter().copied()),
            }
        }
        found
    }

    fn through(&mut self, handle: Handle) -> Rc<BTreeSet<Handle>> {
        if let Some(found) = self.found.get(&handle) {
            return found.clone();
        }
        let found = Rc::new(self.of(handle));
        self.found.insert(handle, found.clone());
        found
    }
}

/// Members join one after the other: each list of members names those that joined before.
fn join_in_turn(sides: Sides<'_>, drafts: &mut Drafts) {
    let places: Vec<(Slot, Slot)> =
        Joining::all(sides).iter().filter_map(|joining| drafts.place_of(joining.member)).collect();
    for pair in places.windows(2) {
        drafts.order(pair[1].0, pair[0].1);
    }
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
            | Action::CordonNode { .. }
            | Action::DrainNode { .. }
            | Action::UncordonNode { .. }
            | Action::StopUnits { .. }
            | Action::DeleteNode { .. }
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

//! What comes before what: edges of resources become edges of steps.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use fmp_core::{
    NodeName,
    graph::{Desired, Handle},
    resource::Resource,
    spec::Role,
};

use super::draft::{DRAIN, DRAINED, Drafts, FILES, MACHINE, NODE_FILES, Slot, TRUST};
use crate::{
    action::{Action, TrustSource},
    diff::{Delta, Joining, Pods, Sides, Task},
    safety,
};

/// Orders all drafts.
pub(super) fn connect(sides: Sides<'_>, deltas: &[Delta], changing: &[Handle], drafts: &mut Drafts) {
    let mut beneath = Beneath { desired: sides.desired, deltas, found: BTreeMap::new() };
    for handle in changing {
        let Some((first, _)) = drafts.place_of(*handle) else { continue };
        let drained = drained(sides, deltas, drafts, *handle);
        for earlier in beneath.of(*handle) {
            if let Some((_, last)) = drafts.place_of(earlier) {
                let own = drained.as_ref().filter(|_| belongs_to_the_node(sides, earlier));
                drafts.order(own.map_or(first, |(_, own)| *own), last);
            }
        }
        let taken_up = drained.map_or(first, |(_, own)| own);
        if let Some((drain, _)) = drained {
            write_after(drafts, sides, *handle, drain);
        }
        if let Some(Task::Unit { remove, .. }) = deltas[handle.index()].work().map(|work| &work.task)
            && !remove.is_empty()
            && let Some(node) = sides.desired.id(*handle).scope.node()
            && let Some(files) = drafts.shared_step(node, FILES)
        {
            drafts.order(taken_up, files);
        }
    }
    join_in_turn(sides, drafts);
    claim_first(drafts);
    lend_after_making(drafts);
}

/// Where pods leave a node for the sake of this unit: the step after which none is left, and the unit's own.
fn drained(sides: Sides<'_>, deltas: &[Delta], drafts: &Drafts, unit: Handle) -> Option<(Slot, Slot)> {
    let task = deltas[unit.index()].work().map(|work| &work.task);
    let Some(Task::Unit { pods: Pods::Leave(_), .. }) = task else { return None };
    let node = sides.desired.id(unit).scope.node()?;
    Some((drafts.shared_step(node, DRAIN)?, drafts.shared_step(node, DRAINED)?))
}

/// Whether something is written or restarted within the unit for which pods leave.
fn belongs_to_the_node(sides: Sides<'_>, handle: Handle) -> bool {
    match sides.desired.resource(handle) {
        Resource::File(_) => true,
        Resource::Unit(unit) => safety::is_of_node(&unit.name),
        Resource::Machine
        | Resource::Artifact(_)
        | Resource::Trust(_)
        | Resource::Certificate(_)
        | Resource::EtcdMember(_)
        | Resource::Image(_)
        | Resource::NodeObject(_)
        | Resource::Object(_)
        | Resource::Volume(_)
        | Resource::Package(_) => false,
    }
}

/// What the restart takes up is written once no pod is left: a power cut in between would start it beneath them.
fn write_after(drafts: &mut Drafts, sides: Sides<'_>, unit: Handle, drain: Slot) {
    let Some(node) = sides.desired.id(unit).scope.node() else { return };
    let is_work = sides.spec.nodes.get(node).is_some_and(|node| node.role == Role::Work);
    let files = if is_work { FILES } else { NODE_FILES };
    if let Some(files) = drafts.shared_step(node, files) {
        drafts.order(files, drain);
    }
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
            | Action::StoreImage { .. }
            | Action::PullImage { .. }
            | Action::InstallPackages { .. }
            | Action::MakeVolume { .. }
            | Action::MountVolume { .. }
            | Action::GrowVolume { .. }
            | Action::CordonNode { .. }
            | Action::DrainNode { .. }
            | Action::UncordonNode { .. }
            | Action::StopUnits { .. }
            | Action::DeleteNode { .. }
            | Action::ApplyNode { .. }
            | Action::DeleteObject { .. }
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

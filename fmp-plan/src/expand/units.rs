//! Units of disruption: which steps share one slot of a budget.
//!
//! A main has two. One takes away what the cluster is: its voter, its apiserver, its controllers, a change of
//! membership. The other one takes away what runs on the node. They can't be one: kubelets are never newer than any
//! apiserver, so every main's node part waits for every main's cluster part, and two units that wait for each other
//! would each hold their slot for ever. For the same reason nothing that the cluster part of another main may wait for
//! belongs to a node part of a main.
//!
//! The host's `files` and `certificates` belong to the unit whose restarts take them up: were all hosts written before the
//! first restart, a power cut in between would start the new configuration everywhere at once. On a main of which both
//! parts change, what only its node part reads is a step of its own, `node-files`.

use std::collections::BTreeSet;

use fmp_core::{NodeName, graph::Handle, spec::Role};

use super::draft::{CERTIFICATES, Drafts, FILES, NODE_FILES, Slot};
use crate::{
    action::Action,
    diff::{Delta, Sides, Task},
    plan::Verb,
    step::{Budget, Disruption, Step},
};

/// Names the units.
pub(super) fn draw(sides: Sides<'_>, deltas: &[Delta], changing: &[Handle], drafts: &mut Drafts) {
    let newborn = newborn(drafts);
    let mut members: Vec<(Slot, Disruption)> = Vec::new();
    let mut restarts: BTreeSet<Disruption> = BTreeSet::new();
    for (slot, step) in drafts.slots() {
        let Some(node) = step.node().filter(|node| !newborn.contains(*node)) else { continue };
        let Some(budget) = budget(step) else { continue };
        let unit = Disruption { node: node.clone(), budget };
        if matches!(step.action, Action::RestartUnit { .. }) {
            restarts.insert(unit.clone());
        }
        members.push((slot, unit));
    }
    for unit in restarts {
        if unit.budget == own_budget(sides, &unit.node) {
            let gathered = [FILES, CERTIFICATES].into_iter().filter_map(|name| drafts.shared_step(&unit.node, name));
            members.extend(gathered.map(|slot| (slot, unit.clone())));
        }
        if unit.budget == Budget::Works
            && let Some(slot) = drafts.shared_step(&unit.node, NODE_FILES)
        {
            members.push((slot, unit));
        }
    }
    // Pods are kept away from a node for the sake of a disruption; where one only comes again, nothing is disrupted.
    let disrupted: BTreeSet<Disruption> = members
        .iter()
        .filter(|(slot, _)| !drafts.step(*slot).disrupts.is_empty())
        .map(|(_, unit)| unit.clone())
        .collect();
    for (slot, unit) in members.into_iter().filter(|(_, unit)| disrupted.contains(unit)) {
        drafts.step_mut(slot).unit = Some(unit);
    }
    for node in renewing(sides, deltas, changing).into_iter().filter(|node| !newborn.contains(*node)) {
        let Some(slot) = drafts.shared_step(node, CERTIFICATES) else { continue };
        let budget = own_budget(sides, node);
        drafts.step_mut(slot).unit.get_or_insert_with(|| Disruption { node: node.clone(), budget });
    }
}

/// Hosts where certificates in use are issued again. Where nothing restarts for it, processes take them up by themselves;
/// one host after the other all the same: where the step fails on one, the others keep what they have.
fn renewing<'a>(sides: Sides<'a>, deltas: &[Delta], changing: &[Handle]) -> BTreeSet<&'a NodeName> {
    let is_renewed = |handle: &&Handle| {
        let work = deltas[handle.index()].work();
        work.is_some_and(|work| work.verb == Verb::Update && matches!(work.task, Task::Issue(_)))
    };
    changing.iter().filter(is_renewed).filter_map(|handle| sides.desired.id(*handle).scope.node()).collect()
}

/// The budget that what a host's processes read belongs to.
fn own_budget(sides: Sides<'_>, node: &NodeName) -> Budget {
    match sides.spec.nodes.get(node).map(|node| node.role) {
        Some(Role::Main) | None => Budget::Mains,
        Some(Role::Work | Role::Images) => Budget::Works,
    }
}

/// Hosts where a first member is born. First members wait for each other, so none may wait for another one's slot.
fn newborn(drafts: &Drafts) -> BTreeSet<NodeName> {
    let births = drafts.slots().filter(|(_, step)| matches!(step.action, Action::BootstrapEtcd { .. }));
    births.filter_map(|(_, step)| step.subject.node().cloned()).collect()
}

/// The budget of what a step takes away.
fn budget(step: &Step) -> Option<Budget> {
    if matches!(step.action, Action::UncordonNode { .. }) {
        return Some(Budget::Works);
    }
    Budget::of(&step.disrupts)
}

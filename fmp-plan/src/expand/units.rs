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

use fmp_core::{NodeName, resource::Capability, spec::Role};

use super::draft::{CERTIFICATES, Drafts, FILES, NODE_FILES, Slot};
use crate::{
    action::Action,
    diff::Sides,
    step::{Budget, Disruption, Step},
};

/// Names the units.
pub(super) fn draw(sides: Sides<'_>, drafts: &mut Drafts) {
    let newborn = newborn(drafts);
    let mut members: Vec<(Slot, Disruption)> = Vec::new();
    let mut restarts: BTreeSet<Disruption> = BTreeSet::new();
    for (slot, step) in drafts.slots() {
        let Some(node) = step.subject.node().filter(|node| !newborn.contains(*node)) else { continue };
        let Some(budget) = budget(step) else { continue };
        let unit = Disruption { node: node.clone(), budget };
        if matches!(step.action, Action::RestartUnit { .. }) {
            restarts.insert(unit.clone());
        }
        members.push((slot, unit));
    }
    for unit in restarts {
        let is_main = sides.spec.nodes.get(&unit.node).is_none_or(|node| node.role == Role::Main);
        if is_main == (unit.budget == Budget::Mains) {
            let gathered = [FILES, CERTIFICATES].into_iter().filter_map(|name| drafts.shared_step(&unit.node, name));
            members.extend(gathered.map(|slot| (slot, unit.clone())));
        }
        if unit.budget == Budget::Works
            && let Some(slot) = drafts.shared_step(&unit.node, NODE_FILES)
        {
            members.push((slot, unit));
        }
    }
    for (slot, unit) in members {
        drafts.step_mut(slot).unit = Some(unit);
    }
}

/// Hosts where a first member is born. First members wait for each other, so none may wait for another one's slot.
fn newborn(drafts: &Drafts) -> BTreeSet<NodeName> {
    let births = drafts.slots().filter(|(_, step)| matches!(step.action, Action::BootstrapEtcd { .. }));
    births.filter_map(|(_, step)| step.subject.node().cloned()).collect()
}

/// The budget of what a step takes away.
fn budget(step: &Step) -> Option<Budget> {
    let of_node = |capability: &Capability| matches!(capability, Capability::Pods(_));
    match (step.disrupts.is_empty(), step.disrupts.iter().all(of_node)) {
        (true, _) => None,
        (false, true) => Some(Budget::Works),
        (false, false) => Some(Budget::Mains),
    }
}

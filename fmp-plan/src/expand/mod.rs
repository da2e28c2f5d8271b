//! From deltas to steps: what goes together, what comes first.
//!
//! All text files of a host are one step, so are its certificates and what it shares; programs, units, members and
//! objects have steps of their own. Knows nothing of safety: what may not be done is `Blocked` before it comes here.

mod blocked;
mod draft;
mod edges;
mod hold;
mod place;
#[cfg(test)]
mod tests;
mod units;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use fmp_core::{
    Digest, NodeName,
    graph::{Desired, Handle},
    resource::{Resource, ResourceId, Scope, Text, Unit},
};

use self::blocked::Blocks;
pub(crate) use self::hold::hold_back;
use crate::{
    action::Action,
    diff::{Delta, Sides, Task},
    plan::{Change, Waiting},
    step::Step,
};

/// What a plan consists of, but for its basis.
#[derive(Debug)]
pub(crate) struct Expanded {
    pub(crate) changes: Vec<Change>,
    pub(crate) steps: Vec<Step>,
    pub(crate) waiting: Vec<Waiting>,
    pub(crate) texts: BTreeMap<Digest, Arc<str>>,
    /// The resources that change, for the basis.
    pub(crate) changing: Vec<Handle>,
}

/// Puts deltas into steps.
pub(crate) fn expand(sides: Sides<'_>, deltas: &[Delta]) -> Expanded {
    let desired = sides.desired;
    let mut blocks = Blocks::new(sides, deltas);
    let mut changing = Vec::new();
    let mut waiting = Vec::new();
    for (handle, id, _) in desired.iter() {
        match (blocks.root(handle), &deltas[handle.index()]) {
            (None, Delta::Work(_)) => changing.push(handle),
            (Some(root), delta @ (Delta::Work(_) | Delta::Blocked { .. })) => {
                let until = match delta {
                    Delta::Blocked { until } => until.clone(),
                    Delta::Work(_) | Delta::InSync => format!("{} is settled", desired.id(root)),
                };
                waiting.push(Waiting { what: id.to_string(), until, node: id.scope.node().cloned() });
            }
            (_, Delta::InSync) | (None, Delta::Blocked { .. }) => {}
        }
    }
    let mut drafts = place::all(sides, deltas, &changing);
    edges::connect(sides, deltas, &changing, &mut drafts);
    units::draw(sides, deltas, &changing, &mut drafts);
    let steps = drafts.finish();
    let changes = changing.iter().filter_map(|handle| change(desired, deltas, *handle)).collect();
    let texts = changing.iter().flat_map(|handle| texts(desired.resource(*handle), &deltas[handle.index()])).collect();
    Expanded { changes, steps, waiting, texts, changing }
}

/// The nodes on which such a unit is as wanted, or will be by this plan: nothing is in its way.
pub(crate) fn free(sides: Sides<'_>, deltas: &[Delta], is: impl Fn(&Unit) -> bool) -> BTreeSet<NodeName> {
    let mut blocks = Blocks::new(sides, deltas);
    let of = |(handle, id, resource): (Handle, &ResourceId, &Resource)| {
        let (Resource::Unit(unit), Scope::Node(node)) = (resource, &id.scope) else { return None };
        let mut is_free = || matches!(deltas[handle.index()], Delta::InSync) || blocks.root(handle).is_none();
        (is(unit) && is_free()).then(|| node.clone())
    };
    sides.desired.iter().filter_map(of).collect()
}

fn change(desired: &Desired, deltas: &[Delta], handle: Handle) -> Option<Change> {
    let work = deltas[handle.index()].work()?;
    Some(Change { id: desired.id(handle).to_string(), verb: work.verb, why: work.why.clone(), diff: work.diff.clone() })
}

/// The texts that a change writes.
fn texts(resource: &Resource, delta: &Delta) -> Vec<(Digest, Arc<str>)> {
    let held = |text: &Text| (text.digest, text.text.clone());
    match resource {
        Resource::File(file) => vec![held(&file.content)],
        Resource::Object(object) => vec![held(&object.manifest)],
        Resource::Volume(volume) => {
            let mounts = volume.mounts.iter().filter(|mount| writes(delta, &mount.path));
            mounts.map(|mount| held(&mount.content)).collect()
        }
        Resource::Machine
        | Resource::Artifact(_)
        | Resource::Trust(_)
        | Resource::Certificate(_)
        | Resource::Unit(_)
        | Resource::EtcdMember(_)
        | Resource::Image(_)
        | Resource::NodeObject(_)
        | Resource::Package(_) => Vec::new(),
    }
}

/// Whether a chain of steps writes a file at `path`.
fn writes(delta: &Delta, path: &str) -> bool {
    let Some(Task::Chain(links)) = delta.work().map(|work| &work.task) else { return false };
    let holds = |action: &Action| match action {
        Action::WriteFiles { files, .. } => files.iter().any(|file| &*file.path == path),
        _ => false,
    };
    links.iter().any(|(_, action)| holds(action))
}

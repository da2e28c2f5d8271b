//! What differs between what is wanted and what was seen, resource by resource.
//!
//! Knows nothing of order: a [`Delta`] says what would have to be done to one resource. What can't be decided is
//! [`Delta::Blocked`] with the fact that is missing, never guessed.

mod certificate;
mod etcd;
mod fields;
mod file;
mod image;
mod objects;
mod package;
mod quantity;
mod trust;
mod unit;
mod view;
mod volume;

use std::collections::BTreeSet;

use fmp_core::{
    graph::{Desired, Handle},
    observed::{Fact, Machine, Observed},
    resource::{Capability, Resource, Scope},
    spec::{Node, Spec},
};

pub(crate) use certificate::{DAY_S, expiring};
pub(crate) use etcd::{Joining, removal_blocked};
pub(crate) use objects::known_api;
pub(crate) use package::Installing;
pub(crate) use trust::{Holders, TrustMap};
pub(crate) use unit::takes_up;
pub(crate) use view::{HostView, NOT_ASKED};

use crate::{
    action::{Action, CertificateIssue, Evict, FileRemoval, FileWrite, TrustItem},
    fact::FactKey,
    plan::Verb,
};

/// What one resource asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Delta {
    /// Nothing.
    InSync,
    /// Something that can't be decided or done before `until`.
    Blocked {
        /// The fact or consent that is missing.
        until: String,
    },
    /// A change. Most resources of a cluster don't change, so the rare case is kept elsewhere.
    Work(Box<Work>),
}

/// A change to one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) verb: Verb,
    pub(crate) why: Vec<String>,
    pub(crate) diff: Option<String>,
    pub(crate) task: Task,
    pub(crate) facts: Vec<FactKey>,
    /// What is gone meanwhile. Empty where nothing works that could be disturbed.
    pub(crate) disrupts: BTreeSet<Capability>,
}

/// What is to be done, before it is put into steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Task {
    /// A step of its own with this action.
    One(Action),
    /// A part of the host's `files` step.
    Write(FileWrite),
    /// A part of the host's `trust` step.
    Trust(TrustItem),
    /// A part of the host's `certificates` step.
    Issue(CertificateIssue),
    /// A part of the host's `packages` step.
    Install(Installing),
    /// A unit's step; drop-ins that go away belong to the host's `files` step.
    Unit { action: Action, remove: Vec<FileRemoval>, pods: Pods },
    /// Steps one after the other, each with the last part of its name.
    Chain(Vec<(&'static str, Action)>),
}

/// What becomes of a node's pods while a unit is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pods {
    /// They run on.
    Stay,
    /// They are evicted first, and come again afterwards.
    Leave(Evict),
}

/// Everything that the difference is computed from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sides<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) desired: &'a Desired,
    pub(crate) observed: &'a Observed,
    pub(crate) trust: &'a TrustMap,
}

impl From<Work> for Delta {
    fn from(work: Work) -> Self {
        Self::Work(Box::new(work))
    }
}

impl Delta {
    pub(crate) fn work(&self) -> Option<&Work> {
        match self {
            Self::Work(work) => Some(work),
            Self::InSync | Self::Blocked { .. } => None,
        }
    }

    fn blocked(until: impl Into<String>) -> Self {
        Self::Blocked { until: until.into() }
    }
}

impl Work {
    fn new(verb: Verb, task: Task, facts: Vec<FactKey>) -> Self {
        Self { verb, why: Vec::new(), diff: None, task, facts, disrupts: BTreeSet::new() }
    }

    fn because(mut self, why: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.why.extend(why.into_iter().map(Into::into));
        self
    }

    fn disrupting(mut self, disrupts: BTreeSet<Capability>) -> Self {
        self.disrupts = disrupts;
        self
    }
}

/// One delta for each resource, by handle.
pub(crate) fn differences(sides: Sides<'_>) -> Vec<Delta> {
    let mut deltas: Vec<Delta> = Vec::with_capacity(sides.desired.len());
    let mut host = None;
    for (_, id, resource) in sides.desired.iter() {
        deltas.push(match &id.scope {
            Scope::Cluster => of_cluster(sides, resource),
            Scope::Node(name) => {
                let view = match host {
                    Some(view) if HostView::is(&view, name) => view,
                    Some(_) | None => HostView::new(sides.observed, name),
                };
                host = Some(view);
                of_node(sides, &view, resource)
            }
        });
    }
    units(sides, &mut deltas);
    objects::give_back(sides, &mut deltas);
    deltas
}

fn of_cluster(sides: Sides<'_>, resource: &Resource) -> Delta {
    match resource {
        Resource::Object(object) => objects::object(sides.observed, object),
        Resource::Machine
        | Resource::Artifact(_)
        | Resource::File(_)
        | Resource::Trust(_)
        | Resource::Certificate(_)
        | Resource::Unit(_)
        | Resource::EtcdMember(_)
        | Resource::Image(_)
        | Resource::NodeObject(_)
        | Resource::Volume(_)
        | Resource::Package(_) => Delta::blocked("whoever made the graph says on which node it belongs"),
    }
}

/// Units come later: theirs depends on what changes beneath them.
fn of_node(sides: Sides<'_>, host: &HostView<'_>, resource: &Resource) -> Delta {
    match resource {
        Resource::Machine => machine(sides, host),
        Resource::Artifact(artifact) => file::artifact(host, artifact),
        Resource::File(wanted) => file::text(host, wanted),
        Resource::Trust(wanted) => trust::delta(sides, host, *wanted),
        Resource::Certificate(wanted) => certificate::delta(sides, host, wanted),
        Resource::Unit(_) => Delta::InSync,
        Resource::EtcdMember(_) => etcd::delta(sides, host),
        Resource::Image(image) => image::image(sides, host, image),
        Resource::NodeObject(object) => objects::node(sides.observed, host.name, object),
        Resource::Object(object) => objects::object(sides.observed, object),
        Resource::Volume(wanted) => volume::delta(sides, host, wanted),
        Resource::Package(wanted) => package::delta(sides, host, wanted),
    }
}

fn units(sides: Sides<'_>, deltas: &mut [Delta]) {
    for (handle, id, resource) in sides.desired.iter() {
        if let (Resource::Unit(wanted), Scope::Node(name)) = (resource, &id.scope) {
            let host = HostView::new(sides.observed, name);
            let mut delta = unit::delta(&host, wanted, &changed_inputs(sides.desired, handle, deltas));
            unit::evict(sides, name, &mut delta);
            deltas[handle.index()] = delta;
        }
    }
}

/// The resources that a unit depends on and that change.
fn changed_inputs<'a>(desired: &'a Desired, unit: Handle, deltas: &[Delta]) -> Vec<&'a Resource> {
    let changes = |handle: &&Handle| deltas[handle.index()].work().is_some();
    desired.dependencies(unit).iter().filter(changes).map(|handle| desired.resource(*handle)).collect()
}

/// Whether a machine was made as what its node is not.
fn is_another(machine: Option<&Machine>, node: &Node) -> bool {
    machine.and_then(|machine| machine.kind).is_some_and(|kind| kind != node.machine)
}

fn machine(sides: Sides<'_>, host: &HostView<'_>) -> Delta {
    let facts = vec![FactKey::Machine { node: host.name.clone() }];
    let Some(node) = sides.spec.nodes.get(host.name) else { return Delta::InSync };
    match &sides.observed.machines {
        Fact::Unknown(why) => Delta::blocked(format!("the environment says which machines it has: {why}")),
        Fact::Known(machines) if is_another(machines.get(host.name), node) => Delta::blocked(format!(
            "its machine is made as `machine = \"{}\"`: it was made as another one, and none becomes another; write what it \
             is, or retire the node first",
            node.machine.as_str()
        )),
        Fact::Known(machines) if machines.get(host.name).is_some_and(|machine| machine.running) => Delta::InSync,
        Fact::Known(machines) if machines.contains_key(host.name) => {
            Delta::from(Work::new(Verb::Update, Task::One(Action::StartMachine), facts).because(["it is switched off"]))
        }
        Fact::Known(_) | Fact::Absent => {
            let action = Action::CreateMachine { address: node.address, vm: node.virtual_machine() };
            Delta::from(Work::new(Verb::Create, Task::One(action), facts))
        }
    }
}

#[cfg(test)]
mod tests {
    use fmp_core::spec::{Environment, MachineKind};

    use super::*;
    use crate::{
        render::text,
        testing::{Lab, node},
    };

    #[test]
    fn a_machine_does_not_become_another_one() {
        let mut lab = Lab::settled(1, 1);
        lab.spec.environment = Environment::Local;
        let made = |kind| Machine { running: true, kind };
        for (kind, waits) in [(Some(MachineKind::Vm), true), (Some(MachineKind::Container), false), (None, false)] {
            lab.seen.machines = Fact::Known([(node("main-1"), made(None)), (node("work-1"), made(kind))].into());
            let told = text(&lab.plan());
            assert_eq!(told.contains("work-1/machine waits until its machine is made as"), waits, "{kind:?}: {told}");
        }
    }
}

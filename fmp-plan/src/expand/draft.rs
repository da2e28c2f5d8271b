//! Steps while they are being put together.

use std::{collections::BTreeMap, sync::Arc};

use fmp_core::{
    NodeName,
    graph::{Desired, Handle},
    resource::{Check, Resource, Scope},
};

use crate::{
    action::{Action, FileRemoval},
    diff::{Delta, Sides, Task, Work},
    safety,
    step::{Step, StepId, Subject},
};

/// A step's position among the drafts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(u32);

/// All steps of a plan, and which resource ends in which.
#[derive(Debug)]
pub(super) struct Drafts {
    steps: Vec<Step>,
    after: Vec<Vec<Slot>>,
    /// First and last step of each changing resource.
    places: Vec<Option<(Slot, Slot)>>,
    /// A node's steps that many resources share, by name.
    shared: BTreeMap<(NodeName, &'static str), Slot>,
}

/// Names of steps that gather resources of one kind.
pub(super) const TRUST: &str = "trust";
pub(super) const FILES: &str = "files";
pub(super) const CERTIFICATES: &str = "certificates";
pub(super) const MACHINE: &str = "machine";

impl Drafts {
    pub(super) fn new(sides: Sides<'_>, deltas: &[Delta], changing: &[Handle]) -> Self {
        let mut drafts =
            Self { steps: Vec::new(), after: Vec::new(), places: vec![None; deltas.len()], shared: BTreeMap::new() };
        for handle in changing {
            if let Some(work) = deltas[handle.index()].work() {
                drafts.place(sides.desired, *handle, work);
            }
        }
        drafts
    }

    pub(super) fn place_of(&self, handle: Handle) -> Option<(Slot, Slot)> {
        self.places[handle.index()]
    }

    pub(super) fn shared_step(&self, node: &NodeName, name: &'static str) -> Option<Slot> {
        self.shared.get(&(node.clone(), name)).copied()
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = (Slot, &Step)> {
        (0..).map(Slot).zip(&self.steps)
    }

    pub(super) fn step(&self, slot: Slot) -> &Step {
        &self.steps[slot.0 as usize]
    }

    pub(super) fn step_mut(&mut self, slot: Slot) -> &mut Step {
        &mut self.steps[slot.0 as usize]
    }

    pub(super) fn order(&mut self, later: Slot, earlier: Slot) {
        if later != earlier {
            self.after[later.0 as usize].push(earlier);
        }
    }

    /// Steps in id order, each with the names of those before it.
    pub(super) fn finish(mut self) -> Vec<Step> {
        let ids: Vec<StepId> = self.steps.iter().map(|step| step.id.clone()).collect();
        for (step, mut after) in self.steps.iter_mut().zip(self.after) {
            after.sort_unstable();
            after.dedup();
            step.after = after.into_iter().map(|slot| ids[slot.0 as usize].clone()).collect();
            step.after.sort_unstable();
        }
        self.steps.sort_by(|a, b| a.id.cmp(&b.id));
        self.steps
    }

    fn place(&mut self, desired: &Desired, handle: Handle, work: &Work) {
        let id = desired.id(handle);
        let node = match &id.scope {
            Scope::Cluster => None,
            Scope::Node(node) => Some(node),
        };
        let place = match (&work.task, node) {
            (Task::One(action), _) => {
                let slot = self.add(&id.to_string(), node, action.clone(), work);
                (slot, slot)
            }
            (Task::Chain(links), _) => self.chain(&id.to_string(), node, links, work),
            (Task::Unit { action, remove }, Some(node)) => {
                if !remove.is_empty() {
                    self.write(node, |files| files.remove.extend(remove.iter().cloned()));
                }
                match self.started_by_member(desired, handle, action) {
                    Some(place) => place,
                    None => self.unit(desired, handle, node, action, work),
                }
            }
            (Task::Write(write), Some(node)) => {
                let slot = self.write(node, |files| files.files.push(write.clone()));
                (slot, slot)
            }
            (Task::Trust(item), Some(node)) => {
                let slot = self.gather(node, TRUST, || Action::EstablishTrust { items: Vec::new() });
                if let Action::EstablishTrust { items } = &mut self.steps[slot.0 as usize].action {
                    items.push(item.clone());
                }
                (slot, slot)
            }
            (Task::Issue(issue), Some(node)) => {
                let slot = self.gather(node, CERTIFICATES, || Action::IssueCertificates { certificates: Vec::new() });
                if let Action::IssueCertificates { certificates } = &mut self.steps[slot.0 as usize].action {
                    certificates.push(issue.clone());
                }
                (slot, slot)
            }
            (Task::Unit { .. } | Task::Write(_) | Task::Trust(_) | Task::Issue(_), None) => {
                unreachable!("{id} has no host")
            }
        };
        self.places[handle.index()] = Some(place);
    }

    fn unit(
        &mut self,
        desired: &Desired,
        handle: Handle,
        node: &NodeName,
        action: &Action,
        work: &Work,
    ) -> (Slot, Slot) {
        let slot = self.add(&desired.id(handle).to_string(), Some(node), action.clone(), work);
        let step = &mut self.steps[slot.0 as usize];
        if let Resource::Unit(unit) = desired.resource(handle) {
            step.watch = Some(unit.ready.clone());
        }
        step.disrupts = safety::disrupted(node, &step.action);
        (slot, slot)
    }

    /// etcd's unit is started by the step that gives its member life; it needs no step of its own then.
    fn started_by_member(&self, desired: &Desired, unit: Handle, action: &Action) -> Option<(Slot, Slot)> {
        let starts = matches!(action, Action::StartUnit { .. });
        let is_member = |handle: &&Handle| matches!(desired.resource(**handle), Resource::EtcdMember(_));
        let member = desired.dependencies(unit).iter().find(is_member).filter(|_| starts)?;
        let (first, last) = self.place_of(*member)?;
        let gives_life = |slot: u32| {
            let action = &self.steps[slot as usize].action;
            matches!(action, Action::BootstrapEtcd { .. } | Action::StartEtcdLearner { .. })
        };
        let is_etcd = matches!(desired.resource(unit), Resource::Unit(unit) if &*unit.name == safety::ETCD);
        (is_etcd && (first.0..=last.0).any(gives_life)).then_some((last, last))
    }

    fn chain(
        &mut self,
        id: &str,
        node: Option<&NodeName>,
        links: &[(&'static str, Action)],
        work: &Work,
    ) -> (Slot, Slot) {
        let slots: Vec<Slot> =
            links.iter().map(|(name, action)| self.add(&format!("{id}/{name}"), node, action.clone(), work)).collect();
        for pair in slots.windows(2) {
            self.order(pair[1], pair[0]);
        }
        let first = slots.first().copied().expect("a chain has at least one link");
        (first, slots.last().copied().unwrap_or(first))
    }

    fn add(&mut self, id: &str, node: Option<&NodeName>, action: Action, work: &Work) -> Slot {
        let reason = if work.why.is_empty() { "it is new".to_owned() } else { work.why.join("; ") };
        self.push(StepId::new(id), subject(node, &action), action, node, reason)
    }

    fn gather(&mut self, node: &NodeName, name: &'static str, empty: impl FnOnce() -> Action) -> Slot {
        if let Some(slot) = self.shared.get(&(node.clone(), name)) {
            return *slot;
        }
        let id = StepId::new(format!("{node}/{name}"));
        let slot = self.push(id, Subject::Host(node.clone()), empty(), Some(node), String::new());
        self.shared.insert((node.clone(), name), slot);
        slot
    }

    fn write(&mut self, node: &NodeName, change: impl FnOnce(&mut Files<'_>)) -> Slot {
        let slot = self.gather(node, FILES, || Action::WriteFiles { files: Vec::new(), remove: Vec::new() });
        if let Action::WriteFiles { files, remove } = &mut self.steps[slot.0 as usize].action {
            change(&mut Files { files, remove });
        }
        slot
    }

    fn push(&mut self, id: StepId, subject: Subject, action: Action, node: Option<&NodeName>, reason: String) -> Slot {
        let slot = Slot(u32::try_from(self.steps.len()).expect("fewer than 2³² steps"));
        if let (Action::CreateMachine { .. } | Action::StartMachine, Some(node)) = (&action, node) {
            self.shared.insert((node.clone(), MACHINE), slot);
        }
        let watch = node.and_then(|node| watch(node, &action));
        let step = Step {
            id,
            subject,
            action,
            after: Vec::new(),
            unit: None,
            disrupts: std::collections::BTreeSet::new(),
            watch,
            reason,
        };
        self.steps.push(step);
        self.after.push(Vec::new());
        slot
    }
}

struct Files<'a> {
    files: &'a mut Vec<crate::action::FileWrite>,
    remove: &'a mut Vec<FileRemoval>,
}

fn subject(node: Option<&NodeName>, action: &Action) -> Subject {
    match (action, node) {
        (Action::CreateMachine { .. } | Action::StartMachine, Some(node)) => Subject::Machine(node.clone()),
        // A Node object is a matter of the API, not of the host that it stands for.
        (Action::ApplyNode { .. } | Action::ApplyObject { .. }, _) | (_, None) => Subject::Cluster,
        (_, Some(node)) => Subject::Host(node.clone()),
    }
}

/// What must hold after an action that has no unit of its own.
fn watch(node: &NodeName, action: &Action) -> Option<Check> {
    match action {
        Action::BootstrapEtcd { .. } => Some(Check::EtcdHealthy { node: node.clone() }),
        Action::StartEtcdLearner { .. } => {
            Some(Check::UnitActive { node: node.clone(), unit: Arc::from(safety::ETCD) })
        }
        Action::CreateMachine { .. } | Action::StartMachine => Some(Check::MachineUp { node: node.clone() }),
        Action::EstablishTrust { .. }
        | Action::Upload { .. }
        | Action::WriteFiles { .. }
        | Action::IssueCertificates { .. }
        | Action::StartUnit { .. }
        | Action::RestartUnit { .. }
        | Action::ReloadUnit { .. }
        | Action::EnableUnit { .. }
        | Action::RemoveEtcdMember { .. }
        | Action::AddEtcdLearner { .. }
        | Action::PromoteEtcdLearner { .. }
        | Action::ImportImage { .. }
        | Action::ApplyNode { .. }
        | Action::ApplyObject { .. } => None,
    }
}

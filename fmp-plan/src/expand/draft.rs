//! Steps while they are being put together.
//!
//! Owns where each step stands; knows nothing of what resources are. How a change becomes steps is told in `place`.

use std::collections::{BTreeMap, BTreeSet};

use fmp_core::{NodeName, graph::Handle, role::paths::key};

use crate::{
    action::Action,
    diff::Work,
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
pub(super) const NODE_FILES: &str = "node-files";
pub(super) const CERTIFICATES: &str = "certificates";
pub(super) const PACKAGES: &str = key::PACKAGES;
pub(super) const MACHINE: &str = "machine";
/// The step after which no pod is left on a node, and the one that they leave for.
pub(super) const DRAIN: &str = "drain";
pub(super) const DRAINED: &str = "drained";

impl Drafts {
    /// No steps yet, for so many resources.
    pub(super) fn new(resources: usize) -> Self {
        Self { steps: Vec::new(), after: Vec::new(), places: vec![None; resources], shared: BTreeMap::new() }
    }

    pub(super) fn place_of(&self, handle: Handle) -> Option<(Slot, Slot)> {
        self.places[handle.index()]
    }

    pub(super) fn set_place(&mut self, handle: Handle, place: (Slot, Slot)) {
        self.places[handle.index()] = Some(place);
    }

    pub(super) fn shared_step(&self, node: &NodeName, name: &'static str) -> Option<Slot> {
        self.shared.get(&(node.clone(), name)).copied()
    }

    pub(super) fn share(&mut self, node: &NodeName, name: &'static str, slot: Slot) {
        self.shared.insert((node.clone(), name), slot);
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

    /// The steps from one place to another, both included.
    pub(super) fn between(&self, (first, last): (Slot, Slot)) -> &[Step] {
        &self.steps[first.0 as usize..=last.0 as usize]
    }

    pub(super) fn order(&mut self, later: Slot, earlier: Slot) {
        if later != earlier {
            self.after[later.0 as usize].push(earlier);
        }
    }

    /// A step of one resource.
    pub(super) fn add(&mut self, id: &str, node: Option<&NodeName>, action: Action, work: &Work) -> Slot {
        let reason = if work.why.is_empty() { "it is new".to_owned() } else { work.why.join("; ") };
        let disrupts = match node {
            Some(node) if !work.disrupts.is_empty() => safety::disrupted(node, &action),
            Some(_) | None => BTreeSet::new(),
        };
        let slot = self.push(StepId::new(id), Subject::of(node, &action), action, reason);
        self.step_mut(slot).disrupts = disrupts;
        if let (Action::CreateMachine { .. } | Action::StartMachine, Some(node)) = (&self.step(slot).action, node) {
            self.shared.insert((node.clone(), MACHINE), slot);
        }
        slot
    }

    /// The step of a node that many resources share; at first it does nothing.
    pub(super) fn gather(&mut self, node: &NodeName, name: &'static str, empty: impl FnOnce() -> Action) -> Slot {
        if let Some(slot) = self.shared_step(node, name) {
            return slot;
        }
        let id = StepId::new(format!("{node}/{name}"));
        let slot = self.push(id, Subject::Host(node.clone()), empty(), "what it holds is new or differs".to_owned());
        self.shared.insert((node.clone(), name), slot);
        slot
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

    fn push(&mut self, id: StepId, subject: Subject, action: Action, reason: String) -> Slot {
        let slot = Slot(u32::try_from(self.steps.len()).expect("fewer than 2³² steps"));
        let (unit, watch) = (None, None);
        let step = Step { id, subject, action, after: Vec::new(), unit, disrupts: BTreeSet::new(), watch, reason };
        self.steps.push(step);
        self.after.push(Vec::new());
        slot
    }
}

//! What can't be done because something beneath it can't.

use fmp_core::{
    graph::Handle,
    resource::{Resource, Scope},
};

use crate::{
    action::Action,
    diff::{Delta, HostView, Joining, Sides, Task},
};

/// For each resource the blocked one that holds it up, found once.
pub(super) struct Blocks<'a> {
    sides: Sides<'a>,
    deltas: &'a [Delta],
    joining: Vec<Joining>,
    known: Vec<State>,
    any: bool,
}

#[derive(Clone, Copy)]
enum State {
    NotAsked,
    Free,
    HeldUpBy(Handle),
}

impl<'a> Blocks<'a> {
    pub(super) fn new(sides: Sides<'a>, deltas: &'a [Delta]) -> Self {
        let any = deltas.iter().any(|delta| matches!(delta, Delta::Blocked { .. }));
        let joining = if any { Joining::all(sides) } else { Vec::new() };
        Self { sides, deltas, joining, known: vec![State::NotAsked; deltas.len()], any }
    }

    /// The blocked resource, itself or beneath, that holds `handle` up.
    pub(super) fn root(&mut self, handle: Handle) -> Option<Handle> {
        if !self.any {
            return None;
        }
        match self.known[handle.index()] {
            State::Free => None,
            State::HeldUpBy(root) => Some(root),
            State::NotAsked => {
                let root = self.look(handle);
                self.known[handle.index()] = root.map_or(State::Free, State::HeldUpBy);
                root
            }
        }
    }

    /// The graph is shallow (a dozen levels), so recursion is fine.
    fn look(&mut self, handle: Handle) -> Option<Handle> {
        match self.deltas[handle.index()] {
            Delta::Blocked { .. } => Some(handle),
            Delta::InSync | Delta::Work(_) => {
                let dependencies = self.sides.desired.dependencies(handle);
                let is_start = self.only_starts(handle);
                let counts = |dependency: &&Handle| !(is_start && self.serves(**dependency));
                let counting: Vec<Handle> = dependencies.iter().filter(counts).copied().collect();
                let beneath = counting.into_iter().find_map(|dependency| self.root(dependency));
                beneath.or_else(|| self.joins_before(handle).into_iter().find_map(|member| self.root(member)))
            }
        }
    }

    /// Whether a unit that is down would be started with what it had: nothing that it reads changes. That is what a boot
    /// would do too, so it waits for no restart of another unit that runs, which may itself wait for this one.
    fn only_starts(&self, handle: Handle) -> bool {
        let task = self.deltas[handle.index()].work().map(|work| &work.task);
        let starts =
            matches!(task, Some(Task::Unit { action: Action::StartUnit { .. }, remove, .. }) if remove.is_empty());
        let is_unit = |dependency: Handle| matches!(self.sides.desired.resource(dependency), Resource::Unit(_));
        let stays = |dependency: &Handle| is_unit(*dependency) || self.serves(*dependency);
        starts && self.sides.desired.dependencies(handle).iter().all(stays)
    }

    /// Whether what it is needed for can be had of it as it is.
    fn serves(&self, handle: Handle) -> bool {
        matches!(self.deltas[handle.index()], Delta::InSync) || self.runs(handle)
    }

    /// Whether it is a unit, and is known to run.
    fn runs(&self, handle: Handle) -> bool {
        let (Resource::Unit(unit), Scope::Node(node)) =
            (self.sides.desired.resource(handle), &self.sides.desired.id(handle).scope)
        else {
            return false;
        };
        let host = HostView::new(self.sides.observed, node);
        host.ask(|host| host.units.get(&*unit.name)).known().is_some_and(|unit| unit.active == "active")
    }

    /// New members that join before this one: its list names them, so it can't join while one of them does not.
    fn joins_before(&self, handle: Handle) -> Vec<Handle> {
        let at = self.joining.iter().position(|joining| joining.member == handle).unwrap_or(0);
        self.joining[..at].iter().filter(|joining| joining.new).map(|joining| joining.member).collect()
    }
}

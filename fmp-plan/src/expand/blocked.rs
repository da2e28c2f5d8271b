//! What can't be done because something beneath it can't.

use fmp_core::graph::{Desired, Handle};

use crate::diff::{Delta, Joining, Sides};

/// For each resource the blocked one that holds it up, found once.
pub(super) struct Blocks<'a> {
    desired: &'a Desired,
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
        Self { desired: sides.desired, deltas, joining, known: vec![State::NotAsked; deltas.len()], any }
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
                let desired = self.desired;
                let beneath = desired.dependencies(handle).iter().find_map(|dependency| self.root(*dependency));
                beneath.or_else(|| self.joins_before(handle).into_iter().find_map(|member| self.root(member)))
            }
        }
    }

    /// New members that join before this one: its list names them, so it can't join while one of them does not.
    fn joins_before(&self, handle: Handle) -> Vec<Handle> {
        let at = self.joining.iter().position(|joining| joining.member == handle).unwrap_or(0);
        self.joining[..at].iter().filter(|joining| joining.new).map(|joining| joining.member).collect()
    }
}

//! What can't be done because something beneath it can't.

use fmp_core::graph::{Desired, Handle};

use crate::diff::Delta;

/// For each resource the blocked one that holds it up, found once.
pub(super) struct Blocks<'a> {
    desired: &'a Desired,
    deltas: &'a [Delta],
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
    pub(super) fn new(desired: &'a Desired, deltas: &'a [Delta]) -> Self {
        let any = deltas.iter().any(|delta| matches!(delta, Delta::Blocked { .. }));
        Self { desired, deltas, known: vec![State::NotAsked; deltas.len()], any }
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
                desired.dependencies(handle).iter().find_map(|dependency| self.root(*dependency))
            }
        }
    }
}

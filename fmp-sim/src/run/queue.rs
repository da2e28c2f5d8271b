//! What is going to happen, in order of time; at one time in the order in which it was said.

use std::collections::BTreeMap;

/// A queue of things to come.
#[derive(Debug, Clone)]
pub(super) struct Queue<T> {
    next: u64,
    things: BTreeMap<(u64, u64), T>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { next: 0, things: BTreeMap::new() }
    }
}

impl<T> Queue<T> {
    /// Something will happen at `ms`.
    pub(super) fn at(&mut self, ms: u64, thing: T) {
        self.things.insert((ms, self.next), thing);
        self.next += 1;
    }

    /// The first thing, and when.
    pub(super) fn pop(&mut self) -> Option<(u64, T)> {
        self.things.pop_first().map(|((ms, _), thing)| (ms, thing))
    }

    /// When the first thing happens.
    pub(super) fn next_ms(&self) -> Option<u64> {
        self.things.first_key_value().map(|((ms, _), _)| *ms)
    }

    /// When the first thing of a kind happens.
    pub(super) fn first(&self, of: impl Fn(&T) -> bool) -> Option<u64> {
        self.things.iter().find(|(_, thing)| of(thing)).map(|((ms, _), _)| *ms)
    }

    /// Whether something of a kind will happen.
    pub(super) fn any(&self, of: impl Fn(&T) -> bool) -> bool {
        self.things.values().any(of)
    }

    /// What is not to happen after all.
    pub(super) fn forget(&mut self, of: impl Fn(&T) -> bool) {
        self.things.retain(|_, thing| !of(thing));
    }
}

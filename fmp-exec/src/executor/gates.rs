//! Gates: places of which there are only so many, and the steps that wait for one.
//!
//! Owns who waits where. Knows nothing of what the places mean.

use std::collections::BTreeSet;

/// A gate's number.
pub(super) type GateAt = u32;

/// All gates of a run.
#[derive(Debug)]
pub(super) struct Gates {
    gates: Vec<Gate>,
    /// Gates that may have a place for somebody who waits.
    woken: BTreeSet<GateAt>,
}

#[derive(Debug)]
struct Gate {
    free: u32,
    waiting: BTreeSet<u32>,
}

impl Gates {
    /// One gate for each number of places.
    pub(super) fn new(places: impl Iterator<Item = u32>) -> Self {
        let gate = |free| Gate { free, waiting: BTreeSet::new() };
        Self { gates: places.map(gate).collect(), woken: BTreeSet::new() }
    }

    /// Takes a place at each of `needs`, or at none: then `step` waits at the first that is full.
    pub(super) fn pass(&mut self, needs: &[GateAt], step: u32) -> bool {
        let full = needs.iter().copied().find(|&gate| self.gates[gate as usize].free == 0);
        if let Some(full) = full {
            self.gates[full as usize].waiting.insert(step);
            // It may have been called from another of its gates, whose place is now for the next one there.
            self.woken.extend(needs);
            return false;
        }
        for &gate in needs {
            self.gates[gate as usize].free -= 1;
        }
        true
    }

    /// Gives a place back.
    pub(super) fn give_back(&mut self, gate: GateAt) {
        self.gates[gate as usize].free += 1;
        self.woken.insert(gate);
    }

    /// Has `step` wait at `gate` no longer, if it does.
    pub(super) fn call(&mut self, gate: GateAt, step: u32) -> bool {
        self.gates[gate as usize].waiting.remove(&step)
    }

    /// Calls as many waiting steps as there are places, smallest first. Whoever finds no place elsewhere waits again.
    pub(super) fn call_waiting(&mut self, ready: &mut BTreeSet<u32>) {
        while let Some(gate) = self.woken.pop_first() {
            let Gate { free, waiting } = &mut self.gates[gate as usize];
            let called = (*free as usize).min(waiting.len());
            ready.extend((0..called).filter_map(|_| waiting.pop_first()));
        }
    }

    /// Who waits at `gate`, smallest first.
    pub(super) fn waiting(&self, gate: GateAt) -> impl Iterator<Item = u32> {
        self.gates[gate as usize].waiting.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_takes_all_its_places_or_none() {
        let mut gates = Gates::new([1, 1].into_iter());
        assert!(gates.pass(&[1], 7));
        assert!(!gates.pass(&[0, 1], 8));
        assert!(gates.pass(&[0], 9), "the place at 0 was not taken by 8");
    }

    #[test]
    fn a_place_that_the_called_one_does_not_take_goes_to_the_next() {
        let mut gates = Gates::new([1, 1].into_iter());
        let mut ready = BTreeSet::new();
        assert!(gates.pass(&[0, 1], 1));
        assert!(!gates.pass(&[0, 1], 2));
        assert!(!gates.pass(&[0], 3));
        gates.give_back(0);
        gates.call_waiting(&mut ready);
        assert_eq!(ready.pop_first(), Some(2));
        assert!(!gates.pass(&[0, 1], 2), "1 is still full");
        gates.call_waiting(&mut ready);
        assert_eq!(ready.pop_first(), Some(3));
    }
}

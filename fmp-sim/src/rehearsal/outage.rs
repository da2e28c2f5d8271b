//! How long something was missing.

use crate::world::Standing;

/// The longest time that something was missing in one go.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Gap {
    since_ms: Option<u64>,
    /// Milliseconds.
    pub(super) longest_ms: u64,
}

impl Gap {
    fn look(&mut self, now_ms: u64, missing: bool) {
        match (missing, self.since_ms) {
            (true, None) => self.since_ms = Some(now_ms),
            (true, Some(since)) => self.longest_ms = self.longest_ms.max(now_ms - since),
            (false, Some(since)) => {
                self.longest_ms = self.longest_ms.max(now_ms - since);
                self.since_ms = None;
            }
            (false, None) => {}
        }
    }
}

/// What a cluster that stands must not lose for long. What a new one has not got yet is not missed.
#[derive(Debug)]
pub(super) struct Outages {
    full: usize,
    had_api: bool,
    pub(super) below_full: Gap,
    pub(super) without_api: Gap,
}

impl Outages {
    /// For a world as it is before anything is done.
    pub(super) fn new(standing: Standing) -> Self {
        let gap = Gap::default();
        Self { full: standing.voters, had_api: standing.api, below_full: gap, without_api: gap }
    }

    pub(super) fn look(&mut self, now_ms: u64, standing: Standing) {
        self.below_full.look(now_ms, standing.voters < self.full);
        self.without_api.look(now_ms, self.had_api && !standing.api);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_gap_counts_and_an_open_one_too() {
        let mut gap = Gap::default();
        for (now, missing) in [(0, false), (10, true), (15, true), (30, false), (40, true), (45, false)] {
            gap.look(now, missing);
        }
        assert_eq!(gap.longest_ms, 20);
        gap.look(50, true);
        gap.look(90, true);
        assert_eq!(gap.longest_ms, 40);
    }
}

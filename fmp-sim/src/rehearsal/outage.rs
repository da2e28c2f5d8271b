//! How long something was missing.

use crate::{Case, World, world::Standing};

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

/// What a cluster that stands must not lose for long. What a new one has not got yet is not missed, nor a main that is to
/// leave.
#[derive(Debug)]
pub(super) struct Outages {
    wanted: usize,
    full: usize,
    had_api: bool,
    pub(super) below_full: Gap,
    pub(super) without_api: Gap,
}

impl Outages {
    /// For a world as it is before anything is done.
    pub(super) fn new(case: &Case, world: &World) -> Self {
        let (wanted, gap) = (case.spec.mains().count(), Gap::default());
        let had_api = world.standing(&case.spec).api;
        Self { wanted, full: world.voters().min(wanted), had_api, below_full: gap, without_api: gap }
    }

    pub(super) fn look(&mut self, now_ms: u64, standing: Standing) {
        self.full = self.full.max(standing.voters).min(self.wanted);
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

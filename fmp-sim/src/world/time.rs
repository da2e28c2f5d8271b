//! Time, and what comes true by itself in it.

use super::World;

impl World {
    /// Milliseconds since the world began, by the clock of nobody in it.
    pub const fn clock_ms(&self) -> u64 {
        self.clock_ms
    }

    /// The true time: seconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.began + i64::try_from(self.clock_ms / 1000).unwrap_or(i64::MAX)
    }

    /// It is this late now. Time does not go backwards.
    pub fn advance(&mut self, clock_ms: u64) {
        self.clock_ms = self.clock_ms.max(clock_ms);
        if self.due_ms.is_some_and(|due| due <= self.clock_ms) {
            self.settle();
        }
    }

    /// When something comes true by itself next, where something will.
    pub const fn due_ms(&self) -> Option<u64> {
        self.due_ms
    }

    /// What comes true by itself once something changed, or a world that was written down goes on.
    pub fn settle(&mut self) {
        self.strokes = None;
        self.members_begin();
        let units = self.units_come_up();
        let election = self.elect();
        self.removed_members_end();
        self.members_come_up();
        self.note_births();
        self.register_nodes();
        let pods = self.pods_go_on();
        self.due_ms = [units, election, pods].into_iter().flatten().min();
    }
}

//! Files that are not written yet, because a running unit that reads them may not take them up yet.
//!
//! A unit that runs comes back by itself after a crash or a power cut, and reads what lies there then. A file that is
//! written while its unit's restart waits would be taken up at a moment that nobody chose, on all hosts at once where
//! the power fails. So it waits with its unit, and with it everything else that reads it. Programs don't wait: each
//! version has a path of its own, which only a unit's file names. A unit that is down is not held back by this: the
//! wanted files are what it should come up with.

use fmp_core::{
    graph::Handle,
    observed::Fact,
    resource::{Resource, ResourceId, Scope},
};

use super::blocked::Blocks;
use crate::diff::{self, Delta, HostView, Sides};

/// Blocks what has to wait. Each file that waits may hold up more units, so it goes on until nothing more does.
pub(crate) fn hold_back(sides: Sides<'_>, deltas: &mut [Delta]) {
    if !deltas.iter().any(|delta| matches!(delta, Delta::Blocked { .. })) {
        return;
    }
    let units = running(sides);
    loop {
        let mut held = Vec::new();
        let mut blocks = Blocks::new(sides, deltas);
        for unit in &units {
            if blocks.root(*unit).is_some() {
                let taken_up =
                    |file: &Handle| deltas[file.index()].work().is_some() && diff::takes_up(sides, *unit, *file);
                held.extend(
                    sides.desired.dependencies(*unit).iter().copied().filter(taken_up).map(|file| (file, *unit)),
                );
            }
        }
        if held.is_empty() {
            return;
        }
        for (file, unit) in held {
            deltas[file.index()] = Delta::Blocked { until: format!("{} is settled", sides.desired.id(unit)) };
        }
    }
}

/// Units that run, or may run.
fn running(sides: Sides<'_>) -> Vec<Handle> {
    let runs = |(handle, id, resource): (Handle, &ResourceId, &Resource)| {
        let (Resource::Unit(unit), Scope::Node(node)) = (resource, &id.scope) else { return None };
        let host = HostView::new(sides.observed, node);
        let runs = match host.ask(|host| host.units.get(&*unit.name)) {
            Fact::Known(seen) => !seen.is_down(),
            Fact::Absent => false,
            Fact::Unknown(_) => true,
        };
        runs.then_some(handle)
    };
    sides.desired.iter().filter_map(runs).collect()
}

//! Fewer faults that still show the same.

use std::sync::Arc;

use super::{Catalog, Report, SetupError, replay};
use crate::fault::{Rates, Swarm};

/// Drops faults one by one as long as a violation of the same kind remains; the shortest run that shows it.
///
/// # Errors
/// The scenario can't be set up.
pub fn shrink(catalog: &mut Catalog, report: &Report) -> Result<Report, SetupError> {
    let mut best = replay(catalog, report.seed, report.swarm.clone())?;
    let Some(kind) = best.violations.first().map(crate::invariant::Violation::kind) else { return Ok(best) };
    let mut goes_on = true;
    while goes_on {
        goes_on = false;
        for smaller in smaller(&best.swarm) {
            let tried = replay(catalog, report.seed, Arc::new(smaller))?;
            if tried.violations.iter().any(|violation| violation.kind() == kind) {
                best = tried;
                goes_on = true;
                break;
            }
        }
    }
    Ok(best)
}

/// The same faults with one of them less.
pub(crate) fn smaller(swarm: &Swarm) -> Vec<Swarm> {
    let without = |at: usize| {
        let mut smaller = swarm.clone();
        smaller.blows.remove(at);
        smaller
    };
    let rates = [
        Rates { lost_before: 0, ..swarm.rates },
        Rates { lost_after: 0, ..swarm.rates },
        Rates { torn: 0, ..swarm.rates },
    ];
    let fewer = |rates: Rates| (rates != swarm.rates).then(|| Swarm { rates, blows: swarm.blows.clone() });
    (0..swarm.blows.len()).map(without).chain(rates.into_iter().filter_map(fewer)).collect()
}

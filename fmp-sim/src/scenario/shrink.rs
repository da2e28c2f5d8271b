//! Fewer faults that still show the same.

use std::sync::Arc;

use super::{Catalog, Report, SetupError, replay};
use crate::{
    fault::{Rates, Swarm},
    invariant::Violation,
};

/// Drops faults one by one as long as a violation of the same kind remains; the shortest run that shows it.
///
/// # Errors
/// The scenario can't be set up.
pub fn shrink(catalog: &mut Catalog, report: &Report) -> Result<Report, SetupError> {
    let first = replay(catalog, report.deck, report.seed, report.swarm.clone())?;
    let Some(kind) = first.violations.first().map(Violation::kind) else { return Ok(first) };
    let least = fewest(&first.swarm, |swarm| {
        let tried = replay(catalog, report.deck, report.seed, Arc::new(swarm.clone()));
        tried.is_ok_and(|tried| tried.violations.iter().any(|violation| violation.kind() == kind))
    });
    replay(catalog, report.deck, report.seed, Arc::new(least))
}

/// Drops faults one by one as long as the rest still shows what is looked for.
pub(crate) fn fewest(swarm: &Swarm, mut shows: impl FnMut(&Swarm) -> bool) -> Swarm {
    let mut least = swarm.clone();
    while let Some(smaller) = smaller(&least).into_iter().find(&mut shows) {
        least = smaller;
    }
    least
}

/// The same faults with one of them less.
fn smaller(swarm: &Swarm) -> Vec<Swarm> {
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

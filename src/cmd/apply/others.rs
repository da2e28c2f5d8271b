//! Runs before this one: what they left under way is named, and comes to its end before anything is begun.

use fmp_core::{NodeName, observed::Observed};
use fmp_exec::Context;
use fmp_providers::hosts::Fenced;
use miette::miette;

use crate::session::Reach;

/// What other runs began and what has not ended, by its host.
pub(crate) fn still_running(observed: &Observed) -> impl Iterator<Item = (&NodeName, &String)> {
    observed.hosts.iter().flat_map(|(node, host)| {
        let running = host.known().into_iter().flat_map(|host| &host.running);
        running.map(move |command| (node, command))
    })
}

/// Makes sure that no run before this one changes anything any more, on any host that one may have been on.
pub(super) async fn end(reach: &Reach, cx: &Context, observed: &Observed) -> miette::Result<()> {
    let known = observed.hosts.iter().filter_map(|(node, host)| Some((node, host.known()?)));
    let visited = known.filter(|(_, host)| host.cluster_id.known().is_some() || !host.running.is_empty());
    let mut problems = Vec::new();
    for (node, fenced) in reach.hosts.fence(cx, visited.map(|(node, _)| node)).await {
        match fenced {
            Fenced::Quiet => {}
            Fenced::Still(names) => {
                let names = names.into_iter().collect::<Vec<_>>().join(", ");
                problems.push(format!("{node} still runs {names}, which another fmp began"));
            }
            Fenced::Overtaken(newer) => problems.push(format!("{node} has seen a newer run of fmp (epoch {newer})")),
            Fenced::Silent(why) => {
                problems.push(format!("{node} does not say what an earlier fmp still does there: {why}"));
            }
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(miette!(
        help = "nothing was begun; look at it there (`systemctl status NAME`, `ls /run/fmp/running`), then plan again",
        "{}",
        problems.join("; ")
    ))
}

//! Nodes as places for pods: cordoned, drained, given back, deleted, by way of any main whose apiserver answers.

use fmp_core::{
    NodeName, Secret,
    resource::{CORDONED, DRAINED, EMPTYING},
};
use fmp_exec::{Applied, Failure};
use fmp_plan::action::Evict;

use super::{Work, objects::through_any_main};

const SCRIPT: &str = include_str!("scripts/node.sh");

/// Cordons, drains, uncordons or deletes a Node.
pub(super) async fn change(work: Work<'_>, how: &str, node: &NodeName, evict: Evict) -> Result<Applied, Failure> {
    let evict = match evict {
        Evict::Replaceable => "replaceable",
        Evict::All => "all",
    };
    through_any_main(work, SCRIPT, &[how, node.as_str(), evict, CORDONED, EMPTYING, DRAINED], &Secret::new([])).await
}

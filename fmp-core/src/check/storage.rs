//! The disks of work nodes: whether one is needed, and whether the node has the programs for it.

use super::{
    Case,
    size::{DISK_GB, Tenths, less},
};
use crate::{Finding, spec::Role};

pub(super) fn storage(case: &Case<'_>) -> Vec<Finding> {
    match (case.node.role, &case.node.disk, case.storage) {
        (Role::Main | Role::Images, ..) => Vec::new(),
        (Role::Work, Some(_), Some(storage)) => {
            let missing = case.missing(storage.filesystem.programs().into_iter()).next();
            let finding = |program: &str| {
                let message = format!("`{program}` is not installed, {} on its disk asks for it", storage.filesystem);
                case.error(message, case.way_to(program))
            };
            missing.map(finding).unwrap_or_default()
        }
        (Role::Work, ..) => small_root(case),
    }
}

/// Everything lies on the root file system, which the profile finds too small for that.
fn small_root(case: &Case<'_>) -> Vec<Finding> {
    let wanted = case.profile.storage.root_enough_gb;
    let (found, least) =
        (case.facts.root_bytes, less(u64::from(wanted) * DISK_GB, case.profile.host.disk_overhead_percent));
    if found >= least {
        return Vec::new();
    }
    let message = format!(
        "the root file system has {} GB and no disk is named for data, {} asks for {wanted} GB or a disk",
        Tenths(found, DISK_GB),
        case.asks()
    );
    let fix = format!("name an empty disk under [nodes.{}.storage], with `kind = \"disk\"` under [storage]", case.name);
    case.warning(message, fix)
}

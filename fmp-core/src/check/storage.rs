//! The disks of work nodes: whether one is needed, and whether the node has the programs for it.

use std::collections::BTreeMap;

use super::{
    Case,
    size::{DISK_GB, Tenths, less},
};
use crate::{
    Finding,
    os::Need,
    resource::{self, lvm},
    spec::Role,
};

pub(super) fn storage(case: &Case<'_>) -> Vec<Finding> {
    match (case.node.role, case.node.disks.first(), case.storage) {
        (Role::Main | Role::Images, ..) => Vec::new(),
        (Role::Work, Some(_), Some(storage)) => {
            let programs = resource::programs(storage.filesystem, storage.logical.as_ref());
            let missing = programs.filter(|(program, _)| case.missing(std::iter::once(*program)).next().is_some());
            // One of each package: whoever installs it has the others.
            let first: BTreeMap<Need, &str> = missing.fold(BTreeMap::new(), |mut first, (program, need)| {
                first.entry(need).or_insert(program);
                first
            });
            let finding = |(need, program): (Need, &str)| {
                let what = if need == lvm::NEED { "LVM".to_owned() } else { storage.filesystem.to_string() };
                let message = format!("`{program}` is not installed, {what} on its disk asks for it");
                case.error(message, case.way_to(program))
            };
            first.into_iter().flat_map(finding).collect()
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

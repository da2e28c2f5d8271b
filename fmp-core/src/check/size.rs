//! Figures: processors, memory, disks.
//!
//! One GB of memory is 2^30 bytes and one GB of disk 10^9, as both are sold. Figures are cut, not rounded, so that
//! what is shown is never more than what is there.

use std::fmt;

use super::Case;
use crate::{Finding, profile::KernelIs};

/// Bytes of one GB of memory.
const MEMORY_GB: u64 = 1 << 30;

/// Bytes of one GB of disk.
pub(super) const DISK_GB: u64 = 1_000_000_000;

/// Devices that are no disks: memory, optical drives, and layers over other disks.
const NO_DISKS: &[&str] = &["dm-", "fd", "loop", "md", "nbd", "ram", "sr", "zram"];

pub(super) fn cpu(case: &Case<'_>) -> Vec<Finding> {
    let (found, wanted) = (case.facts.cpus, case.size.cpus);
    if found >= wanted {
        return Vec::new();
    }
    let message = format!("{found} processors, {} asks for {wanted}", case.asks());
    case.error(message, format!("give the machine {wanted} processors"))
}

pub(super) fn memory(case: &Case<'_>) -> Vec<Finding> {
    let (found, wanted) = (case.facts.memory_bytes, case.size.memory_gb);
    let least = less(u64::from(wanted) * MEMORY_GB, case.profile.host.memory_reserved_percent);
    if found >= least {
        return Vec::new();
    }
    let (found, least) = (Tenths(found, MEMORY_GB), Tenths(least, MEMORY_GB));
    let message = format!("{found} GiB of memory, {} asks for {wanted} GB ({least} GiB usable)", case.asks());
    case.error(message, format!("give the machine {wanted} GB of memory"))
}

pub(super) fn disk(case: &Case<'_>) -> Vec<Finding> {
    let wanted = u64::from(case.size.disk_gb) * DISK_GB;
    // A machine that shares a kernel sees its computer's disks, which are not its own.
    let shared = case.profile.host.kernel_is == KernelIs::Shared;
    let real = case.facts.disks.iter().filter(|disk| !NO_DISKS.iter().any(|prefix| disk.name.starts_with(prefix)));
    let found: u64 = real.map(|disk| disk.bytes).sum();
    if shared || found >= wanted {
        return Vec::new();
    }
    let message = format!("{} GB of disks, {} asks for {} GB", Tenths(found, DISK_GB), case.asks(), case.size.disk_gb);
    case.error(message, format!("add disks, or one of {} GB", case.size.disk_gb))
}

pub(super) fn root(case: &Case<'_>) -> Vec<Finding> {
    let (found, wanted) = (case.facts.root_bytes, case.profile.storage.root_gb);
    let least = less(u64::from(wanted) * DISK_GB, case.profile.host.disk_overhead_percent);
    if found >= least {
        return Vec::new();
    }
    let (found, least) = (Tenths(found, DISK_GB), Tenths(least, DISK_GB));
    let message = format!("the root file system has {found} GB, {} asks for {least} GB", case.asks());
    case.error(message, format!("enlarge the root file system to a disk of {wanted} GB"))
}

pub(super) fn root_free(case: &Case<'_>) -> Vec<Finding> {
    let (free, whole) = (case.facts.root_free_bytes, case.facts.root_bytes);
    let percent = case.profile.host.root_free_percent;
    let least = whole - less(whole, percent);
    if free >= least {
        return Vec::new();
    }
    let (free, least) = (Tenths(free, DISK_GB), Tenths(least, DISK_GB));
    let what = if case.node.role.is_of_kubernetes() { "pods are evicted" } else { "there is no room for images" };
    let message = format!("{free} GB free in the root file system; below {least} GB ({percent} %) {what}");
    case.warning(message, "remove what is not needed, or enlarge the root file system")
}

pub(super) fn less(bytes: u64, percent: u32) -> u64 {
    bytes * u64::from(100_u32.saturating_sub(percent)) / 100
}

/// Bytes in a unit with one decimal, cut.
pub(super) struct Tenths(pub(super) u64, pub(super) u64);

impl fmt::Display for Tenths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.0 / (self.1 / 10);
        write!(f, "{}.{}", tenths / 10, tenths % 10)
    }
}

//! Programs, kernel modules and sysctls that must be there.

use super::Case;
use crate::{
    Finding,
    profile::{HostRules, SysctlRule},
    spec::Role,
};

/// What takes images out of their archives where they are stored.
const ARCHIVER: &str = "tar";

/// Of the profile's programs those that a machine needs which only stores images: what every change on a host does.
const OF_IMAGES: [&str; 1] = ["flock"];

/// Programs that machines of `role` must have.
pub(super) fn wanted(host: &HostRules, role: Role) -> impl Iterator<Item = &str> {
    let needed = move |program: &&str| match role {
        Role::Main | Role::Work => true,
        Role::Images => OF_IMAGES.contains(program),
    };
    let archiver = (role == Role::Images).then_some(ARCHIVER);
    host.programs.keys().map(String::as_str).filter(needed).chain(archiver)
}

pub(super) fn programs(case: &Case<'_>) -> Vec<Finding> {
    let missing = case.missing(wanted(&case.profile.host, case.node.role));
    let finding = |program: &str| {
        case.error(format!("`{program}` is not installed, {} asks for it", case.asks()), case.way_to(program))
    };
    missing.flat_map(finding).collect()
}

pub(super) fn modules(case: &Case<'_>) -> Vec<Finding> {
    let missing = case.profile.host.modules_to_load().filter(|module| !case.facts.modules.contains(*module));
    let finding = |module: &str| {
        let message = format!("kernel module {module} is neither built in nor found, {} asks for it", case.asks());
        case.error(message, format!("`modprobe {module}`; if that fails, install the kernel's modules"))
    };
    missing.flat_map(finding).collect()
}

/// A sysctl that a module brings is there as soon as FMP loads the module.
pub(super) fn sysctls(case: &Case<'_>) -> Vec<Finding> {
    let wanted = case.profile.host.sysctls_to_set().filter(|(_, rule)| rule.module.is_none());
    let missing = wanted.filter(|(name, _)| !case.facts.sysctls.contains_key(*name));
    let finding = |(name, rule): (&str, &SysctlRule)| {
        let message = format!("sysctl {name} can't be set to {}: the kernel does not have it", rule.value);
        case.error(message, "boot a kernel of the operating system's own")
    };
    missing.flat_map(finding).collect()
}

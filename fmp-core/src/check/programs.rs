//! Programs, kernel modules and sysctls that must be there.

use std::collections::BTreeMap;

use super::Case;
use crate::{
    Finding,
    profile::{PackageManager, SysctlRule},
};

pub(super) fn programs(case: &Case<'_>) -> Vec<Finding> {
    let system = case.profile.systems.iter().find(|system| system.id == case.facts.os_id);
    let missing = case.profile.host.programs.iter().filter(|(program, _)| !case.facts.programs.contains_key(*program));
    let finding = |(program, packages): (&String, &BTreeMap<PackageManager, String>)| {
        let package = system.and_then(|system| Some((system.packages, packages.get(&system.packages)?)));
        let fix = match package {
            Some((PackageManager::Apt, package)) => format!("`apt-get install {package}`"),
            Some((PackageManager::Dnf, package)) => format!("`dnf install {package}`"),
            None => format!("install the package that brings `{program}`"),
        };
        case.error(format!("`{program}` is not installed, {} asks for it", case.asks()), fix)
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

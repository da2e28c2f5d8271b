//! Programs, kernel modules and sysctls that must be there.

use std::{collections::BTreeMap, sync::LazyLock};

use super::Case;
use crate::{
    Finding,
    profile::{HostRules, PackageManager, SysctlRule},
    spec::Role,
};

/// Packages by the way in which they are installed.
type Packages = BTreeMap<PackageManager, String>;

/// What takes images out of their archives where they are stored.
const ARCHIVER: &str = "tar";

/// Of the profile's programs those that a machine needs which only stores images: what every change on a host does.
const OF_IMAGES: [&str; 1] = ["flock"];

/// Programs that machines of `role` must have, each with its packages.
pub(super) fn wanted(host: &HostRules, role: Role) -> impl Iterator<Item = (&str, &Packages)> {
    static ARCHIVERS: LazyLock<Packages> = LazyLock::new(|| {
        [PackageManager::Apt, PackageManager::Dnf].map(|manager| (manager, ARCHIVER.to_owned())).into()
    });
    let needed = move |program: &str| match role {
        Role::Main | Role::Work => true,
        Role::Images => OF_IMAGES.contains(&program),
    };
    let own = host.programs.iter().map(|(program, packages)| (program.as_str(), packages));
    let archiver = (role == Role::Images).then(|| (ARCHIVER, &*ARCHIVERS));
    own.filter(move |(program, _)| needed(program)).chain(archiver)
}

pub(super) fn programs(case: &Case<'_>) -> Vec<Finding> {
    let system = case.profile.systems.iter().find(|system| system.id == case.facts.os_id);
    let wanted = wanted(&case.profile.host, case.node.role);
    let missing = wanted.filter(|(program, _)| !case.facts.programs.contains_key(*program));
    let finding = |(program, packages): (&str, &Packages)| {
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

//! The machine's name and address, operating system, kernel and systemd.

use super::Case;
use crate::{
    Finding,
    observed::Cgroup,
    os::numbers,
    profile::{KernelVersion, Swap, System, VersionRule},
};

pub(super) fn architecture(case: &Case<'_>) -> Vec<Finding> {
    let (found, allowed) = (&case.facts.architecture, &case.profile.host.architectures);
    if allowed.contains(found) {
        return Vec::new();
    }
    let allowed = allowed.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let message = format!("the processor is {found}, {} allows {allowed}", case.asks());
    case.error(message, format!("use a machine of {allowed}"))
}

pub(super) fn system(case: &Case<'_>) -> Vec<Finding> {
    let facts = case.facts;
    let judged: Vec<Fit> = case
        .profile
        .systems
        .iter()
        .filter(|system| system.id == facts.os_id)
        .map(|system| fit(&facts.os_version, &system.versions))
        .collect();
    if judged.contains(&Fit::Allowed) {
        return Vec::new();
    }
    let allowed = case.profile.systems.iter().map(described).collect::<Vec<_>>().join("; ");
    let found = format!("{} ({} {})", facts.os_name, facts.os_id, facts.os_version);
    if judged.contains(&Fit::Unclear) {
        let message = format!("{found} does not say which update it is; {} allows {allowed}", case.asks());
        return case.warning(message, "see that /etc/astra/build_version can be read, or what your system has instead");
    }
    let message = format!("{found} is not allowed; {} allows {allowed}", case.asks());
    case.error(message, "install one of these, or name a profile that allows this one")
}

/// How a version agrees with a rule.
#[derive(PartialEq, Eq)]
enum Fit {
    Allowed,
    Refused,
    /// `1.7` where `1.7.5` is asked for: it may be.
    Unclear,
}

fn fit(found: &str, rule: &VersionRule) -> Fit {
    let found = numbers(found);
    match rule {
        VersionRule::From(first) if found >= numbers(first) => Fit::Allowed,
        VersionRule::Only(allowed) if allowed.iter().any(|one| found.starts_with(&numbers(one))) => Fit::Allowed,
        VersionRule::Only(allowed) if allowed.iter().any(|one| numbers(one).starts_with(&found)) => Fit::Unclear,
        VersionRule::From(_) | VersionRule::Only(_) => Fit::Refused,
    }
}

fn described(system: &System) -> String {
    match &system.versions {
        VersionRule::From(first) => format!("{} {first} or later", system.name),
        VersionRule::Only(versions) => format!("{} {}", system.name, versions.join(", ")),
    }
}

pub(super) fn kernel(case: &Case<'_>) -> Vec<Finding> {
    let (found, wanted) = (&case.facts.kernel, case.profile.host.kernel);
    if found.parse::<KernelVersion>().is_ok_and(|kernel| kernel >= wanted) {
        return Vec::new();
    }
    let message = format!("the kernel is {found}, {} asks for {wanted} or later", case.asks());
    case.error(message, "update the operating system's kernel and boot it")
}

pub(super) fn systemd(case: &Case<'_>) -> Vec<Finding> {
    let (found, wanted) = (case.facts.systemd, case.profile.host.systemd);
    if found >= wanted {
        return Vec::new();
    }
    let message = format!("systemd is {found}, {} asks for {wanted} or later", case.asks());
    case.error(message, "update the operating system")
}

pub(super) fn cgroup(case: &Case<'_>) -> Vec<Finding> {
    if case.profile.host.cgroups.contains(&case.facts.cgroup) {
        return Vec::new();
    }
    let (version, wanted) = match case.facts.cgroup {
        Cgroup::V1 => ("1", "1"),
        Cgroup::V2 => ("2", "0"),
    };
    let message = format!("cgroups are mounted as version {version}, which {} does not allow", case.asks());
    let fix = format!("boot with `systemd.unified_cgroup_hierarchy={wanted}` on the kernel's command line");
    case.error(message, fix)
}

pub(super) fn swap(case: &Case<'_>) -> Vec<Finding> {
    let mib = case.facts.swap_bytes >> 20;
    match case.profile.host.swap {
        Swap::Tolerated => Vec::new(),
        Swap::Forbidden if case.facts.swap_bytes == 0 => Vec::new(),
        Swap::Forbidden => case.error(
            format!("{mib} MiB of swap, {} allows none", case.asks()),
            "`swapoff -a`, and remove swap from /etc/fstab, zram and swap units",
        ),
    }
}

pub(super) fn address(case: &Case<'_>) -> Vec<Finding> {
    let wanted = case.node.address;
    if case.facts.addresses.contains(&wanted) {
        return Vec::new();
    }
    let found = case.facts.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let message = format!("no interface has the node's address {wanted}; the host has {found}");
    case.error(
        message,
        format!("correct `address` in [nodes.{0}], or [nodes.{0}.ssh] if this is another host", case.name),
    )
}

/// Kubernetes' node name is the file's; a host that calls itself otherwise is likely another machine than meant.
pub(super) fn hostname(case: &Case<'_>) -> Vec<Finding> {
    let (found, wanted) = (&case.facts.hostname, case.name.as_str());
    if found.split('.').next() == Some(wanted) {
        return Vec::new();
    }
    let message = format!("the host calls itself {found}, the file {wanted}");
    case.warning(message, format!("`hostnamectl set-hostname {wanted}`, if it is the machine you mean"))
}

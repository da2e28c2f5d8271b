//! The host's kernel: modules, sysctls and swap, at each boot.

use super::super::{
    common::Common,
    recipe::Recipe,
    service::{Ready, Service, ServiceKind, restart},
};
use crate::profile::{KernelIs, Snapshotter};

/// Full name of the unit.
pub(in super::super) const UNIT: &str = "fmp-host.service";

const SCRIPT: &str = "/opt/fmp/lib/host.sh";
const MODULES: &str = "/etc/modules-load.d/fmp.conf";
const SYSCTLS: &str = "/etc/sysctl.d/90-fmp.conf";

/// Adds the host's preparation to a recipe.
pub(super) fn add(recipe: &mut Recipe<'_>, common: &Common<'_>) {
    recipe.file(SCRIPT, include_str!("../data/host.sh"));
    recipe.file(MODULES, modules(common));
    recipe.file(SYSCTLS, sysctls(common));
    let mut options = Vec::new();
    if common.settings.fail_swap_on {
        options.push("ExecStartPre=-/sbin/swapoff -a".to_owned());
    }
    Service {
        name: UNIT,
        about: "Kernel modules, sysctls and resolver for Kubernetes",
        documentation: "https://kubernetes.io/docs/setup/production-environment/container-runtimes/",
        after: "systemd-modules-load.service systemd-sysctl.service systemd-resolved.service",
        mounts: "",
        conditions: Vec::new(),
        kind: ServiceKind::Oneshot,
        options,
        command: vec!["/bin/sh".to_owned(), SCRIPT.to_owned()],
        inputs: [SCRIPT, MODULES, SYSCTLS].map(restart).into(),
        ready: Ready::UnitActive,
    }
    .add(recipe);
}

fn modules(common: &Common<'_>) -> String {
    let needed = |module: &&String| match common.settings.snapshotter {
        Snapshotter::Overlayfs => true,
        Snapshotter::Native => *module != "overlay",
    };
    lines(common.profile.host.modules.iter().filter(needed).cloned())
}

/// A kernel that others share keeps what is not this machine's: the network is, and a limit that is raised hurts
/// nobody.
fn sysctls(common: &Common<'_>) -> String {
    let host = &common.profile.host;
    let ours = |key: &str| match host.kernel_is {
        KernelIs::Own => true,
        KernelIs::Shared => key.starts_with("net.") || key.contains(".max_"),
    };
    let set = host.sysctls.iter().filter(|(key, _)| ours(key));
    lines(set.map(|(key, rule)| format!("{key} = {}", rule.value)))
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.flat_map(|line| [line, "\n".to_owned()]).collect()
}

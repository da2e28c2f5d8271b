//! TCP ports that the cluster needs and somebody else holds.

use super::Case;
use crate::{
    Finding,
    observed::Listener,
    profile::{HostRules, PortsRule},
    spec::{IMAGES_PORT, Role},
};

/// Names of units and programs that are the cluster's own.
const OWN: &[&str] = &["containerd", "etcd", "flanneld", "kubelet"];

/// How names of the cluster's own units, programs and pods begin.
const OWN_PREFIXES: &[&str] = &["cri-containerd-", "fmp-", "kube-", "kubepods"];

/// Ports of a profile that matter on machines of `role`.
pub(super) fn rules(host: &HostRules, role: Role) -> impl Iterator<Item = &PortsRule> {
    host.ports.iter().filter(move |rule| match rule.role {
        Some(only) => only == role,
        None => role.is_of_kubernetes(),
    })
}

/// The port of the image storage, on machines of `role`.
pub(super) fn of_images(role: Role) -> Option<u16> {
    match role {
        Role::Main | Role::Work => None,
        Role::Images => Some(IMAGES_PORT),
    }
}

pub(super) fn ports(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for port in case.facts.listeners.keys() {
        let rule = rules(&case.profile.host, case.node.role).find(|rule| rule.ports.0.contains(port));
        let ingress = case.ingress.contains(port).then_some("the ingress");
        let images = (of_images(case.node.role) == Some(*port)).then_some("the image storage");
        if let Some(purpose) = rule.map(|rule| rule.purpose.as_str()).or(ingress).or(images) {
            findings.extend(taken(case, *port, purpose));
        }
    }
    findings
}

/// Somebody else's program on a port that is for `purpose`.
pub(super) fn taken(case: &Case<'_>, port: u16, purpose: &str) -> Vec<Finding> {
    let others = case.facts.listeners.get(&port).filter(|listener| !is_own(&listener.owner));
    let finding = |listener: &Listener| {
        let message = format!("{} listens on port {port}, which is for {purpose}", listener.owner);
        let fix = format!("stop {} and disable it, or give it another port", listener.owner);
        case.error(message, fix)
    };
    others.map(finding).unwrap_or_default()
}

fn is_own(owner: &str) -> bool {
    let name = owner.strip_suffix(".service").unwrap_or(owner);
    OWN.contains(&name) || OWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

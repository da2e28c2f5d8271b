//! TCP ports that the cluster needs and somebody else holds.

use super::Case;
use crate::Finding;

/// Names of units and programs that are the cluster's own.
const OWN: &[&str] = &["containerd", "etcd", "flanneld", "kubelet"];

/// How names of the cluster's own units, programs and pods begin.
const OWN_PREFIXES: &[&str] = &["cri-containerd-", "fmp-", "kube-", "kubepods"];

pub(super) fn ports(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (port, listener) in &case.facts.listeners {
        let rules = case.profile.host.ports.iter().filter(|rule| rule.role.is_none_or(|role| role == case.node.role));
        let Some(rule) = rules.into_iter().find(|rule| rule.ports.0.contains(port)) else { continue };
        if !is_own(&listener.owner) {
            let message = format!("{} listens on port {port}, which is for {}", listener.owner, rule.purpose);
            let fix = format!("stop {} and disable it, or give it another port", listener.owner);
            findings.extend(case.error(message, fix));
        }
    }
    findings
}

fn is_own(owner: &str) -> bool {
    let name = owner.strip_suffix(".service").unwrap_or(owner);
    OWN.contains(&name) || OWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

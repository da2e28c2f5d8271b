//! What the network can't do that somebody counts on.

use super::{CLUSTER, finding};
use crate::{
    Finding, Severity,
    observed::{Fact, Observed},
    spec::Spec,
};

/// How many policies are named: enough to find out who counts on them.
const NAMED: usize = 3;

/// Policies that are applied and that nobody enforces: what they forbid is let through.
pub(super) fn policies(spec: &Spec, observed: &Observed) -> Vec<Finding> {
    let Fact::Known(api) = &observed.api else { return Vec::new() };
    let Fact::Known(policies) = &api.network_policies else { return Vec::new() };
    if policies.is_empty() || spec.network.mode.may_enforce_policies() {
        return Vec::new();
    }
    let named: Vec<&str> = policies.iter().take(NAMED).map(String::as_str).collect();
    let others = if policies.len() > NAMED { " and others" } else { "" };
    let mode = spec.network.mode.as_str();
    let message = format!(
        "NetworkPolicy {}{others}: the network mode `{mode}` enforces none, what they forbid is let through",
        named.join(", ")
    );
    let fix = "`mode = \"external\"` under [network] with a plugin that enforces them, or delete them";
    vec![finding(CLUSTER, "network-policy", Severity::Warning, message, fix.to_owned())]
}

//! Whether a check holds.

use fmp_core::{NodeName, resource::Check};
use fmp_exec::{Effect, Failure, FailureKind, Retry, Watched};

use super::World;

impl World {
    /// Whether `check` holds. Nothing comes true by waiting here: what does not hold now has failed.
    ///
    /// # Errors
    /// With the last state seen.
    pub fn watch(&self, check: &Check) -> Result<Watched, Failure> {
        let host = |node: &NodeName| self.hosts.get(node);
        let (holds, what) = match check {
            Check::UnitActive { node, unit } | Check::Listening { node, unit, .. } => {
                (host(node).is_some_and(|host| host.answers(unit)), format!("{unit} on {node}"))
            }
            Check::EtcdHealthy { node } => {
                (self.member_is_healthy(node.as_str()), format!("a healthy voter on {node}"))
            }
            Check::ApiReady { node } => (self.api_is_ready(node.as_str()), format!("the API on {node}")),
            Check::NodeReady { node } => (self.node_is_ready(node.as_str()), format!("a ready Node {node}")),
            Check::MachineUp { node } => (self.way_to(node).is_ok(), format!("{node}")),
        };
        if let Some(node) = check_on(check) {
            self.way_to(node)?;
        }
        if holds {
            return Ok(Watched::Holds);
        }
        // Others may be on their way: the first of three members has no quorum before the second has started.
        let kind = FailureKind::Deadline { what, seconds: 0, last: "not so".to_owned() };
        Err(Failure { effect: Effect::None, retry: Retry::Later, kind, source: None })
    }

    fn node_is_ready(&self, node: &str) -> bool {
        self.nodes.contains_key(node) && self.why_not_ready(node, self.api().as_ref()).is_none()
    }
}

/// The host that waits; of what is seen through the cluster any main does.
const fn check_on(check: &Check) -> Option<&NodeName> {
    match check {
        Check::UnitActive { node, .. } | Check::Listening { node, .. } | Check::EtcdHealthy { node } => Some(node),
        Check::ApiReady { .. } | Check::NodeReady { .. } | Check::MachineUp { .. } => None,
    }
}

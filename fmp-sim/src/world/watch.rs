//! Whether a check holds.

use fmp_core::resource::Check;
use fmp_exec::{Effect, Failure, FailureKind, Retry, Watched};

use super::World;

impl World {
    /// Whether `check` holds. Nothing comes true by waiting here: what does not hold now has failed.
    ///
    /// # Errors
    /// With the last state seen.
    pub fn watch(&self, check: &Check) -> Result<Watched, Failure> {
        let host = |node: &fmp_core::NodeName| self.hosts.get(node);
        let (holds, what) = match check {
            Check::UnitActive { node, unit } | Check::Listening { node, unit, .. } => {
                (host(node).is_some_and(|host| host.runs(unit)), format!("{unit} on {node}"))
            }
            Check::EtcdHealthy { node } => {
                (self.member_is_healthy(node.as_str()), format!("a healthy voter on {node}"))
            }
            Check::ApiReady { node } => (self.api_is_ready(node.as_str()), format!("the API on {node}")),
            Check::NodeReady { node } => (self.node_is_ready(node.as_str()), format!("a ready Node {node}")),
            Check::MachineUp { node } => (host(node).is_some_and(|host| host.power.is_on()), format!("{node}")),
        };
        if holds {
            return Ok(Watched::Holds);
        }
        // Others may be on their way: the first of three members has no quorum before the second has started.
        let kind = FailureKind::Deadline { what, seconds: 0, last: "not so".to_owned() };
        Err(Failure { effect: Effect::None, retry: Retry::Later, kind, source: None })
    }

    fn node_is_ready(&self, node: &str) -> bool {
        self.any_api_is_ready() && self.nodes.contains_key(node) && self.why_not_ready(node).is_none()
    }
}

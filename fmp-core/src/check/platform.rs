//! What the platform's archive lacks for its databases to outlive the loss of a node.

use super::{CLUSTER, finding};
use crate::{Finding, Severity, platform::Platform, spec::Spec};

/// A finding a weakness: the archive is the vendor's, so nothing waits for it.
pub(super) fn databases(spec: &Spec) -> Vec<Finding> {
    let weaknesses = spec.platform.iter().flat_map(Platform::weaknesses);
    weaknesses.map(|(message, fix)| finding(CLUSTER, "platform", Severity::Warning, message, fix)).collect()
}

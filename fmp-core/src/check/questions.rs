//! What must be asked of a host so that it can be checked.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{entrance, ports, programs};
use crate::{
    profile::{Ports, Profile},
    spec::{Role, Spec},
};

/// What the probe asks a host, besides what it tells of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Questions {
    /// Programs to look for in root's PATH and in `/usr/sbin` and `/sbin`.
    pub programs: BTreeSet<String>,
    /// Kernel modules: one counts as there when it is loaded, built in, or found by `modprobe --dry-run --quiet`.
    pub modules: BTreeSet<String>,
    /// Sysctls whose values to read.
    pub sysctls: BTreeSet<String>,
    /// TCP ports: whoever listens on one of them is told.
    pub ports: Vec<Ports>,
}

/// What to ask hosts of `role` for this profile, and for what the cluster has besides.
pub fn questions(spec: &Spec, profile: &Profile, role: Role) -> Questions {
    let own = ports::of_images(role).map(|port| Ports(port..=port));
    let mut questions = Questions {
        programs: programs::wanted(&profile.host, role).map(str::to_owned).collect(),
        modules: profile.host.modules.clone(),
        sysctls: profile.host.sysctls.keys().cloned().collect(),
        ports: ports::rules(&profile.host, role).map(|rule| rule.ports.clone()).chain(own).collect(),
    };
    if let Some(shared) = entrance::shared(spec, role) {
        questions.programs.extend(entrance::PROGRAMS.map(str::to_owned));
        questions.ports.extend(shared.port.map(|port| Ports(port..=port)));
    }
    questions.ports.extend(entrance::ingress(spec, role).iter().map(|port| Ports(*port..=*port)));
    questions
}

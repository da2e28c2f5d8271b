//! What machines need that share an address.

use super::{Case, ports};
use crate::{
    Finding,
    spec::{Role, SharedAddress, Spec},
};

/// What moves the address, and what runs the script by which it decides (POSIX shells speak no TCP). The package is called
/// as the program.
pub(super) const PROGRAMS: [&str; 2] = ["bash", "keepalived"];

/// The address that machines of `role` share.
pub(super) fn shared(spec: &Spec, role: Role) -> Option<SharedAddress> {
    match role {
        Role::Main => spec.api_entrance.shared(),
        Role::Work => None,
    }
}

pub(super) fn entrance(case: &Case<'_>) -> Vec<Finding> {
    let Some(shared) = case.shared else { return Vec::new() };
    let mut findings = Vec::new();
    for program in PROGRAMS.into_iter().filter(|program| !case.facts.programs.contains_key(*program)) {
        let message = format!("`{program}` is not installed, `kind = \"keepalived\"` under [entrance.api] asks for it");
        findings.extend(case.error(message, format!("install the package `{program}`")));
    }
    findings.extend(ports::taken(case, shared.port, "the API's entrance"));
    findings
}

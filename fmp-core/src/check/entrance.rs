//! What machines need that share an address.

use super::{Case, ports};
use crate::{
    Finding,
    spec::{INGRESS_PORTS, Ingress, Role, Spec},
};

/// What moves the address, and what runs the script by which it decides (POSIX shells speak no TCP). The package is called
/// as the program.
pub(super) const PROGRAMS: [&str; 2] = ["bash", "keepalived"];

/// What machines share that share an address.
#[derive(Clone, Copy)]
pub(super) struct Shared {
    /// The section that asks for it.
    section: &'static str,
    /// The port that nothing else of theirs may have.
    pub(super) port: Option<u16>,
}

/// What machines of `role` share.
pub(super) fn shared(spec: &Spec, role: Role) -> Option<Shared> {
    match role {
        Role::Main => {
            spec.api_entrance.shared().map(|shared| Shared { section: "entrance.api", port: Some(shared.port) })
        }
        // At its ports an ingress answers.
        Role::Work => spec.apps_entrance.shared().map(|_| Shared { section: "entrance.apps", port: None }),
    }
}

/// The ports of the ingress, where one runs on the nodes of `role`.
pub(super) fn ingress(spec: &Spec, role: Role) -> &'static [u16] {
    match spec.components.ingress {
        Ingress::Traefik if role == spec.component_role() => &INGRESS_PORTS,
        Ingress::Traefik | Ingress::None => &[],
    }
}

pub(super) fn entrance(case: &Case<'_>) -> Vec<Finding> {
    let Some(Shared { section, port }) = case.shared else { return Vec::new() };
    let mut findings = Vec::new();
    for program in PROGRAMS.into_iter().filter(|program| !case.facts.programs.contains_key(*program)) {
        let message = format!("`{program}` is not installed, `kind = \"keepalived\"` under [{section}] asks for it");
        findings.extend(case.error(message, format!("install the package `{program}`")));
    }
    findings.extend(port.into_iter().flat_map(|port| ports::taken(case, port, "the API's entrance")));
    findings
}

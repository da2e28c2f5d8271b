//! What machines need that share an address.

use super::{Case, ports};
use crate::{
    Finding,
    net::{AddressRange, Cidr},
    spec::{INGRESS_PORTS, Ingress, Role, Spec},
};

/// What moves the address, and what runs the script by which it decides (POSIX shells speak no TCP).
pub(super) const PROGRAMS: [&str; 2] = ["bash", "keepalived"];

/// What machines share that share an address.
pub(super) struct Shared {
    /// The addresses that move.
    addresses: Vec<AddressRange>,
    /// The section that asks for it.
    section: &'static str,
    /// The port that nothing else of theirs may have.
    pub(super) port: Option<u16>,
}

/// What machines of `role` share.
pub(super) fn shared(spec: &Spec, role: Role) -> Option<Shared> {
    match role {
        Role::Main => {
            let shared = spec.api_entrance.shared()?;
            let addresses = vec![AddressRange::from(shared.address)];
            Some(Shared { addresses, section: "entrance.api", port: Some(shared.port) })
        }
        // At its ports an ingress answers.
        Role::Work => {
            let shared = spec.apps_entrance.shared()?;
            let addresses = [AddressRange::from(shared.address)].into_iter().chain(shared.services.iter().copied());
            Some(Shared { addresses: addresses.collect(), section: "entrance.apps", port: None })
        }
        Role::Images => None,
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
    let Some(Shared { addresses, section, port }) = case.shared else { return Vec::new() };
    let mut findings = Vec::new();
    for program in case.missing(PROGRAMS.into_iter()) {
        let message = format!("`{program}` is not installed, `kind = \"keepalived\"` under [{section}] asks for it");
        findings.extend(case.error(message, case.way_to(program)));
    }
    findings.extend(port.iter().flat_map(|port| ports::taken(case, *port, "the API's entrance")));
    findings.extend(addresses.iter().filter_map(|range| elsewhere(case, section, *range)).flatten());
    findings
}

/// Addresses that are not on the link of a machine that shares them: nobody there asks that link for them. What has no prefix
/// says nothing of its link.
fn elsewhere(case: &Case<'_>, section: &str, range: AddressRange) -> Option<Vec<Finding>> {
    let link = Cidr::containing(case.node.address, *case.facts.prefixes.get(&case.node.address)?);
    if link.contains(range.first()) && link.contains(range.last()) {
        return None;
    }
    let message =
        format!("{range} under [{section}] is not on this machine's link {link}: whoever is there won't find it");
    Some(case.warning(message, "name free addresses of that link, or have routers lead there"))
}

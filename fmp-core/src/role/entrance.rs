//! Entrances: an address that the nodes of a role share, held by one that has an answer for its clients.
//!
//! keepalived is the system's; what is written is understood by 2.0.10 (Astra Linux SE 1.7) and later. Behind the mains'
//! address each main's own balancer listens, so whoever holds it may have an apiserver that is down. Behind the work nodes'
//! stands what answers on its holder itself: an ingress, whose pods have the node's ports and see who asks.

use std::{collections::BTreeSet, fmt::Write as _, net::Ipv4Addr};

use super::{
    common::Common,
    node::{BALANCER_UNIT, READY_PORT},
    paths::{self, key},
    recipe::{Recipe, ThisNode},
    service::{self, Ready, Service, ServiceKind, reload},
};
use crate::{
    NodeName,
    net::AddressRange,
    resource::Input,
    spec::{AppsAddress, Role, SharedAddress, Spec},
};

/// Full name of the unit.
pub(super) const UNIT: &str = "fmp-entrance.service";

const PROGRAM: &str = "/usr/sbin/keepalived";
const CONFIG: &str = "/etc/fmp/keepalived.conf";
/// What keepalived reads: the configuration with the name of the link in it.
const RENDERED: &str = "/run/fmp/keepalived.conf";
const LINK_SCRIPT: &str = "/opt/fmp/lib/entrance-link.sh";
const READY_SCRIPT: &str = "/opt/fmp/lib/entrance-ready.sh";

/// Seconds between two signs of life. A holder that fell silent for three and a bit is replaced: about one second, while a
/// machine that is busy for half a second keeps its address.
const ADVERT_S: &str = "0.3";

/// The first main's priority, and the last one's. An address that moved stays where it is (`nopreempt`); priorities tell
/// only who waits how much longer before it takes over. Of two that took over at once the one would have to let go again,
/// and clients might go on asking the wrong one until they are told once more.
const PRIORITIES: (usize, usize) = (250, 50);

/// An entrance as those know it who share it.
#[derive(Clone, Copy)]
struct Shared<'a> {
    role: Role,
    address: Ipv4Addr,
    router_id: u8,
    /// What a work node answers at itself.
    ports: &'a BTreeSet<u16>,
    /// What else whoever holds the address has: what Services are reached at.
    services: &'a [AddressRange],
}

const NO_PORTS: &BTreeSet<u16> = &BTreeSet::new();

impl<'a> Shared<'a> {
    fn of(spec: &'a Spec, role: Role) -> Option<Self> {
        match role {
            Role::Main => {
                let SharedAddress { address, router_id, port: _ } = spec.api_entrance.shared()?;
                Some(Self { role, address, router_id, ports: NO_PORTS, services: &[] })
            }
            Role::Work => {
                let AppsAddress { address, ports, router_id, services } = spec.apps_entrance.shared()?;
                Some(Self { role, address: *address, router_id: *router_id, ports, services })
            }
            Role::Images => None,
        }
    }

    /// What it is an entrance to, as keepalived calls it.
    const fn name(self) -> &'static str {
        match self.role {
            Role::Main => "api",
            Role::Work | Role::Images => "apps",
        }
    }

    const fn about(self) -> &'static str {
        match self.role {
            Role::Main => "The address that all main nodes share",
            Role::Work | Role::Images => "The address that all work nodes share",
        }
    }

    /// The configuration's first words.
    const fn title(self) -> (&'static str, &'static str) {
        match self.role {
            Role::Main => ("The API's entrance", "main"),
            Role::Work | Role::Images => ("The applications' entrance", "work node"),
        }
    }

    /// The one that answers on a main is the balancer behind the address: where it reaches no ready apiserver, this main lets
    /// go. A work node lets go where nothing of its own answers.
    const fn script(self) -> &'static str {
        match self.role {
            Role::Main => include_str!("data/entrance-ready.sh"),
            Role::Work | Role::Images => include_str!("data/entrance-answers.sh"),
        }
    }

    fn script_arguments(self, own: Ipv4Addr) -> String {
        match self.role {
            Role::Main => READY_PORT.to_string(),
            Role::Work | Role::Images => self.ports.iter().fold(own.to_string(), |text, port| format!("{text} {port}")),
        }
    }
}

/// Adds what a node of `role` needs to take part in holding the shared address.
pub(super) fn add<'a>(recipe: &mut Recipe<'a>, common: &'a Common<'_>, role: Role) {
    let Some(shared) = Shared::of(common.spec, role) else { return };
    recipe.file_of_each(CONFIG, move |node| config(common, shared, node));
    recipe.file(LINK_SCRIPT, include_str!("data/entrance-link.sh"));
    recipe.file_with_mode(READY_SCRIPT, 0o755, shared.script());
    let unit = service(shared).add_rendering(recipe, &[link_script("start")]);
    recipe.needs(&unit, &key::file(READY_SCRIPT));
    recipe.needs(&unit, &key::unit(BALANCER_UNIT));
}

fn service<'c>(shared: Shared<'_>) -> Service<'c> {
    let inputs: Vec<Input> = [paths::NODE_ENV, LINK_SCRIPT, CONFIG].map(reload).into();
    let renote = service::stamp(UNIT, &inputs);
    Service {
        name: UNIT,
        about: shared.about(),
        documentation: "man:keepalived(8)",
        after: "fmp-balancer.service",
        mounts: "",
        conditions: Vec::new(),
        kind: ServiceKind::Simple,
        options: vec![
            format!("EnvironmentFile={}", paths::NODE_ENV),
            // One that was killed leaves the address behind, and others hold it by now.
            format!("ExecStopPost=-{}", link_script("stop")),
            // Noted first, as at a start.
            format!("ExecReload=-{renote}"),
            format!("ExecReload={}", link_script("reload")),
            "ExecReload=/bin/kill -HUP $MAINPID".to_owned(),
        ],
        command: vec![
            PROGRAM.to_owned(),
            "--dont-fork".to_owned(),
            "--log-console".to_owned(),
            "--vrrp".to_owned(),
            format!("--use-file={RENDERED}"),
            "--pid=/run/fmp/keepalived.pid".to_owned(),
            "--vrrp_pid=/run/fmp/keepalived-vrrp.pid".to_owned(),
        ],
        inputs,
        ready: Ready::UnitActive,
    }
}

fn link_script(what: &str) -> String {
    format!("/bin/sh {LINK_SCRIPT} {what}")
}

fn config(common: &Common<'_>, shared: Shared<'_>, node: &ThisNode<'_>) -> String {
    let Shared { address, router_id, .. } = shared;
    let ((title, who), own) = (shared.title(), node.node.address);
    let priority = priority(common, shared, node.name);
    let mut text = format!(
        "\
# {title}, {address}: which {who} holds it. `@LINK@` is the link that has the node's own address.
global_defs {{
    router_id {name}
    vrrp_version 3
    vrrp_check_unicast_src
    vrrp_garp_master_delay 1
    vrrp_garp_master_refresh 2
    enable_script_security
    script_user nobody
}}

vrrp_script ready {{
    script \"{READY_SCRIPT} {arguments}\"
    interval 1
    timeout 2
    fall 1
    rise 2
}}

vrrp_instance {instance} {{
    state BACKUP
    nopreempt
    interface @LINK@
    virtual_router_id {router_id}
    priority {priority}
    advert_int {ADVERT_S}
    unicast_src_ip {own}
",
        name = node.name,
        arguments = shared.script_arguments(own),
        instance = shared.name(),
    );
    peers(&mut text, common, shared, node.name);
    writeln!(text, "    virtual_ipaddress {{\n        {address}/32 dev @LINK@\n    }}").expect(WRITTEN);
    further_addresses(&mut text, shared.services);
    text.push_str("    track_script {\n        ready\n    }\n}\n");
    text
}

/// They come and go with the first one, and are in no sign of life: machines that know different ones, as while a change of
/// them goes from node to node, agree on who is master all the same.
fn further_addresses(text: &mut String, ranges: &[AddressRange]) {
    if ranges.is_empty() {
        return;
    }
    text.push_str("    virtual_ipaddress_excluded {\n");
    for address in ranges.iter().flat_map(|range| range.addresses()) {
        writeln!(text, "        {address}/32 dev @LINK@").expect(WRITTEN);
    }
    text.push_str("    }\n");
}

const WRITTEN: &str = "writing to a String can't fail";

/// Spread as far as it goes: the wait differs by a part of [`ADVERT_S`].
fn priority(common: &Common<'_>, shared: Shared<'_>, own: &NodeName) -> usize {
    let (first, last) = PRIORITIES;
    let before = common.spec.of_role(shared.role).take_while(|(name, _)| *name != own).count();
    let others = common.spec.of_role(shared.role).count().saturating_sub(1).max(1);
    first - before * (first - last) / others
}

/// Signs of life go from machine to machine: a network may carry no multicast, and nobody else's number matters.
fn peers(text: &mut String, common: &Common<'_>, shared: Shared<'_>, own: &NodeName) {
    let others: Vec<_> = common.spec.of_role(shared.role).filter(|(name, _)| *name != own).collect();
    if others.is_empty() {
        return;
    }
    text.push_str("    unicast_peer {\n");
    for (_, other) in others {
        writeln!(text, "        {}", other.address).expect(WRITTEN);
    }
    text.push_str("    }\n");
}

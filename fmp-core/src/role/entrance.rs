//! The API's entrance: an address that the mains share, held by one that reaches a ready apiserver.
//!
//! keepalived is the system's; what is written is understood by 2.0.10 (Astra Linux SE 1.7) and later. Behind the address
//! each main's own balancer listens, so whoever holds it may have an apiserver that is down.

use std::fmt::Write as _;

use super::{
    common::Common,
    node::{BALANCER_UNIT, READY_PORT},
    paths::{self, key},
    recipe::{Recipe, ThisNode},
    service::{self, Ready, Service, ServiceKind, reload},
};
use crate::{NodeName, resource::Input, spec::SharedAddress};

/// Full name of the unit.
const UNIT: &str = "fmp-entrance.service";

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

/// Adds what a main needs to take part in holding the shared address.
pub(super) fn add<'a>(recipe: &mut Recipe<'a>, common: &'a Common<'_>) {
    let Some(shared) = common.spec.api_entrance.shared() else { return };
    recipe.file_of_each(CONFIG, move |node| config(common, shared, node));
    recipe.file(LINK_SCRIPT, include_str!("data/entrance-link.sh"));
    // The one that answers is the balancer behind the address: where it reaches no ready apiserver, this main lets go.
    recipe.file_with_mode(READY_SCRIPT, 0o755, include_str!("data/entrance-ready.sh"));
    let unit = service(shared).add(recipe);
    recipe.needs(&unit, &key::file(READY_SCRIPT));
    recipe.needs(&unit, &key::unit(BALANCER_UNIT));
}

fn service<'c>(shared: SharedAddress) -> Service<'c> {
    let inputs: Vec<Input> = [paths::NODE_ENV, LINK_SCRIPT, CONFIG].map(reload).into();
    let renote = service::stamp(UNIT, &inputs);
    let link = |what: &str| format!("/bin/sh {LINK_SCRIPT} {what} {}", shared.address);
    Service {
        name: UNIT,
        about: "The address that all main nodes share",
        documentation: "man:keepalived(8)",
        after: "fmp-balancer.service",
        mounts: "",
        conditions: Vec::new(),
        kind: ServiceKind::Simple,
        options: vec![
            format!("EnvironmentFile={}", paths::NODE_ENV),
            // One that was killed leaves the address behind, and others hold it by now.
            format!("ExecStartPre={}", link("start")),
            format!("ExecStopPost=-{}", link("stop")),
            format!("ExecReload={}", link("reload")),
            "ExecReload=/bin/kill -HUP $MAINPID".to_owned(),
            format!("ExecReload=-{renote}"),
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

fn config(common: &Common<'_>, shared: SharedAddress, node: &ThisNode<'_>) -> String {
    let SharedAddress { address, router_id, port: _ } = shared;
    let priority = priority(common, node.name);
    let mut text = format!(
        "\
# The API's entrance, {address}: which main holds it. `@LINK@` is the link that has the node's own address.
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
    script \"{READY_SCRIPT} {READY_PORT}\"
    interval 1
    timeout 2
    fall 1
    rise 2
}}

vrrp_instance api {{
    state BACKUP
    nopreempt
    interface @LINK@
    virtual_router_id {router_id}
    priority {priority}
    advert_int {ADVERT_S}
    unicast_src_ip {own}
",
        name = node.name,
        own = node.node.address,
    );
    peers(&mut text, common, node.name);
    write!(
        text,
        "    virtual_ipaddress {{\n        {address}/32 dev @LINK@\n    }}\n    \
             track_script {{\n        ready\n    }}\n}}\n"
    )
    .expect("writing to a String can't fail");
    text
}

/// Spread as far as it goes: the wait differs by a part of [`ADVERT_S`].
fn priority(common: &Common<'_>, own: &NodeName) -> usize {
    let (first, last) = PRIORITIES;
    let before = common.spec.mains().take_while(|(name, _)| *name != own).count();
    let others = common.spec.mains().count().saturating_sub(1).max(1);
    first - before * (first - last) / others
}

/// Signs of life go from machine to machine: a network may carry no multicast, and nobody else's number matters.
fn peers(text: &mut String, common: &Common<'_>, own: &NodeName) {
    let others: Vec<_> = common.spec.mains().filter(|(name, _)| *name != own).collect();
    if others.is_empty() {
        return;
    }
    text.push_str("    unicast_peer {\n");
    for (_, main) in others {
        writeln!(text, "        {}", main.address).expect("writing to a String can't fail");
    }
    text.push_str("    }\n");
}

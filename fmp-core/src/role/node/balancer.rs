//! The way to the API: on every node a balancer on loopback over all apiservers, so that no file names one main.
//!
//! HAProxy is the system's; what is written is understood by 1.8 (Rocky Linux 8.6) and later.

use std::fmt::Write as _;

use super::super::{
    common::Common,
    recipe::Recipe,
    service::{self, Ready, Service, ServiceKind, reload},
};
use crate::resource::{Authority, Input};

/// Full name of the unit.
pub(super) const UNIT: &str = "fmp-balancer.service";

const PROGRAM: &str = "/usr/sbin/haproxy";
const CONFIG: &str = "/etc/fmp/haproxy.cfg";

/// Connections of one node: a few for each of its own programs.
const CONNECTIONS: u32 = 4096;

/// Adds the balancer to a recipe.
pub(super) fn add(recipe: &mut Recipe<'_>, common: &Common<'_>) {
    recipe.file(CONFIG, config(common));
    let inputs: Vec<Input> = [CONFIG, Authority::Cluster.certificate()].map(reload).into();
    let renote = service::stamp(UNIT, &inputs);
    Service {
        name: UNIT,
        about: "The node's way to all API servers",
        documentation: "man:haproxy(1)",
        after: "fmp-host.service",
        mounts: "",
        conditions: Vec::new(),
        kind: ServiceKind::Notify,
        options: vec![
            format!("ExecReload={PROGRAM} -c -q -f {CONFIG}"),
            "ExecReload=/bin/kill -USR2 $MAINPID".to_owned(),
            format!("ExecReload=-{renote}"),
            // The master passes the signal on to its workers, which end their sessions.
            "KillMode=mixed".to_owned(),
            "SuccessExitStatus=143".to_owned(),
        ],
        command: vec![PROGRAM.to_owned(), "-Ws".to_owned(), format!("-f {CONFIG}")],
        inputs,
        ready: Ready::Listening(7443),
    }
    .add(recipe);
}

fn config(common: &Common<'_>) -> String {
    let trust = Authority::Cluster.certificate();
    // Inactivity ends no session within a day: a watch may be silent, and HTTP/2 finds dead ends by itself. A session
    // to an apiserver that went down is closed at once, so that its client goes elsewhere.
    let mut text = format!(
        "\
# The node's way to all API servers: clients connect to 127.0.0.1:7443 and speak TLS with the server itself.
global
    log /dev/log local0 notice
    maxconn {CONNECTIONS}
    uid 65534
    gid 65534

defaults
    mode tcp
    log global
    option redispatch
    option clitcpka
    option srvtcpka
    retries 3
    timeout connect 4s
    timeout check 3s
    timeout client 24h
    timeout server 24h
    timeout client-fin 30s
    timeout server-fin 30s

frontend api
    bind 127.0.0.1:7443
    default_backend mains

backend mains
    balance leastconn
    option httpchk GET /readyz
    http-check expect status 200
    default-server inter 2s downinter 2s fall 2 rise 2 on-marked-down shutdown-sessions
"
    );
    for (name, main) in common.spec.mains() {
        let address = main.address;
        writeln!(
            text,
            "    server {name} {address}:6443 check check-ssl verify required ca-file {trust} verifyhost kubernetes"
        )
        .expect("writing to a String can't fail");
    }
    text
}

//! The way to the API: on every node a balancer on loopback over all apiservers, so that no file names one main.
//!
//! HAProxy is the system's; what is written is understood by 1.8 (Rocky Linux 8.6) and later.

use std::fmt::Write as _;

use super::super::{
    common::Common,
    recipe::Recipe,
    service::{self, Ready, Service, ServiceKind, reload},
};
use crate::{
    resource::{Authority, Input},
    spec::{Role, SharedAddress},
};

/// Full name of the unit.
pub(in super::super) const UNIT: &str = "fmp-balancer.service";

const PROGRAM: &str = "/usr/sbin/haproxy";
const CONFIG: &str = "/etc/fmp/haproxy.cfg";

/// Connections of one node: a few for each of its own programs.
const CONNECTIONS: u32 = 4096;

/// Where the balancer of a main says on loopback whether it reaches a ready apiserver.
pub(in super::super) const READY_PORT: u16 = 7444;

/// Adds the balancer to the recipe of `role`.
pub(super) fn add(recipe: &mut Recipe<'_>, common: &Common<'_>, role: Role) {
    let entrance = match role {
        Role::Main => common.spec.api_entrance.shared(),
        Role::Work | Role::Images => None,
    };
    recipe.file(CONFIG, config(common, entrance));
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

fn config(common: &Common<'_>, entrance: Option<SharedAddress>) -> String {
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
    servers(&mut text, common);
    if let Some(shared) = entrance {
        behind_the_entrance(&mut text, shared);
        servers(&mut text, common);
    }
    text
}

/// What clients from outside reach at the address that the mains share. Whoever holds it shall find out within four seconds
/// that no apiserver is ready, and a connection shall not wait for a main that is gone.
fn behind_the_entrance(text: &mut String, shared: SharedAddress) {
    let port = shared.port;
    write!(
        text,
        "
frontend entrance
    bind :{port}
    default_backend entrance

# Whether anything is behind the entrance: keepalived asks.
frontend entrance-ready
    mode http
    bind 127.0.0.1:{READY_PORT}
    timeout client 5s
    monitor-uri /readyz
    monitor fail if {{ nbsrv(entrance) lt 1 }}

backend entrance
    balance leastconn
    option redispatch 1
    timeout connect 500ms
    timeout check 1500ms
    option httpchk GET /readyz
    http-check expect status 200
    default-server inter 600ms fastinter 300ms downinter 1s fall 2 rise 2 on-marked-down shutdown-sessions
"
    )
    .expect("writing to a String can't fail");
}

fn servers(text: &mut String, common: &Common<'_>) {
    let trust = Authority::Cluster.certificate();
    for (name, main) in common.spec.mains() {
        let address = main.address;
        writeln!(
            text,
            "    server {name} {address}:6443 check check-ssl verify required ca-file {trust} verifyhost kubernetes"
        )
        .expect("writing to a String can't fail");
    }
}

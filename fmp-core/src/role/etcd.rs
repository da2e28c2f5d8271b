//! etcd: one member on each main, the only one its main's apiserver talks to.
//!
//! Never born twice: the unit starts on a data directory that holds a member, or while the step that gives birth to
//! one permits it. Initial members are no input of a running unit; at rest its state is `existing`.

use super::{
    common::{CIPHERS, Common},
    paths::{self, key},
    pki::{self, Pair, Subject},
    recipe::Recipe,
    service::{Ready, Service, ServiceKind, reread, restart},
    tools,
};
use crate::resource::{Authority, EtcdMember, Input, Resource};

/// Full name of the unit.
pub(super) use crate::role::paths::unit::ETCD as UNIT;

/// The certificate that etcdctl and whoever changes membership shows.
pub(super) fn client() -> Pair {
    Pair::kubernetes("etcd/healthcheck-client")
}

/// Adds etcd to the recipe of main nodes.
pub(super) fn add<'a>(recipe: &mut Recipe<'a>, common: &'a Common<'_>) {
    let (server, peer) = (Pair::kubernetes("etcd/server"), Pair::kubernetes("etcd/peer"));
    for pair in [&server, &peer] {
        recipe.certificate(pair, Authority::Etcd, |node| Subject::both(node.name.as_str(), pki::local_names(node)));
    }
    recipe.certificate(&client(), Authority::Etcd, |_| Subject::client("kube-etcd-healthcheck-client"));

    let inputs = inputs(common, &server, &peer);
    let member = recipe.each(key::ETCD_MEMBER, |node| {
        Resource::EtcdMember(EtcdMember { peer_url: format!("https://{}:2380", node.node.address) })
    });
    for input in &inputs {
        recipe.needs_path(&member, &input.path);
    }
    let unit = service(common, &server, &peer, inputs).add(recipe);
    recipe.needs(&unit, &member);
    // A birth starts the unit, and is watched and ended with etcdctl.
    recipe.needs_path(&member, &paths::unit_file(UNIT));
    recipe.needs(&member, &key::file(paths::STAMP));
    recipe.needs(&member, &key::artifact("etcdctl"));
    recipe.needs(&member, &key::file(tools::ETCDCTL));
    recipe.needs_path(&member, &client().certificate);
}

fn inputs(common: &Common<'_>, server: &Pair, peer: &Pair) -> Vec<Input> {
    vec![
        restart(common.programs.path("etcd")),
        restart(paths::NODE_ENV),
        // Trust is read when a listener is opened; certificates and keys at each handshake.
        restart(Authority::Etcd.certificate()),
        reread(server.certificate.clone()),
        reread(server.key.clone()),
        reread(peer.certificate.clone()),
        reread(peer.key.clone()),
    ]
}

fn service<'c>(common: &'c Common<'_>, server: &Pair, peer: &Pair, inputs: Vec<Input>) -> Service<'c> {
    let data = &common.settings.directories.etcd;
    let mut options = vec![
        format!("EnvironmentFile={}", paths::NODE_ENV),
        "Environment=ETCD_INITIAL_CLUSTER_STATE=existing".to_owned(),
        // What this file says wins over the line above.
        format!("EnvironmentFile=-{}", paths::ETCD_PERMIT),
        format!("ExecStartPost=-/bin/touch {}", paths::ETCD_BORN),
        // A permission that outlived its use would let a wiped member be born again.
        format!("ExecStartPost=-/bin/rm -f {}", paths::ETCD_PERMIT),
        "LimitNOFILE=65536".to_owned(),
    ];
    options.extend(common.out_of_memory(-999));
    Service {
        name: UNIT,
        about: "etcd, the cluster's memory",
        documentation: "https://etcd.io/docs/v3.5/op-guide/configuration/",
        after: "fmp-host.service",
        mounts: data,
        conditions: vec![
            format!("ConditionPathExists=|{data}/member"),
            format!("ConditionPathExists=|{}", paths::ETCD_PERMIT),
        ],
        kind: ServiceKind::Notify,
        options,
        command: command(common, server, peer),
        inputs,
        ready: Ready::EtcdHealthy,
    }
}

fn command(common: &Common<'_>, server: &Pair, peer: &Pair) -> Vec<String> {
    let trust = Authority::Etcd.certificate();
    let settings = common.settings;
    vec![
        common.programs.path("etcd").to_owned(),
        "--name=${NODE_NAME}".to_owned(),
        format!("--data-dir={}", settings.directories.etcd),
        "--listen-client-urls=https://${NODE_IP}:2379,https://127.0.0.1:2379".to_owned(),
        "--advertise-client-urls=https://${NODE_IP}:2379".to_owned(),
        "--listen-peer-urls=https://${NODE_IP}:2380".to_owned(),
        "--initial-advertise-peer-urls=https://${NODE_IP}:2380".to_owned(),
        format!("--listen-metrics-urls=http://{}", paths::ETCD_METRICS),
        format!("--cert-file={}", server.certificate),
        format!("--key-file={}", server.key),
        format!("--trusted-ca-file={trust}"),
        "--client-cert-auth=true".to_owned(),
        format!("--peer-cert-file={}", peer.certificate),
        format!("--peer-key-file={}", peer.key),
        format!("--peer-trusted-ca-file={trust}"),
        "--peer-client-cert-auth=true".to_owned(),
        format!("--cipher-suites={}", CIPHERS.join(",")),
        format!("--quota-backend-bytes={}", settings.etcd_quota_bytes),
        // The apiserver compacts every five minutes; this is for the day it can't.
        "--auto-compaction-mode=periodic".to_owned(),
        "--auto-compaction-retention=8h".to_owned(),
        // kubeadm's figure: a member that was away for a while catches up from the log, not from a snapshot.
        "--snapshot-count=10000".to_owned(),
        "--experimental-initial-corrupt-check=true".to_owned(),
        // kubeadm's figure: the apiserver's watch cache learns that it is fresh.
        "--experimental-watch-progress-notify-interval=5s".to_owned(),
    ]
}

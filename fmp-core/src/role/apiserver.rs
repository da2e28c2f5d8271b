//! The apiserver: one on each main, over its own main's member of etcd.

use super::{
    common::{CIPHERS, Common, HTTP2_HEALTH},
    etcd,
    paths::{self, key},
    pki::{self, Pair, Subject},
    recipe::Recipe,
    service::{Ready, Service, ServiceKind, reread, restart},
    tools,
};
use crate::resource::{Authority, Input};

/// Full name of the unit.
pub(super) const UNIT: &str = "kube-apiserver.service";

/// The identity under which apiservers ask kubelets; bound to `system:kubelet-api-admin`.
pub(super) const KUBELET_CLIENT: &str = "kube-apiserver-kubelet-client";

/// How long it answers after it was told to stop, while balancers learn that it will: two of their rounds and a half.
const SHUTDOWN_DELAY_S: u32 = 10;

/// What its requests may take after that, 60 s, and some more.
const STOP_TIMEOUT_S: u32 = SHUTDOWN_DELAY_S + 80;

/// One connection in a thousand is asked to come back, which spreads clients over the mains again after a restart.
const GOAWAY_CHANCE: &str = "0.001";

const AUDIT_POLICY: &str = "/etc/kubernetes/audit-policy.yaml";

/// The pairs that an apiserver shows.
struct Pairs {
    serving: Pair,
    to_kubelets: Pair,
    to_etcd: Pair,
    to_extensions: Pair,
}

/// Adds the apiserver to the recipe of main nodes.
pub(super) fn add<'a>(recipe: &mut Recipe<'a>, common: &'a Common<'_>) {
    let pairs = Pairs {
        serving: Pair::kubernetes("apiserver"),
        to_kubelets: Pair::kubernetes("apiserver-kubelet-client"),
        to_etcd: Pair::kubernetes("apiserver-etcd-client"),
        to_extensions: Pair::kubernetes("front-proxy-client"),
    };
    let shared = pki::apiserver_names(common.spec);
    recipe.certificate(&pairs.serving, Authority::Cluster, move |node| {
        let mut names = pki::local_names(node);
        names.extend(shared.iter().cloned());
        Subject::server("kube-apiserver", names)
    });
    recipe.certificate(&pairs.to_kubelets, Authority::Cluster, |_| Subject::client(KUBELET_CLIENT));
    recipe.certificate(&pairs.to_etcd, Authority::Etcd, |_| Subject::client("kube-apiserver-etcd-client"));
    recipe.certificate(&pairs.to_extensions, Authority::FrontProxy, |_| Subject::client("front-proxy-client"));
    recipe.file(AUDIT_POLICY, include_str!("data/audit-policy.yaml"));

    let unit = service(common, &pairs).add(recipe);
    // A learner answers no reads that an apiserver could live from.
    recipe.needs(&unit, key::ETCD_MEMBER);
    recipe.needs(&unit, &key::unit(etcd::UNIT));
    // Whoever waits for this unit goes on to ask the API as an administrator.
    for need in tools::administration(common.minor.administrator) {
        recipe.needs_path(&unit, &need);
    }
    recipe.needs(&unit, &key::artifact("kubectl"));
}

fn inputs(common: &Common<'_>, pairs: &Pairs) -> Vec<Input> {
    let mut inputs = vec![
        restart(common.programs.path("kube-apiserver")),
        restart(paths::NODE_ENV),
        restart(AUDIT_POLICY),
        restart(paths::ENCRYPTION),
        restart(paths::TOKEN_KEY),
        restart(paths::TOKEN_PUBLIC_KEY),
        // Clients' authority is read again when it changes, but the same file is the kubelets' authority, and is not.
        restart(Authority::Cluster.certificate()),
        restart(Authority::Etcd.certificate()),
        reread(Authority::FrontProxy.certificate()),
    ];
    // Serving and front-proxy pairs are watched; those of clients are read at each handshake.
    for pair in [&pairs.serving, &pairs.to_kubelets, &pairs.to_etcd, &pairs.to_extensions] {
        inputs.extend([reread(pair.certificate.clone()), reread(pair.key.clone())]);
    }
    inputs
}

fn service<'c>(common: &'c Common<'_>, pairs: &Pairs) -> Service<'c> {
    let mut options = vec![
        format!("EnvironmentFile={}", paths::NODE_ENV),
        HTTP2_HEALTH.to_owned(),
        "LogsDirectory=kubernetes".to_owned(),
        "LogsDirectoryMode=0700".to_owned(),
        format!("TimeoutStopSec={STOP_TIMEOUT_S}"),
        "LimitNOFILE=65536".to_owned(),
    ];
    options.extend(common.out_of_memory(-998));
    let mut command = vec![common.programs.path("kube-apiserver").to_owned()];
    command.extend(serving(common, pairs));
    command.extend(clients(common));
    command.extend(backends(pairs));
    command.extend(audit(common));
    Service {
        name: UNIT,
        about: "Kubernetes API server",
        documentation: "https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/",
        after: "fmp-host.service etcd.service",
        mounts: "/var/log",
        conditions: Vec::new(),
        kind: ServiceKind::Notify,
        options,
        command,
        inputs: inputs(common, pairs),
        ready: Ready::ApiReady,
    }
}

fn serving(common: &Common<'_>, pairs: &Pairs) -> Vec<String> {
    let mut flags = vec![
        "--advertise-address=${NODE_IP}".to_owned(),
        "--bind-address=0.0.0.0".to_owned(),
        "--secure-port=6443".to_owned(),
        format!("--service-cluster-ip-range={}", common.spec.network.services),
        format!("--tls-cert-file={}", pairs.serving.certificate),
        format!("--tls-private-key-file={}", pairs.serving.key),
        "--tls-min-version=VersionTLS12".to_owned(),
        format!("--tls-cipher-suites={}", CIPHERS.join(",")),
        format!("--shutdown-delay-duration={SHUTDOWN_DELAY_S}s"),
        "--shutdown-send-retry-after=true".to_owned(),
        "--allow-privileged=true".to_owned(),
        "--profiling=false".to_owned(),
    ];
    // With a single apiserver there is nowhere else to go.
    if common.spec.mains().count() > 1 {
        flags.push(format!("--goaway-chance={GOAWAY_CHANCE}"));
    }
    flags
}

fn clients(common: &Common<'_>) -> Vec<String> {
    vec![
        // Health checks of balancers come without a name; RBAC gives them nothing else (`objects::health`).
        "--anonymous-auth=true".to_owned(),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        "--enable-bootstrap-token-auth=false".to_owned(),
        format!("--client-ca-file={}", Authority::Cluster.certificate()),
        format!("--requestheader-client-ca-file={}", Authority::FrontProxy.certificate()),
        "--requestheader-allowed-names=front-proxy-client".to_owned(),
        "--requestheader-username-headers=X-Remote-User".to_owned(),
        "--requestheader-group-headers=X-Remote-Group".to_owned(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
        format!("--service-account-issuer=https://kubernetes.default.svc.{}", common.spec.network.domain),
        format!("--service-account-signing-key-file={}", paths::TOKEN_KEY),
        format!("--service-account-key-file={}", paths::TOKEN_PUBLIC_KEY),
    ]
}

/// etcd, kubelets and extensions: whom the apiserver asks.
fn backends(pairs: &Pairs) -> Vec<String> {
    vec![
        "--etcd-servers=https://127.0.0.1:2379".to_owned(),
        format!("--etcd-cafile={}", Authority::Etcd.certificate()),
        format!("--etcd-certfile={}", pairs.to_etcd.certificate),
        format!("--etcd-keyfile={}", pairs.to_etcd.key),
        format!("--encryption-provider-config={}", paths::ENCRYPTION),
        format!("--kubelet-certificate-authority={}", Authority::Cluster.certificate()),
        format!("--kubelet-client-certificate={}", pairs.to_kubelets.certificate),
        format!("--kubelet-client-key={}", pairs.to_kubelets.key),
        "--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname".to_owned(),
        format!("--proxy-client-cert-file={}", pairs.to_extensions.certificate),
        format!("--proxy-client-key-file={}", pairs.to_extensions.key),
    ]
}

fn audit(common: &Common<'_>) -> Vec<String> {
    let settings = common.settings;
    vec![
        format!("--audit-policy-file={AUDIT_POLICY}"),
        "--audit-log-path=/var/log/kubernetes/audit.log".to_owned(),
        format!("--audit-log-maxage={}", settings.audit_max_age_days),
        format!("--audit-log-maxbackup={}", settings.audit_max_backups),
        format!("--audit-log-maxsize={}", settings.audit_max_size_mb),
    ]
}

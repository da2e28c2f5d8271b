//! The kubelet: one configuration for all nodes of a role.

use std::fmt::Write as _;

use super::super::{
    common::{CIPHERS, Common, HTTP2_HEALTH},
    kubeconfig::Client,
    minor::RuntimeEndpoint,
    paths::{self, key},
    pki::{self, Pair, Subject},
    recipe::Recipe,
    service::{Ready, Service, ServiceKind, restart},
};
use super::{balancer, containerd};
use crate::{
    resource::{Authority, Input},
    spec::{NetworkMode, Role, Volumes},
};

/// Full name of the unit.
pub(super) use crate::role::paths::unit::KUBELET as UNIT;

/// A link that `fmp-host.service` sets: to the file that names real servers, never a stub on loopback.
const RESOLVER: &str = "/run/fmp/resolv.conf";

/// Of a node's part of the pod range: its own address, the bridge's and the broadcast address.
const NOT_FOR_PODS: u32 = 3;

/// Adds the kubelet to the recipe of `role`.
pub(super) fn add<'a>(recipe: &mut Recipe<'a>, common: &'a Common<'_>, role: Role) {
    let root = &common.settings.directories.kubelet;
    let serving = Pair::at(&format!("{root}/pki/kubelet"));
    recipe.certificate(&serving, Authority::Cluster, |node| {
        Subject::server(format!("system:node:{}", node.name), pki::node_names(node)).of("system:nodes")
    });
    let client = Client {
        path: "/etc/kubernetes/kubelet.conf",
        user: "system:node",
        pair: Pair::at(&format!("{root}/pki/kubelet-client")),
        server: paths::api_endpoint(),
    };
    let config = format!("{root}/config.yaml");
    recipe.file(&config, text(common, role, &serving));

    let mut inputs = vec![restart(common.programs.path("kubelet")), restart(paths::NODE_ENV), restart(config.as_str())];
    inputs.extend(
        client.add(recipe, common, |node| Subject::client(format!("system:node:{}", node.name)).of("system:nodes")),
    );
    // The certificate that it serves is read once, up to 1.30.
    inputs.extend([restart(serving.certificate), restart(serving.key)]);
    let mounts = mounts(common, role);
    let unit = service(common, &config, &mounts, inputs).add(recipe);
    recipe.needs(&unit, &key::unit(containerd::UNIT));
    recipe.needs(&unit, &key::unit(balancer::UNIT));
    recipe.needs(&unit, &key::image(&common.programs.pause.reference));
    // A kubelet that finds no Node makes one, without the pod range, labels and taints that ours has.
    recipe.needs(&unit, key::NODE_OBJECT);
}

/// Where the kubelet and the pods that it starts keep data. Pods must not begin before their volumes are mounted there, or
/// they would write into what the mount then hides.
fn mounts(common: &Common<'_>, role: Role) -> String {
    let root = &common.settings.directories.kubelet;
    match (&common.spec.components.volumes, &common.spec.storage, role) {
        (Volumes::LocalPath { directory }, Some(_), Role::Work) => format!("{root} {directory}"),
        (Volumes::LocalPath { .. } | Volumes::None, _, Role::Main | Role::Work | Role::Images) => root.clone(),
    }
}

fn service<'c>(common: &Common<'_>, config: &str, mounts: &'c str, inputs: Vec<Input>) -> Service<'c> {
    let root = &common.settings.directories.kubelet;
    let mut command = vec![
        common.programs.path("kubelet").to_owned(),
        format!("--config={config}"),
        "--kubeconfig=/etc/kubernetes/kubelet.conf".to_owned(),
        format!("--root-dir={root}"),
        "--node-ip=${NODE_IP}".to_owned(),
        "--hostname-override=${NODE_NAME}".to_owned(),
        // Its image collection must know what it may not take.
        format!("--pod-infra-container-image={}", common.programs.pause.reference),
    ];
    match common.minor.runtime_endpoint {
        RuntimeEndpoint::Flag => {
            command.push(format!("--container-runtime-endpoint=unix://{}", paths::CONTAINERD_SOCKET));
        }
        RuntimeEndpoint::Config => {}
    }
    let mut options = vec![
        format!("EnvironmentFile={}", paths::NODE_ENV),
        HTTP2_HEALTH.to_owned(),
        "Delegate=yes".to_owned(),
        "KillMode=process".to_owned(),
        "CPUAccounting=yes".to_owned(),
        "MemoryAccounting=yes".to_owned(),
    ];
    options.extend(common.out_of_memory(-999));
    Service {
        name: UNIT,
        about: "kubelet, the node's agent",
        documentation: "https://kubernetes.io/docs/reference/command-line-tools-reference/kubelet/",
        after: "fmp-host.service containerd.service fmp-balancer.service",
        mounts,
        conditions: Vec::new(),
        kind: ServiceKind::Simple,
        options,
        command,
        inputs,
        ready: match common.spec.network.mode {
            // Nobody knows when somebody else's network comes, and it may need this very kubelet.
            NetworkMode::External => Ready::Listening(10250),
            NetworkMode::Routed | NetworkMode::Flannel => Ready::NodeReady,
        },
    }
}

fn text(common: &Common<'_>, role: Role, serving: &Pair) -> String {
    let mut text = String::from("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n");
    text += &identity(common, serving);
    text += &limits(common, role);
    match common.minor.runtime_endpoint {
        RuntimeEndpoint::Flag => {}
        RuntimeEndpoint::Config => {
            writeln!(text, "containerRuntimeEndpoint: unix://{}", paths::CONTAINERD_SOCKET)
                .expect("writing to a String can't fail");
        }
    }
    text
}

/// Who may ask the kubelet, and what it tells pods of the cluster.
fn identity(common: &Common<'_>, serving: &Pair) -> String {
    let (network, trust, ciphers) = (&common.spec.network, Authority::Cluster.certificate(), CIPHERS.join(", "));
    let (dns, domain, Pair { certificate, key }) = (network.cluster_dns(), &network.domain, serving);
    format!(
        "\
authentication:
  anonymous:
    enabled: false
  webhook:
    enabled: true
  x509:
    clientCAFile: {trust}
authorization:
  mode: Webhook
tlsCertFile: {certificate}
tlsPrivateKeyFile: {key}
tlsMinVersion: VersionTLS12
tlsCipherSuites: [{ciphers}]
rotateCertificates: false
serverTLSBootstrap: false
readOnlyPort: 0
healthzBindAddress: 127.0.0.1
registerNode: true
clusterDNS: [{dns}]
clusterDomain: {domain}
resolvConf: {RESOLVER}
"
    )
}

/// What pods may use, and what they may not.
fn limits(common: &Common<'_>, role: Role) -> String {
    let settings = common.settings;
    let (reserved, driver) = (settings.reserved(role), settings.cgroup_driver.as_str());
    let addresses = 1_u32.checked_shl(32 - u32::from(common.spec.network.node_prefix)).unwrap_or(u32::MAX);
    let pods = settings.max_pods.min(addresses.saturating_sub(NOT_FOR_PODS));
    let mut text = format!(
        "\
cgroupDriver: {driver}
failSwapOn: {}
localStorageCapacityIsolation: {}
maxPods: {pods}
shutdownGracePeriod: {}s
shutdownGracePeriodCriticalPods: {}s
containerLogMaxSize: {}Mi
containerLogMaxFiles: {}
# Images go before their disk's eviction threshold is near.
imageGCHighThresholdPercent: 80
imageGCLowThresholdPercent: 70
systemReserved:
  cpu: {}m
  memory: {}Mi
evictionHard:
",
        settings.fail_swap_on,
        settings.local_storage_capacity_isolation,
        settings.shutdown_grace_s,
        settings.shutdown_grace_critical_s,
        settings.container_log_max_mb,
        settings.container_log_max_files,
        reserved.cpu_milli,
        reserved.memory_mb,
    );
    for (signal, threshold) in &settings.eviction_hard {
        writeln!(text, "  {signal}: \"{threshold}\"").expect("writing to a String can't fail");
    }
    text
}

//! kube-proxy: the addresses of Services on every node.

use super::super::{
    common::{Common, HTTP2_HEALTH},
    kubeconfig::Client,
    paths::{self, key},
    pki::{Pair, Subject},
    recipe::Recipe,
    service::{Ready, Service, ServiceKind, restart},
};
use super::balancer;

/// Full name of the unit.
pub(in super::super) const UNIT: &str = "kube-proxy.service";

const CONFIG: &str = "/var/lib/kube-proxy/config.conf";
const KUBECONFIG: &str = "/etc/kubernetes/kube-proxy.conf";

/// The user that Kubernetes binds to `system:node-proxier` by itself.
const USER: &str = "system:kube-proxy";

/// Adds kube-proxy to a recipe.
pub(super) fn add(recipe: &mut Recipe<'_>, common: &Common<'_>) {
    let client =
        Client { path: KUBECONFIG, user: USER, pair: Pair::kubernetes("kube-proxy"), server: paths::api_endpoint() };
    recipe.file(CONFIG, config(common));
    let program = common.programs.path("kube-proxy");
    let mut inputs = vec![restart(program), restart(paths::NODE_ENV), restart(CONFIG)];
    inputs.extend(client.add(recipe, common, |_| Subject::client(USER)));
    let unit = Service {
        name: UNIT,
        about: "kube-proxy, the addresses of Services",
        documentation: "https://kubernetes.io/docs/reference/command-line-tools-reference/kube-proxy/",
        after: "fmp-host.service fmp-balancer.service",
        mounts: "",
        conditions: Vec::new(),
        kind: ServiceKind::Simple,
        options: vec![format!("EnvironmentFile={}", paths::NODE_ENV), HTTP2_HEALTH.to_owned()],
        command: vec![
            program.to_owned(),
            format!("--config={CONFIG}"),
            // One of the few flags that count beside a configuration file.
            "--hostname-override=${NODE_NAME}".to_owned(),
        ],
        inputs,
        ready: Ready::Listening(10256),
    }
    .add(recipe);
    recipe.needs(&unit, &key::unit(balancer::UNIT));
    recipe.needs(&unit, key::NODE_OBJECT);
}

fn config(common: &Common<'_>) -> String {
    let (pods, per_core) = (common.spec.network.pods, common.settings.conntrack_max_per_core);
    format!(
        "\
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
bindAddress: 0.0.0.0
clientConnection:
  kubeconfig: {KUBECONFIG}
clusterCIDR: {pods}
mode: iptables
healthzBindAddress: 0.0.0.0:10256
metricsBindAddress: 127.0.0.1:10249
conntrack:
  maxPerCore: {per_core}
"
    )
}

//! flanneld: routes to the pods of other nodes, and the network of a node's own.
//!
//! Routes follow Node objects, so a node that comes or goes touches no other host.

use super::super::{
    common::{Common, HTTP2_HEALTH},
    kubeconfig::Client,
    objects,
    paths::{self, key},
    pki::{Pair, Subject},
    programs,
    recipe::{Recipe, ThisNode},
    service::{Ready, Service, ServiceKind, restart},
};
use super::{balancer, host, kubelet};
use crate::{net::Cidr, resource::Input, spec::NetworkMode};

/// Full name of the unit.
pub(in super::super) const UNIT: &str = "flanneld.service";

const CONFIG: &str = "/etc/kube-flannel/net-conf.json";
const KUBECONFIG: &str = "/etc/kubernetes/flanneld.conf";
const NETWORK: &str = "/etc/cni/net.d/10-fmp.conflist";

/// An Ethernet frame's 1500 bytes less VXLAN's headers.
const VXLAN_MTU: u32 = 1450;

/// Adds the pod network to a recipe.
pub(super) fn add(recipe: &mut Recipe<'_>, common: &Common<'_>) {
    let client = Client {
        path: KUBECONFIG,
        user: objects::FLANNELD,
        pair: Pair::kubernetes("flanneld"),
        server: paths::api_endpoint(),
    };
    recipe.file(CONFIG, config(common));
    let mode = common.spec.network.mode;
    // The runtime watches the directory. The file may be there before flanneld: pods of one node reach each other.
    recipe.file_of_each(NETWORK, move |node| network(mode, node));

    let program = common.programs.path(programs::FLANNELD);
    let mut inputs = vec![restart(program), restart(paths::NODE_ENV), restart(CONFIG)];
    inputs.extend(client.add(recipe, common, |_| Subject::client(objects::FLANNELD)));
    let unit = service(program, inputs).add(recipe);
    recipe.needs(&unit, &key::unit(host::UNIT));
    recipe.needs(&unit, &key::unit(balancer::UNIT));
    // It ends where its Node has no part of the pod range.
    recipe.needs(&unit, key::NODE_OBJECT);
    recipe.needs(&key::unit(kubelet::UNIT), &key::file(NETWORK));
}

fn service<'c>(program: &str, inputs: Vec<Input>) -> Service<'c> {
    Service {
        name: UNIT,
        about: "flanneld, routes to the pods of other nodes",
        documentation: "https://github.com/flannel-io/flannel",
        after: "fmp-host.service fmp-balancer.service",
        mounts: "",
        conditions: Vec::new(),
        kind: ServiceKind::Notify,
        options: vec![format!("EnvironmentFile={}", paths::NODE_ENV), HTTP2_HEALTH.to_owned()],
        command: vec![
            program.to_owned(),
            "--kube-subnet-mgr".to_owned(),
            format!("--kubeconfig-file={KUBECONFIG}"),
            format!("--net-config-path={CONFIG}"),
            "--iface=${NODE_IP}".to_owned(),
            "--ip-masq=true".to_owned(),
        ],
        inputs,
        ready: Ready::UnitActive,
    }
}

fn config(common: &Common<'_>) -> String {
    let network = &common.spec.network;
    let backend = match network.mode {
        NetworkMode::Routed => r#"{ "Type": "host-gw" }"#,
        NetworkMode::Flannel | NetworkMode::External => r#"{ "Type": "vxlan", "Port": 8472 }"#,
    };
    format!("{{\n  \"Network\": \"{}\",\n  \"Backend\": {backend}\n}}\n", network.pods)
}

/// The network of a node's own pods. Addresses are noted in memory: after a reboot no pod has one.
fn network(mode: NetworkMode, node: &ThisNode<'_>) -> String {
    let mtu = match mode {
        NetworkMode::Flannel => format!("\n      \"mtu\": {VXLAN_MTU},"),
        NetworkMode::Routed | NetworkMode::External => String::new(),
    };
    let pods = node.pods.as_ref().map_or_else(String::new, Cidr::to_string);
    format!(
        r#"{{
  "cniVersion": "1.0.0",
  "name": "fmp",
  "plugins": [
    {{
      "type": "bridge",
      "bridge": "cni0",
      "isGateway": true,
      "isDefaultGateway": true,
      "ipMasq": false,
      "hairpinMode": true,{mtu}
      "ipam": {{
        "type": "host-local",
        "ranges": [[{{ "subnet": "{pods}" }}]],
        "dataDir": "/run/fmp/cni"
      }}
    }},
    {{ "type": "portmap", "capabilities": {{ "portMappings": true }} }}
  ]
}}
"#
    )
}

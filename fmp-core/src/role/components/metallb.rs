//! `MetalLB`'s controller: gives Services of type `LoadBalancer` their addresses.
//!
//! It only chooses among the addresses of the applications' entrance and writes what it chose into a Service's status. Whoever
//! holds the entrance has all of these addresses, and kube-proxy answers there as the status says; so `MetalLB`'s speaker, which
//! would carry addresses to nodes, is not there. Nor is its webhook: what FMP writes was checked before.

use super::{
    super::common::Common,
    Component,
    access::{account, cluster_binding, role_binding, unprivileged},
    label,
};
use crate::{
    manifest::CRD,
    net::AddressRange,
    resource::{Image, Object},
};

/// The image's name in the bundle.
pub(super) const IMAGE: &str = "metallb-controller-image";

/// Of its account, of its roles and of what binds them.
const NAME: &str = "metallb-controller";

/// The pool's name, by which a Service may ask for it (`metallb.io/address-pool`).
const POOL: &str = "entrance-apps";

/// Where the pod tells its figures, and so that it runs.
const METRICS: u16 = 7472;

/// How long the pod's node may be lost before another one is made, in seconds. Services keep their addresses meanwhile, and new
/// ones wait.
const LOST_S: u32 = 30;

/// The objects, for these addresses.
pub(super) fn component(common: &Common<'_>, image: &Image, services: &[AddressRange]) -> Component {
    let mut ground = vec![
        account(NAME),
        cluster_role(),
        cluster_binding(NAME, NAME, NAME),
        role(),
        role_binding(NAME, NAME, NAME),
        pool(services),
    ];
    ground.extend(KINDS.iter().map(definition));
    Component { ground, workload: deployment(image, label(common.spec.component_role())) }
}

/// What it watches in all namespaces, and where it writes. What it says of its own configuration it writes down too.
fn cluster_role() -> Object {
    let manifest = format!(
        r#"{{
  "apiVersion": "rbac.authorization.k8s.io/v1",
  "kind": "ClusterRole",
  "metadata": {{ "name": "{NAME}" }},
  "rules": [
    {{ "apiGroups": [""], "resources": ["namespaces", "services"], "verbs": ["get", "list", "watch"] }},
    {{ "apiGroups": [""], "resources": ["services/status"], "verbs": ["update"] }},
    {{ "apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"] }},
    {{
      "apiGroups": ["metallb.io"],
      "resources": ["configurationstates"],
      "verbs": ["create", "get", "list", "watch"]
    }},
    {{ "apiGroups": ["metallb.io"], "resources": ["configurationstates/status"], "verbs": ["get", "patch", "update"] }}
  ]
}}
"#
    );
    Object::new("ClusterRole", "", NAME, manifest)
}

/// Its configuration.
fn role() -> Object {
    let manifest = format!(
        r#"{{
  "apiVersion": "rbac.authorization.k8s.io/v1",
  "kind": "Role",
  "metadata": {{ "name": "{NAME}", "namespace": "kube-system" }},
  "rules": [
    {{
      "apiGroups": ["metallb.io"],
      "resources": ["communities", "ipaddresspools"],
      "verbs": ["get", "list", "watch"]
    }},
    {{ "apiGroups": ["metallb.io"], "resources": ["ipaddresspools/status"], "verbs": ["update"] }}
  ]
}}
"#
    );
    Object::new("Role", "kube-system", NAME, manifest)
}

/// A kind of `MetalLB`'s, as far as the controller reads and writes it (<https://metallb.io/apis/>).
struct Kind {
    name: &'static str,
    plural: &'static str,
    /// The last one is stored.
    versions: &'static [&'static str],
    properties: &'static str,
}

impl Kind {
    const fn new(name: &'static str, plural: &'static str, properties: &'static str) -> Self {
        Self { name, plural, versions: &["v1beta1"], properties }
    }
}

/// The controller does not start where one of them is missing, although it reads pools alone.
const KINDS: [Kind; 8] = [
    Kind::new("BFDProfile", "bfdprofiles", UNREAD),
    Kind::new("BGPAdvertisement", "bgpadvertisements", UNREAD),
    Kind { versions: &["v1beta1", "v1beta2"], ..Kind::new("BGPPeer", "bgppeers", UNREAD) },
    Kind::new("Community", "communities", UNREAD),
    Kind::new("ConfigurationState", "configurationstates", STATES),
    Kind::new("IPAddressPool", "ipaddresspools", POOLS),
    Kind::new("L2Advertisement", "l2advertisements", UNREAD),
    Kind::new("ServiceBGPStatus", "servicebgpstatuses", UNREAD),
];

/// Pools of addresses. How many of them are given away stands in the status.
const POOLS: &str = r#"
              "spec": {
                "type": "object",
                "required": ["addresses"],
                "properties": {
                  "addresses": { "type": "array", "items": { "type": "string" } },
                  "autoAssign": { "type": "boolean", "default": true },
                  "avoidBuggyIPs": { "type": "boolean", "default": false },
                  "serviceAllocation": { "type": "object", "x-kubernetes-preserve-unknown-fields": true }
                }
              },
              "status": {
                "type": "object",
                "properties": {
                  "assignedIPv4": { "type": "integer", "format": "int64" },
                  "assignedIPv6": { "type": "integer", "format": "int64" },
                  "availableIPv4": { "type": "integer", "format": "int64" },
                  "availableIPv6": { "type": "integer", "format": "int64" }
                }
              }"#;

/// What is the speaker's, who is not there.
const UNREAD: &str = r#"
              "spec": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
              "status": { "type": "object", "x-kubernetes-preserve-unknown-fields": true }"#;

/// What the controller says of its configuration, by itself.
const STATES: &str = r#"
              "status": {
                "type": "object",
                "properties": {
                  "result": { "type": "string" },
                  "errorSummary": { "type": "string" },
                  "conditions": {
                    "type": "array",
                    "items": {
                      "type": "object",
                      "required": ["type"],
                      "properties": {
                        "type": { "type": "string" },
                        "status": { "type": "string" },
                        "reason": { "type": "string" },
                        "message": { "type": "string" },
                        "lastTransitionTime": { "type": "string", "format": "date-time" },
                        "observedGeneration": { "type": "integer", "format": "int64" }
                      }
                    },
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["type"]
                  }
                }
              }"#;

fn definition(kind: &Kind) -> Object {
    let Kind { name: kind, plural, versions, properties } = kind;
    let name = format!("{plural}.metallb.io");
    let singular = kind.to_ascii_lowercase();
    let version = |version: &&str| {
        let is_stored = versions.last() == Some(version);
        format!(
            r#"      {{
        "name": "{version}",
        "served": true,
        "storage": {is_stored},
        "subresources": {{ "status": {{}} }},
        "schema": {{
          "openAPIV3Schema": {{
            "type": "object",
            "properties": {{{properties}
            }}
          }}
        }}
      }}"#
        )
    };
    let versions: Vec<String> = versions.iter().map(version).collect();
    let manifest = format!(
        r#"{{
  "apiVersion": "apiextensions.k8s.io/v1",
  "kind": "CustomResourceDefinition",
  "metadata": {{ "name": "{name}" }},
  "spec": {{
    "group": "metallb.io",
    "scope": "Namespaced",
    "names": {{ "kind": "{kind}", "listKind": "{kind}List", "plural": "{plural}", "singular": "{singular}" }},
    "versions": [
{versions}
    ]
  }}
}}
"#,
        versions = versions.join(",\n")
    );
    Object::new(CRD, "", &name, manifest)
}

fn pool(services: &[AddressRange]) -> Object {
    // Alone, an address is written as a range that has no other.
    let range = |range: &AddressRange| format!("      \"{}-{}\"", range.first(), range.last());
    let addresses = services.iter().map(range).collect::<Vec<_>>().join(",\n");
    let manifest = format!(
        r#"{{
  "apiVersion": "metallb.io/v1beta1",
  "kind": "IPAddressPool",
  "metadata": {{ "name": "{POOL}", "namespace": "kube-system" }},
  "spec": {{
    "addresses": [
{addresses}
    ]
  }}
}}
"#
    );
    Object::new("IPAddressPool.metallb.io", "kube-system", POOL, manifest)
}

/// One pod, and never two: it has no election, and two might give one address away twice. The image is never pulled: it comes
/// with the bundle.
fn deployment(image: &Image, label: &str) -> Object {
    let manifest = format!(
        r#"{{
  "apiVersion": "apps/v1",
  "kind": "Deployment",
  "metadata": {{ "name": "{NAME}", "namespace": "kube-system", "labels": {{ "k8s-app": "{NAME}" }} }},
  "spec": {{
    "replicas": 1,
    "strategy": {{ "type": "Recreate" }},
    "selector": {{ "matchLabels": {{ "k8s-app": "{NAME}" }} }},
    "template": {{
      "metadata": {{ "labels": {{ "k8s-app": "{NAME}" }} }},
      "spec": {{
        "priorityClassName": "system-cluster-critical",
        "serviceAccountName": "{NAME}",
        "nodeSelector": {{ "kubernetes.io/os": "linux", "{label}": "" }},
        "tolerations": [
          {{ "key": "CriticalAddonsOnly", "operator": "Exists" }},
          {{ "key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule" }},
          {{
            "key": "node.kubernetes.io/not-ready",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": {LOST_S}
          }},
          {{
            "key": "node.kubernetes.io/unreachable",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": {LOST_S}
          }}
        ],
        "containers": [
          {{
            "name": "controller",
            "image": "{reference}",
            "imagePullPolicy": "Never",
            "args": ["--namespace=kube-system", "--webhook-mode=disabled", "--port={METRICS}"],
            "resources": {{ "requests": {{ "cpu": "10m", "memory": "64Mi" }} }},
            "ports": [{{ "name": "metrics", "containerPort": {METRICS}, "protocol": "TCP" }}],
            {unprivileged},
            "livenessProbe": {{
              "httpGet": {{ "path": "/metrics", "port": "metrics" }},
              "periodSeconds": 10,
              "timeoutSeconds": 5,
              "failureThreshold": 3
            }},
            "readinessProbe": {{
              "httpGet": {{ "path": "/metrics", "port": "metrics" }},
              "periodSeconds": 5,
              "timeoutSeconds": 5,
              "failureThreshold": 3
            }}
          }}
        ]
      }}
    }}
  }}
}}
"#,
        reference = image.reference,
        unprivileged = unprivileged()
    );
    Object::new("Deployment", "kube-system", NAME, manifest)
}

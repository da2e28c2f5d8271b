//! metrics-server: what nodes and pods use, for `kubectl top` and for whatever scales by it.
//!
//! The objects are those of upstream's own manifest for two servers, under its names. Unlike there it verifies kubelets,
//! whose certificates come from the cluster's authority, and keeps nothing in an `emptyDir`: a pod with one does not leave a
//! node without a person's consent.

use super::{
    super::common::Common,
    Component, Spread, TOLERATIONS,
    access::{account, cluster_binding, unprivileged},
};
use crate::resource::{Image, Object};

/// The image's name in the bundle.
pub(super) const IMAGE: &str = "metrics-server-image";

/// Who the pods are.
const ACCOUNT: &str = "metrics-server";

/// Each on a node of its own: autoscalers and people are answered while one is lost.
const REPLICAS: usize = 2;

/// Where the pods listen; the Service has 443.
const PORT: u16 = 10250;

/// The cluster's authority, as every pod with a service account has it. It signs what kubelets show.
const AUTHORITY: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";

/// The objects.
pub(super) fn component(common: &Common<'_>, image: &Image) -> Component {
    let ground = vec![
        account(ACCOUNT),
        readers(),
        cluster_role(),
        cluster_binding("metrics-server:system:auth-delegator", "system:auth-delegator", ACCOUNT),
        cluster_binding("system:metrics-server", "system:metrics-server", ACCOUNT),
        authentication_reader(),
        service(),
        api_service(),
        budget(),
    ];
    Component { ground, workload: deployment(image, &Spread::of(common.spec, REPLICAS, "metrics-server")) }
}

/// Whoever may view, edit or administer a namespace may see what its pods use.
fn readers() -> Object {
    let manifest = r#"{
  "apiVersion": "rbac.authorization.k8s.io/v1",
  "kind": "ClusterRole",
  "metadata": {
    "name": "system:aggregated-metrics-reader",
    "labels": {
      "rbac.authorization.k8s.io/aggregate-to-admin": "true",
      "rbac.authorization.k8s.io/aggregate-to-edit": "true",
      "rbac.authorization.k8s.io/aggregate-to-view": "true"
    }
  },
  "rules": [{ "apiGroups": ["metrics.k8s.io"], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"] }]
}
"#;
    Object::new("ClusterRole", "", "system:aggregated-metrics-reader", manifest)
}

fn cluster_role() -> Object {
    let manifest = r#"{
  "apiVersion": "rbac.authorization.k8s.io/v1",
  "kind": "ClusterRole",
  "metadata": { "name": "system:metrics-server" },
  "rules": [
    { "apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"] },
    { "apiGroups": [""], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"] }
  ]
}
"#;
    Object::new("ClusterRole", "", "system:metrics-server", manifest)
}

/// How apiservers that pass questions on show who they are is written where only this role may read it.
fn authentication_reader() -> Object {
    let manifest = r#"{
  "apiVersion": "rbac.authorization.k8s.io/v1",
  "kind": "RoleBinding",
  "metadata": { "name": "metrics-server-auth-reader", "namespace": "kube-system" },
  "roleRef": {
    "apiGroup": "rbac.authorization.k8s.io",
    "kind": "Role",
    "name": "extension-apiserver-authentication-reader"
  },
  "subjects": [{ "kind": "ServiceAccount", "name": "metrics-server", "namespace": "kube-system" }]
}
"#;
    Object::new("RoleBinding", "kube-system", "metrics-server-auth-reader", manifest)
}

fn service() -> Object {
    let manifest = r#"{
  "apiVersion": "v1",
  "kind": "Service",
  "metadata": { "name": "metrics-server", "namespace": "kube-system", "labels": { "k8s-app": "metrics-server" } },
  "spec": {
    "selector": { "k8s-app": "metrics-server" },
    "ports": [{ "name": "https", "port": 443, "targetPort": "https", "protocol": "TCP", "appProtocol": "https" }]
  }
}
"#;
    Object::new("Service", "kube-system", "metrics-server", manifest)
}

/// Apiservers don't verify who answers, as in upstream's manifest: each server signs its certificate itself when it starts, so
/// no authority could be named that knows both. What passes there is what nodes and pods use, and who asks is proven to the
/// server by the apiserver's own certificate.
fn api_service() -> Object {
    let manifest = r#"{
  "apiVersion": "apiregistration.k8s.io/v1",
  "kind": "APIService",
  "metadata": { "name": "v1beta1.metrics.k8s.io", "labels": { "k8s-app": "metrics-server" } },
  "spec": {
    "group": "metrics.k8s.io",
    "version": "v1beta1",
    "groupPriorityMinimum": 100,
    "versionPriority": 100,
    "insecureSkipTLSVerify": true,
    "service": { "name": "metrics-server", "namespace": "kube-system", "port": 443 }
  }
}
"#;
    Object::new("APIService", "", "v1beta1.metrics.k8s.io", manifest)
}

fn budget() -> Object {
    let manifest = r#"{
  "apiVersion": "policy/v1",
  "kind": "PodDisruptionBudget",
  "metadata": { "name": "metrics-server", "namespace": "kube-system" },
  "spec": { "maxUnavailable": 1, "selector": { "matchLabels": { "k8s-app": "metrics-server" } } }
}
"#;
    Object::new("PodDisruptionBudget", "kube-system", "metrics-server", manifest)
}

/// The image is never pulled: it comes with the bundle. An empty `--cert-dir` keeps the server's certificate in memory.
fn deployment(image: &Image, spread: &Spread) -> Object {
    let Spread { label, replicas, unavailable, apart } = spread;
    let manifest = format!(
        r#"{{
  "apiVersion": "apps/v1",
  "kind": "Deployment",
  "metadata": {{ "name": "metrics-server", "namespace": "kube-system", "labels": {{ "k8s-app": "metrics-server" }} }},
  "spec": {{
    "replicas": {replicas},
    "strategy": {{ "type": "RollingUpdate", "rollingUpdate": {{ "maxUnavailable": {unavailable} }} }},
    "selector": {{ "matchLabels": {{ "k8s-app": "metrics-server" }} }},
    "template": {{
      "metadata": {{ "labels": {{ "k8s-app": "metrics-server" }} }},
      "spec": {{
        "priorityClassName": "system-cluster-critical",
        "serviceAccountName": "metrics-server",
        "nodeSelector": {{ "kubernetes.io/os": "linux", "{label}": "" }},
{TOLERATIONS}{apart}        "containers": [
          {{
            "name": "metrics-server",
            "image": "{reference}",
            "imagePullPolicy": "Never",
            "args": [
              "--cert-dir=",
              "--secure-port={PORT}",
              "--kubelet-certificate-authority={AUTHORITY}",
              "--kubelet-preferred-address-types=InternalIP",
              "--kubelet-use-node-status-port",
              "--metric-resolution=15s"
            ],
            "resources": {{ "requests": {{ "cpu": "100m", "memory": "200Mi" }} }},
            "ports": [{{ "name": "https", "containerPort": {PORT}, "protocol": "TCP" }}],
            {unprivileged},
            "livenessProbe": {{
              "httpGet": {{ "path": "/livez", "port": "https", "scheme": "HTTPS" }},
              "periodSeconds": 10,
              "failureThreshold": 3
            }},
            "readinessProbe": {{
              "httpGet": {{ "path": "/readyz", "port": "https", "scheme": "HTTPS" }},
              "initialDelaySeconds": 20,
              "periodSeconds": 10,
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
    Object::new("Deployment", "kube-system", "metrics-server", manifest)
}

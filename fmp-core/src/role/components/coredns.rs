//! `CoreDNS`: names in the cluster.
//!
//! The objects have the names that kubeadm gives them, so that other tools and people find them. Unlike there it runs as
//! nobody and listens on a port that needs no privilege.

use std::net::Ipv4Addr;

use super::{
    super::common::Common,
    Component, NONROOT, Spread, TOLERATIONS,
    access::{account, cluster_binding},
    in_json,
};
use crate::resource::{Image, Object};

/// The image's name in the bundle.
pub(super) const IMAGE: &str = "coredns-image";

/// Where the pods listen; the Service has 53.
const PORT: u16 = 1053;

/// Each on a node of its own: answers survive the loss of one.
const REPLICAS: usize = 2;

/// The objects.
pub(super) fn component(common: &Common<'_>, image: &Image, forward: Option<&[Ipv4Addr]>) -> Component {
    let ground = vec![
        account("coredns"),
        cluster_role(),
        cluster_binding("system:coredns", "system:coredns", "coredns"),
        config(common, forward),
        service(common),
        budget(),
    ];
    Component { ground, workload: deployment(image, &Spread::of(common.spec, REPLICAS, "kube-dns")) }
}

/// What the `kubernetes` plug-in watches ([its page](https://coredns.io/plugins/kubernetes/)).
fn cluster_role() -> Object {
    let manifest = r#"{
  "apiVersion": "rbac.authorization.k8s.io/v1",
  "kind": "ClusterRole",
  "metadata": { "name": "system:coredns" },
  "rules": [
    { "apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": ["list", "watch"] },
    { "apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"] }
  ]
}
"#;
    Object::new("ClusterRole", "", "system:coredns", manifest)
}

fn config(common: &Common<'_>, forward: Option<&[Ipv4Addr]>) -> Object {
    let text = in_json(&corefile(&common.spec.network.domain, forward));
    let manifest = format!(
        r#"{{
  "apiVersion": "v1",
  "kind": "ConfigMap",
  "metadata": {{ "name": "coredns", "namespace": "kube-system" }},
  "data": {{ "Corefile": "{text}" }}
}}
"#
    );
    Object::new("ConfigMap", "kube-system", "coredns", manifest)
}

/// kubeadm's, but for the port.
fn corefile(domain: &str, forward: Option<&[Ipv4Addr]>) -> String {
    let servers = match forward {
        None => "/etc/resolv.conf".to_owned(),
        Some(servers) => servers.iter().map(Ipv4Addr::to_string).collect::<Vec<_>>().join(" "),
    };
    // Whom nobody is asked for does not exist: an answer that clients believe.
    let (fallthrough, others) = if servers.is_empty() {
        ("", "    template ANY ANY . {\n        rcode NXDOMAIN\n    }\n".to_owned())
    } else {
        let forward = format!("    forward . {servers} {{\n        max_concurrent 1000\n    }}\n    loop\n");
        ("        fallthrough in-addr.arpa ip6.arpa\n", forward)
    };
    format!(
        "\
.:{PORT} {{
    errors
    health {{
        lameduck 5s
    }}
    ready
    kubernetes {domain} in-addr.arpa ip6.arpa {{
        pods insecure
{fallthrough}        ttl 30
    }}
    prometheus :9153
{others}    cache 30
    reload
    loadbalance
}}
"
    )
}

fn service(common: &Common<'_>) -> Object {
    let address = common.spec.network.cluster_dns();
    let manifest = format!(
        r#"{{
  "apiVersion": "v1",
  "kind": "Service",
  "metadata": {{
    "name": "kube-dns",
    "namespace": "kube-system",
    "labels": {{ "k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS" }},
    "annotations": {{ "prometheus.io/port": "9153", "prometheus.io/scrape": "true" }}
  }},
  "spec": {{
    "selector": {{ "k8s-app": "kube-dns" }},
    "clusterIP": "{address}",
    "ports": [
      {{ "name": "dns", "port": 53, "targetPort": {PORT}, "protocol": "UDP" }},
      {{ "name": "dns-tcp", "port": 53, "targetPort": {PORT}, "protocol": "TCP" }},
      {{ "name": "metrics", "port": 9153, "targetPort": 9153, "protocol": "TCP" }}
    ]
  }}
}}
"#
    );
    Object::new("Service", "kube-system", "kube-dns", manifest)
}

fn budget() -> Object {
    let manifest = r#"{
  "apiVersion": "policy/v1",
  "kind": "PodDisruptionBudget",
  "metadata": { "name": "coredns", "namespace": "kube-system" },
  "spec": { "maxUnavailable": 1, "selector": { "matchLabels": { "k8s-app": "kube-dns" } } }
}
"#;
    Object::new("PodDisruptionBudget", "kube-system", "coredns", manifest)
}

/// The image is never pulled: it comes with the bundle. Upstream's own may only be started with the capability that its file
/// carries.
fn deployment(image: &Image, spread: &Spread) -> Object {
    let Spread { label, replicas, unavailable, apart } = spread;
    let manifest = format!(
        r#"{{
  "apiVersion": "apps/v1",
  "kind": "Deployment",
  "metadata": {{ "name": "coredns", "namespace": "kube-system", "labels": {{ "k8s-app": "kube-dns" }} }},
  "spec": {{
    "replicas": {replicas},
    "strategy": {{ "type": "RollingUpdate", "rollingUpdate": {{ "maxUnavailable": {unavailable} }} }},
    "selector": {{ "matchLabels": {{ "k8s-app": "kube-dns" }} }},
    "template": {{
      "metadata": {{ "labels": {{ "k8s-app": "kube-dns" }} }},
      "spec": {{
        "priorityClassName": "system-cluster-critical",
        "serviceAccountName": "coredns",
        "dnsPolicy": "Default",
        "nodeSelector": {{ "kubernetes.io/os": "linux", "{label}": "" }},
{TOLERATIONS}{apart}        "containers": [
          {{
            "name": "coredns",
            "image": "{reference}",
            "imagePullPolicy": "Never",
            "args": ["-conf", "/etc/coredns/Corefile"],
            "resources": {{ "requests": {{ "cpu": "100m", "memory": "70Mi" }}, "limits": {{ "memory": "170Mi" }} }},
            "ports": [
              {{ "name": "dns", "containerPort": {PORT}, "protocol": "UDP" }},
              {{ "name": "dns-tcp", "containerPort": {PORT}, "protocol": "TCP" }},
              {{ "name": "metrics", "containerPort": 9153, "protocol": "TCP" }}
            ],
            "volumeMounts": [{{ "name": "config", "mountPath": "/etc/coredns", "readOnly": true }}],
            "securityContext": {{
              "allowPrivilegeEscalation": false,
              "capabilities": {{ "add": ["NET_BIND_SERVICE"], "drop": ["ALL"] }},
              "readOnlyRootFilesystem": true,
              "runAsNonRoot": true,
              "runAsUser": {NONROOT},
              "runAsGroup": {NONROOT}
            }},
            "livenessProbe": {{
              "httpGet": {{ "path": "/health", "port": 8080 }},
              "initialDelaySeconds": 60,
              "timeoutSeconds": 5,
              "failureThreshold": 5
            }},
            "readinessProbe": {{ "httpGet": {{ "path": "/ready", "port": 8181 }} }}
          }}
        ],
        "volumes": [
          {{
            "name": "config",
            "configMap": {{ "name": "coredns", "items": [{{ "key": "Corefile", "path": "Corefile" }}] }}
          }}
        ]
      }}
    }}
  }}
}}
"#,
        reference = image.reference
    );
    Object::new("Deployment", "kube-system", "coredns", manifest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_asked_for_other_names_is_whom_the_file_says() {
        let asks = |forward: Option<&[Ipv4Addr]>| {
            let text = corefile("cluster.local", forward);
            text.lines().find_map(|line| line.trim().strip_prefix("forward . ").map(str::to_owned))
        };
        assert_eq!(asks(None).as_deref(), Some("/etc/resolv.conf {"));
        let servers = [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)];
        assert_eq!(asks(Some(&servers)).as_deref(), Some("192.0.2.1 192.0.2.2 {"));
        assert_eq!(asks(Some(&[])), None);
        let alone = corefile("cluster.local", Some(&[]));
        assert!(alone.contains("rcode NXDOMAIN"), "{alone}");
        assert!(["loop", "fallthrough"].iter().all(|word| !alone.contains(word)), "nobody comes after: {alone}");
    }
}

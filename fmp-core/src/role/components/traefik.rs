//! Traefik: requests from outside reach Services by host name and path, as objects of kind Ingress say.
//!
//! One pod on each node that may hold the applications' entrance, at that node's own ports 80 and 443: so whoever is asked
//! sees the real address of whoever asks, and a node whose pod is away gives the shared address to another one, as long as
//! both ports are among those by which it is held. Traefik keeps nothing, asks nobody for newer versions of itself, and reports
//! nothing to anybody.

use std::net::Ipv4Addr;

use super::{
    super::common::Common,
    Component, TOLERATIONS,
    access::{account, cluster_binding, unprivileged},
    label,
};
use crate::{
    resource::{Image, Object},
    spec::{AppsBalancer, AppsEntrance, INGRESS_PORTS},
};

/// The image's name in the bundle.
pub(super) const IMAGE: &str = "traefik-image";

/// Of its account, of its role and of what binds them.
const NAME: &str = "traefik";

/// Where the pods listen: ports that need no privilege.
const HTTP: u16 = 8000;
const HTTPS: u16 = 8443;
const PING: u16 = 8080;

/// How long a request may take to arrive, in seconds.
const READ_S: u32 = 600;

/// How long a pod may take to accept a connection, in seconds.
const DIAL_S: u32 = 3;

/// How long a pod has been ready before the next one is renewed, in seconds: it answers before it has read what there is to
/// know, and a node holds the shared address again only when its pod has answered for a while.
const SETTLES_S: u32 = 10;

/// The objects.
pub(super) fn component(common: &Common<'_>, image: &Image) -> Component {
    let ground = vec![account(NAME), cluster_role(), cluster_binding(NAME, NAME, NAME), class()];
    let workload = daemon_set(image, label(common.spec.component_role()), &common.spec.apps_entrance);
    Component { ground, workload }
}

/// What its provider of Ingresses watches
/// (<https://doc.traefik.io/traefik/v3.6/reference/install-configuration/providers/kubernetes/kubernetes-ingress/>), and
/// where it writes under which address an Ingress is reached. Certificates of Ingresses are Secrets of any namespace.
fn cluster_role() -> Object {
    let manifest = r#"{
  "apiVersion": "rbac.authorization.k8s.io/v1",
  "kind": "ClusterRole",
  "metadata": { "name": "traefik" },
  "rules": [
    { "apiGroups": [""], "resources": ["nodes", "secrets", "services"], "verbs": ["get", "list", "watch"] },
    { "apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"] },
    {
      "apiGroups": ["networking.k8s.io"],
      "resources": ["ingressclasses", "ingresses"],
      "verbs": ["get", "list", "watch"]
    },
    { "apiGroups": ["networking.k8s.io"], "resources": ["ingresses/status"], "verbs": ["update"] }
  ]
}
"#;
    Object::new("ClusterRole", "", "traefik", manifest)
}

/// An Ingress that names no class gets this one.
fn class() -> Object {
    let manifest = r#"{
  "apiVersion": "networking.k8s.io/v1",
  "kind": "IngressClass",
  "metadata": {
    "name": "traefik",
    "annotations": { "ingressclass.kubernetes.io/is-default-class": "true" }
  },
  "spec": { "controller": "traefik.io/ingress-controller" }
}
"#;
    Object::new("IngressClass", "", "traefik", manifest)
}

/// What Traefik is told, a line each.
fn arguments(entrance: &AppsEntrance) -> String {
    let mut arguments = vec![
        "--global.checknewversion=false".to_owned(),
        "--global.sendanonymoususage=false".to_owned(),
        format!("--entrypoints.web.address=:{HTTP}"),
        format!("--entrypoints.websecure.address=:{HTTPS}"),
        "--entrypoints.websecure.http.tls=true".to_owned(),
        format!("--entrypoints.traefik.address=:{PING}"),
        "--ping=true".to_owned(),
        "--providers.kubernetesingress=true".to_owned(),
        // Its usual minute holds for a whole request: an upload takes longer.
        format!("--entrypoints.web.transport.respondingtimeouts.readtimeout={READ_S}s"),
        format!("--entrypoints.websecure.transport.respondingtimeouts.readtimeout={READ_S}s"),
        // Until a lost node's pods are known to be lost, each request that is sent to one of them waits so long.
        format!("--serverstransport.forwardingtimeouts.dialtimeout={DIAL_S}s"),
        // What Kubernetes means by a path of the type Prefix: whole elements.
        "--providers.kubernetesingress.strictprefixmatching=true".to_owned(),
    ];
    arguments.extend(told_entrance(entrance));
    let arguments: Vec<String> = arguments.iter().map(|argument| format!("              \"{argument}\"")).collect();
    arguments.join(",\n")
}

/// Where an Ingress is said to be reached, and who is believed what it says of whoever asks: by the PROXY protocol, or in
/// headers.
fn told_entrance(entrance: &AppsEntrance) -> Vec<String> {
    let endpoint = |what: &str, value: &str| format!("--providers.kubernetesingress.ingressendpoint.{what}={value}");
    match entrance {
        AppsEntrance::None => Vec::new(),
        AppsEntrance::Keepalived(shared) => vec![endpoint("ip", &shared.address.to_string())],
        AppsEntrance::External(AppsBalancer { host, ports: _, proxies }) => {
            let what = if host.parse::<Ipv4Addr>().is_ok() { "ip" } else { "hostname" };
            let mut told = vec![endpoint(what, host)];
            let trusted: Vec<String> = proxies.iter().map(Ipv4Addr::to_string).collect();
            if !trusted.is_empty() {
                let trusted = trusted.join(",");
                let points = ["web", "websecure"].into_iter().flat_map(|point| {
                    ["proxyprotocol", "forwardedheaders"].map(|how| format!("--entrypoints.{point}.{how}.trustedips="))
                });
                told.extend(points.map(|option| option + &trusted));
            }
            told
        }
    }
}

/// The image is never pulled: it comes with the bundle. One pod after the other is renewed.
fn daemon_set(image: &Image, label: &str, entrance: &AppsEntrance) -> Object {
    let [http, https] = INGRESS_PORTS;
    let manifest = format!(
        r#"{{
  "apiVersion": "apps/v1",
  "kind": "DaemonSet",
  "metadata": {{ "name": "traefik", "namespace": "kube-system", "labels": {{ "k8s-app": "traefik" }} }},
  "spec": {{
    "minReadySeconds": {SETTLES_S},
    "updateStrategy": {{ "type": "RollingUpdate", "rollingUpdate": {{ "maxUnavailable": 1 }} }},
    "selector": {{ "matchLabels": {{ "k8s-app": "traefik" }} }},
    "template": {{
      "metadata": {{ "labels": {{ "k8s-app": "traefik" }} }},
      "spec": {{
        "priorityClassName": "system-cluster-critical",
        "serviceAccountName": "traefik",
        "nodeSelector": {{ "kubernetes.io/os": "linux", "{label}": "" }},
{TOLERATIONS}        "containers": [
          {{
            "name": "traefik",
            "image": "{reference}",
            "imagePullPolicy": "Never",
            "args": [
{arguments}
            ],
            "resources": {{ "requests": {{ "cpu": "100m", "memory": "100Mi" }} }},
            "ports": [
              {{ "name": "http", "containerPort": {HTTP}, "hostPort": {http}, "protocol": "TCP" }},
              {{ "name": "https", "containerPort": {HTTPS}, "hostPort": {https}, "protocol": "TCP" }},
              {{ "name": "ping", "containerPort": {PING}, "protocol": "TCP" }}
            ],
            {unprivileged},
            "livenessProbe": {{
              "httpGet": {{ "path": "/ping", "port": "ping" }},
              "periodSeconds": 10,
              "timeoutSeconds": 5,
              "failureThreshold": 3
            }},
            "readinessProbe": {{
              "httpGet": {{ "path": "/ping", "port": "ping" }},
              "periodSeconds": 5,
              "timeoutSeconds": 5,
              "failureThreshold": 2
            }}
          }}
        ]
      }}
    }}
  }}
}}
"#,
        reference = image.reference,
        arguments = arguments(entrance),
        unprivileged = unprivileged()
    );
    Object::new("DaemonSet", "kube-system", "traefik", manifest)
}

//! Objects of the API that the cluster itself needs, and what FMP owns of Node objects.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    apiserver::KUBELET_CLIENT, common::Common, minor::Administrator, paths, recipe::ThisNode, tools::CLUSTER_ADMINS,
};
use crate::{
    resource::{NodeObject, Object},
    spec::{NetworkMode, Role},
};

/// The user name of flanneld, and the name of its role and binding.
pub(super) const FLANNELD: &str = "fmp:flanneld";

/// The binding that flanneld can't work without.
pub(super) const FLANNELD_BINDING: &str = "ClusterRoleBinding//fmp:flanneld";

/// What whoever shows no certificate may ask, and the name of its role and binding.
pub(super) const HEALTH: &str = "fmp:health";

/// Kubernetes' own binding of what everybody may ask: health, and the version, which tells whoever looks for weak spots
/// where to look.
const PUBLIC: &str = "system:public-info-viewer";

/// What mains are labelled and tainted with.
pub(super) const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";

/// The objects of the whole cluster, but for those of [`health`].
pub(super) fn of_cluster(common: &Common<'_>) -> Vec<Object> {
    let mut objects = vec![
        identity(common),
        binding("fmp:apiserver-to-kubelets", "system:kubelet-api-admin", "User", KUBELET_CLIENT),
    ];
    match common.minor.administrator {
        Administrator::Master => {}
        Administrator::Bound => objects.push(binding(CLUSTER_ADMINS, "cluster-admin", "Group", CLUSTER_ADMINS)),
    }
    match common.spec.network.mode {
        NetworkMode::External => {}
        NetworkMode::Routed | NetworkMode::Flannel => {
            objects.extend([flanneld_role(), binding(FLANNELD, FLANNELD, "User", FLANNELD)]);
        }
    }
    objects
}

/// What the anonymous may ask, in the order in which it is applied: balancers ask `/readyz` without a name, so they may by
/// our own binding before Kubernetes' own stops to let them.
pub(super) fn health() -> [Object; 3] {
    [health_role(), binding(HEALTH, HEALTH, "Group", "system:unauthenticated"), public_binding()]
}

fn health_role() -> Object {
    let manifest = format!(
        r#"{{
  "apiVersion": "rbac.authorization.k8s.io/v1",
  "kind": "ClusterRole",
  "metadata": {{ "name": "{HEALTH}", "labels": {{ "app.kubernetes.io/managed-by": "fmp" }} }},
  "rules": [
    {{
      "nonResourceURLs": ["/healthz", "/healthz/*", "/livez", "/livez/*", "/readyz", "/readyz/*"],
      "verbs": ["get"]
    }}
  ]
}}
"#
    );
    Object::new("ClusterRole", "", HEALTH, manifest)
}

/// Takes the anonymous out of [`PUBLIC`], and keeps apiservers from putting them back when they start
/// ([auto-reconciliation](https://kubernetes.io/docs/reference/access-authn-authz/rbac/#auto-reconciliation)).
fn public_binding() -> Object {
    let manifest = format!(
        r#"{{
  "apiVersion": "rbac.authorization.k8s.io/v1",
  "kind": "ClusterRoleBinding",
  "metadata": {{
    "name": "{PUBLIC}",
    "labels": {{ "app.kubernetes.io/managed-by": "fmp" }},
    "annotations": {{ "rbac.authorization.kubernetes.io/autoupdate": "false" }}
  }},
  "roleRef": {{ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "{PUBLIC}" }},
  "subjects": [{{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:authenticated" }}]
}}
"#
    );
    Object::new("ClusterRoleBinding", "", PUBLIC, manifest).taking(&["metadata.annotations", "subjects"])
}

/// Names the cluster. Its id is known to hosts alone, and is added by the one that applies this.
fn identity(common: &Common<'_>) -> Object {
    note(paths::IDENTITY, "name", &common.spec.name)
}

/// Notes a kind that is not Kubernetes' own. There is one for each kind: it goes with the last object of that kind.
pub(super) fn inventory(kind: &str) -> Object {
    note(&paths::inventory(kind), "kind", kind)
}

/// A `ConfigMap` of kube-system with one word, by its key.
fn note(key: &str, what: &str, word: &str) -> Object {
    let name = key.rsplit('/').next().unwrap_or(key);
    let manifest = format!(
        r#"{{
  "apiVersion": "v1",
  "kind": "ConfigMap",
  "metadata": {{
    "name": "{name}",
    "namespace": "kube-system",
    "labels": {{ "app.kubernetes.io/managed-by": "fmp" }}
  }},
  "data": {{ "{what}": "{word}" }}
}}
"#
    );
    Object::new("ConfigMap", "kube-system", name, manifest)
}

fn binding(name: &str, role: &str, kind: &str, subject: &str) -> Object {
    let manifest = format!(
        r#"{{
  "apiVersion": "rbac.authorization.k8s.io/v1",
  "kind": "ClusterRoleBinding",
  "metadata": {{ "name": "{name}", "labels": {{ "app.kubernetes.io/managed-by": "fmp" }} }},
  "roleRef": {{ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "{role}" }},
  "subjects": [{{ "apiGroup": "rbac.authorization.k8s.io", "kind": "{kind}", "name": "{subject}" }}]
}}
"#
    );
    Object::new("ClusterRoleBinding", "", name, manifest)
}

/// flanneld reads every node's part of the pod range and notes its own address on its Node's status
/// ([its rules](https://github.com/flannel-io/flannel/blob/v0.25.7/Documentation/kube-flannel.yml)).
fn flanneld_role() -> Object {
    let manifest = format!(
        r#"{{
  "apiVersion": "rbac.authorization.k8s.io/v1",
  "kind": "ClusterRole",
  "metadata": {{ "name": "{FLANNELD}", "labels": {{ "app.kubernetes.io/managed-by": "fmp" }} }},
  "rules": [
    {{ "apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"] }},
    {{ "apiGroups": [""], "resources": ["nodes/status"], "verbs": ["patch"] }}
  ]
}}
"#
    );
    Object::new("ClusterRole", "", FLANNELD, manifest)
}

/// What FMP owns of a Node object: kubeadm's labels and taint of a main, a work node's label, and the file's own.
pub(super) fn of_node(this: &ThisNode<'_>) -> NodeObject {
    let mut labels: BTreeMap<String, String> = this.node.labels.clone();
    let mut mark = |label: &str| labels.insert(label.to_owned(), String::new());
    let taints = match this.node.role {
        Role::Main => {
            mark(CONTROL_PLANE);
            mark("node.kubernetes.io/exclude-from-external-load-balancers");
            BTreeSet::from([format!("{CONTROL_PLANE}=:NoSchedule")])
        }
        Role::Work => {
            mark("node-role.kubernetes.io/worker");
            BTreeSet::new()
        }
        // Has no Node object.
        Role::Images => BTreeSet::new(),
    };
    NodeObject { pod_cidr: this.pods, labels, taints }
}

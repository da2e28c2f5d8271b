//! Who a component's pods are towards the API, and what they may do on their node.

use super::NONROOT;
use crate::resource::Object;

/// The account of a component's pods.
pub(super) fn account(name: &str) -> Object {
    let manifest = format!(
        r#"{{
  "apiVersion": "v1",
  "kind": "ServiceAccount",
  "metadata": {{ "name": "{name}", "namespace": "kube-system" }}
}}
"#
    );
    Object::new("ServiceAccount", "kube-system", name, manifest)
}

/// A `ClusterRoleBinding` by which an account of `kube-system` has a role.
pub(super) fn cluster_binding(name: &str, role: &str, account: &str) -> Object {
    let manifest = format!(
        r#"{{
  "apiVersion": "rbac.authorization.k8s.io/v1",
  "kind": "ClusterRoleBinding",
  "metadata": {{ "name": "{name}" }},
  "roleRef": {{ "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "{role}" }},
  "subjects": [{{ "kind": "ServiceAccount", "name": "{account}", "namespace": "kube-system" }}]
}}
"#
    );
    Object::new("ClusterRoleBinding", "", name, manifest)
}

/// A `RoleBinding` by which an account of `kube-system` has a role there.
pub(super) fn role_binding(name: &str, role: &str, account: &str) -> Object {
    let manifest = format!(
        r#"{{
  "apiVersion": "rbac.authorization.k8s.io/v1",
  "kind": "RoleBinding",
  "metadata": {{ "name": "{name}", "namespace": "kube-system" }},
  "roleRef": {{ "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "{role}" }},
  "subjects": [{{ "kind": "ServiceAccount", "name": "{account}", "namespace": "kube-system" }}]
}}
"#
    );
    Object::new("RoleBinding", "kube-system", name, manifest)
}

/// The `securityContext` of a container that needs nothing of its node, at the depth of a workload's containers.
pub(super) fn unprivileged() -> String {
    format!(
        r#""securityContext": {{
              "allowPrivilegeEscalation": false,
              "capabilities": {{ "drop": ["ALL"] }},
              "readOnlyRootFilesystem": true,
              "runAsNonRoot": true,
              "runAsUser": {NONROOT},
              "runAsGroup": {NONROOT}
            }}"#
    )
}

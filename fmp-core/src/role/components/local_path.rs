//! local-path-provisioner: volumes of pods, each a folder of its pod's node.
//!
//! The objects have upstream's names and stand in `kube-system`: no namespace of its own has to be there before them. For each
//! volume the provisioner starts a pod on the node that makes the folder, or removes it; that pod's image has a shell and
//! nothing more.

use super::{
    super::common::Common,
    Component, TOLERATIONS,
    access::{account, cluster_binding, role_binding, unprivileged},
    in_json, label,
};
use crate::resource::{Image, Object};

/// The image's name in the bundle.
pub(super) const IMAGE: &str = "local-path-provisioner-image";

/// The name in the bundle of the image with a shell.
pub(super) const HELPER: &str = "busybox-image";

const NAME: &str = "local-path-provisioner";
const ACCOUNT: &str = "local-path-provisioner-service-account";
const ROLE: &str = "local-path-provisioner-role";
const BINDING: &str = "local-path-provisioner-bind";
const CONFIG: &str = "local-path-config";

/// Images of the provisioner and of the pods that it starts.
#[derive(Debug)]
pub(super) struct Images {
    pub(super) provisioner: Image,
    pub(super) helper: Image,
}

/// Any pod of the volume may write there, as whoever it runs.
const SETUP: &str = "\
#!/bin/sh
set -eu
mkdir -m 0777 -p \"$VOL_DIR\"
";

const TEARDOWN: &str = "\
#!/bin/sh
set -eu
rm -rf \"$VOL_DIR\"
";

/// The objects, for folders in `directory`.
pub(super) fn component(common: &Common<'_>, images: &Images, directory: &str) -> Component {
    let label = label(common.spec.component_role());
    let ground = vec![
        account(ACCOUNT),
        role(),
        role_binding(BINDING, ROLE, ACCOUNT),
        cluster_role(),
        cluster_binding(BINDING, ROLE, ACCOUNT),
        config(&images.helper, directory),
        storage_class(label),
    ];
    Component { ground, workload: deployment(&images.provisioner, label) }
}

fn role() -> Object {
    let manifest = format!(
        r#"{{
  "apiVersion": "rbac.authorization.k8s.io/v1",
  "kind": "Role",
  "metadata": {{ "name": "{ROLE}", "namespace": "kube-system" }},
  "rules": [
    {{
      "apiGroups": [""],
      "resources": ["pods"],
      "verbs": ["get", "list", "watch", "create", "patch", "update", "delete"]
    }}
  ]
}}
"#
    );
    Object::new("Role", "kube-system", ROLE, manifest)
}

fn cluster_role() -> Object {
    let manifest = format!(
        r#"{{
  "apiVersion": "rbac.authorization.k8s.io/v1",
  "kind": "ClusterRole",
  "metadata": {{ "name": "{ROLE}" }},
  "rules": [
    {{
      "apiGroups": [""],
      "resources": ["nodes", "persistentvolumeclaims", "configmaps", "pods", "pods/log"],
      "verbs": ["get", "list", "watch"]
    }},
    {{
      "apiGroups": [""],
      "resources": ["persistentvolumes"],
      "verbs": ["get", "list", "watch", "create", "patch", "update", "delete"]
    }},
    {{ "apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"] }},
    {{ "apiGroups": ["storage.k8s.io"], "resources": ["storageclasses"], "verbs": ["get", "list", "watch"] }}
  ]
}}
"#
    );
    Object::new("ClusterRole", "", ROLE, manifest)
}

/// What the provisioner reads, and looks at again by itself.
fn config(helper: &Image, directory: &str) -> Object {
    let nodes = format!(
        r#"{{
  "nodePathMap": [{{ "node": "DEFAULT_PATH_FOR_NON_LISTED_NODES", "paths": ["{directory}"] }}]
}}
"#
    );
    let [nodes, setup, teardown, pod] = [nodes.as_str(), SETUP, TEARDOWN, helper_pod(helper).as_str()].map(in_json);
    let manifest = format!(
        r#"{{
  "apiVersion": "v1",
  "kind": "ConfigMap",
  "metadata": {{ "name": "{CONFIG}", "namespace": "kube-system" }},
  "data": {{
    "config.json": "{nodes}",
    "setup": "{setup}",
    "teardown": "{teardown}",
    "helperPod.yaml": "{pod}"
  }}
}}
"#
    );
    Object::new("ConfigMap", "kube-system", CONFIG, manifest)
}

/// The pod that makes a folder or removes it, which the provisioner completes. What pods have written belongs to whoever they
/// ran as, and goes all the same: hence the capabilities.
fn helper_pod(image: &Image) -> String {
    format!(
        r#"{{
  "apiVersion": "v1",
  "kind": "Pod",
  "metadata": {{ "name": "helper-pod" }},
  "spec": {{
    "priorityClassName": "system-node-critical",
    "automountServiceAccountToken": false,
    "containers": [
      {{
        "name": "helper-pod",
        "image": "{reference}",
        "imagePullPolicy": "Never",
        "securityContext": {{
          "allowPrivilegeEscalation": false,
          "capabilities": {{ "add": ["DAC_OVERRIDE", "FOWNER"], "drop": ["ALL"] }},
          "readOnlyRootFilesystem": true
        }}
      }}
    ]
  }}
}}
"#,
        reference = image.reference
    )
}

/// The class of claims that name none. A volume is made where the scheduler has put its first pod, among nodes that have the
/// image with the shell. It is `local`: a pod whose folder is gone does not begin on an empty one.
fn storage_class(label: &str) -> Object {
    let manifest = format!(
        r#"{{
  "apiVersion": "storage.k8s.io/v1",
  "kind": "StorageClass",
  "metadata": {{
    "name": "local-path",
    "annotations": {{ "defaultVolumeType": "local", "storageclass.kubernetes.io/is-default-class": "true" }}
  }},
  "provisioner": "rancher.io/local-path",
  "volumeBindingMode": "WaitForFirstConsumer",
  "reclaimPolicy": "Delete",
  "allowedTopologies": [{{ "matchLabelExpressions": [{{ "key": "{label}", "values": [""] }}] }}]
}}
"#
    );
    Object::new("StorageClass", "", "local-path", manifest)
}

/// One pod, and never two: both would start pods for the same volume. Volumes that are there do without it. A node that was
/// away for long still loses the folders of volumes that were deleted meanwhile: nothing is given up.
fn deployment(image: &Image, label: &str) -> Object {
    let manifest = format!(
        r#"{{
  "apiVersion": "apps/v1",
  "kind": "Deployment",
  "metadata": {{ "name": "{NAME}", "namespace": "kube-system", "labels": {{ "app": "{NAME}" }} }},
  "spec": {{
    "replicas": 1,
    "strategy": {{ "type": "Recreate" }},
    "selector": {{ "matchLabels": {{ "app": "{NAME}" }} }},
    "template": {{
      "metadata": {{ "labels": {{ "app": "{NAME}" }} }},
      "spec": {{
        "priorityClassName": "system-cluster-critical",
        "serviceAccountName": "{ACCOUNT}",
        "nodeSelector": {{ "kubernetes.io/os": "linux", "{label}": "" }},
{TOLERATIONS}        "containers": [
          {{
            "name": "{NAME}",
            "image": "{reference}",
            "imagePullPolicy": "Never",
            "command": [
              "local-path-provisioner",
              "start",
              "--config=/etc/config/config.json",
              "--configmap-name={CONFIG}",
              "--service-account-name={ACCOUNT}",
              "--provisioning-retry-count=0",
              "--deletion-retry-count=0"
            ],
            "env": [
              {{ "name": "POD_NAMESPACE", "valueFrom": {{ "fieldRef": {{ "fieldPath": "metadata.namespace" }} }} }},
              {{ "name": "CONFIG_MOUNT_PATH", "value": "/etc/config/" }}
            ],
            "resources": {{ "requests": {{ "cpu": "10m", "memory": "32Mi" }} }},
            "volumeMounts": [{{ "name": "config", "mountPath": "/etc/config", "readOnly": true }}],
            {unprivileged}
          }}
        ],
        "volumes": [{{ "name": "config", "configMap": {{ "name": "{CONFIG}" }} }}]
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

//! Kinds of objects that Kubernetes itself has, and whether they live in namespaces.
//!
//! Of these a manifest can be judged before there is an API. Others come with a `CustomResourceDefinition`.

/// Where objects of a kind live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the cluster as a whole.
    Cluster,
    /// In a namespace.
    Namespace,
}

/// Kubernetes' own kinds that manifests bring: group, kind, place
/// ([the API's reference](https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.29/)).
const OWN: &[(&str, &str, Place)] = &[
    ("", "ConfigMap", Place::Namespace),
    ("", "LimitRange", Place::Namespace),
    ("", "Namespace", Place::Cluster),
    ("", "PersistentVolume", Place::Cluster),
    ("", "PersistentVolumeClaim", Place::Namespace),
    ("", "Pod", Place::Namespace),
    ("", "ResourceQuota", Place::Namespace),
    ("", SECRET, Place::Namespace),
    ("", "Service", Place::Namespace),
    ("", "ServiceAccount", Place::Namespace),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration", Place::Cluster),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration", Place::Cluster),
    ("apiextensions.k8s.io", CRD, Place::Cluster),
    ("apiregistration.k8s.io", "APIService", Place::Cluster),
    ("apps", "DaemonSet", Place::Namespace),
    ("apps", "Deployment", Place::Namespace),
    ("apps", "StatefulSet", Place::Namespace),
    ("autoscaling", "HorizontalPodAutoscaler", Place::Namespace),
    ("batch", "CronJob", Place::Namespace),
    ("batch", "Job", Place::Namespace),
    ("discovery.k8s.io", SLICE, Place::Namespace),
    ("networking.k8s.io", "Ingress", Place::Namespace),
    ("networking.k8s.io", "IngressClass", Place::Cluster),
    ("networking.k8s.io", "NetworkPolicy", Place::Namespace),
    ("policy", "PodDisruptionBudget", Place::Namespace),
    ("rbac.authorization.k8s.io", "ClusterRole", Place::Cluster),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding", Place::Cluster),
    ("rbac.authorization.k8s.io", "Role", Place::Namespace),
    ("rbac.authorization.k8s.io", "RoleBinding", Place::Namespace),
    ("scheduling.k8s.io", "PriorityClass", Place::Cluster),
    ("storage.k8s.io", "StorageClass", Place::Cluster),
];

/// The kind whose content nobody sees.
pub const SECRET: &str = "Secret";

/// The kind of which the API makes most objects itself, with the labels of their Service.
pub const SLICE: &str = "EndpointSlice";

/// The kind that brings other kinds.
pub const CRD: &str = "CustomResourceDefinition";

/// Where objects of one of Kubernetes' own kinds live; `None`: it is none of them.
pub fn place(api_version: &str, kind: &str) -> Option<Place> {
    let group = group(api_version);
    OWN.iter().find(|(own, name, _)| *own == group && *name == kind).map(|(.., place)| *place)
}

/// The names of all of them: these the API always has.
pub fn own() -> impl Iterator<Item = &'static str> {
    OWN.iter().map(|(_, kind, _)| *kind)
}

/// How keys name a kind: alone where it is Kubernetes' own, with its group otherwise (`Certificate.cert-manager.io`), as
/// kubectl understands it too.
pub fn word(api_version: &str, kind: &str) -> String {
    let group = group(api_version);
    if place(api_version, kind).is_some() || group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") }
}

/// Whether a word of [`word`] names a kind that may be missing from the API: whoever asks for it has to ask alone.
pub fn is_foreign(word: &str) -> bool {
    word.contains('.')
}

/// The group of an `apiVersion`: empty for Kubernetes' core.
fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_named_alone_where_it_is_kubernetes_own() {
        assert_eq!(word("apps/v1", "Deployment"), "Deployment");
        assert_eq!(word("v1", "ConfigMap"), "ConfigMap");
        assert_eq!(word("cert-manager.io/v1", "Certificate"), "Certificate.cert-manager.io");
        // Somebody else's kind of the same name is another kind.
        assert_eq!(word("serving.knative.dev/v1", "Service"), "Service.serving.knative.dev");
        assert!(is_foreign("Service.serving.knative.dev") && !is_foreign("Service"));
    }

    #[test]
    fn every_kind_stands_once_and_in_order() {
        assert!(OWN.is_sorted_by_key(|(group, kind, _)| (*group, *kind)));
    }
}

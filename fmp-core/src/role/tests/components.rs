//! Components: objects that are what their keys say, images where the pods may run.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::{LowerError, kinds, lower, testing::*};
use crate::{
    graph::Desired,
    manifest::{ManifestFile, parse},
    resource::{Resource, ResourceId},
    role::paths::key,
    spec::{Bundled, Dns, Role, Spec},
};

const IMAGE: &str = "registry.k8s.io/coredns/coredns:v1.11.3";
const DEPLOYMENT: &str = "Deployment/kube-system/coredns";

/// With so many of its two work nodes.
fn with(works: usize) -> Spec {
    let mut spec = cluster("1.29.15", "routed");
    let surplus: Vec<_> = spec.workers().map(|(name, _)| name.clone()).skip(works).collect();
    surplus.iter().for_each(|name| _ = spec.nodes.remove(name));
    spec
}

fn lowered(spec: &Spec) -> Desired {
    lower(spec, &bundle("1.29.15"), &nothing(spec)).unwrap().desired
}

fn manifest(desired: &Desired, object: &str) -> Value {
    let handle = desired.find(&ResourceId::cluster(key::object(object))).unwrap_or_else(|| panic!("no {object}"));
    match desired.resource(handle) {
        Resource::Object(object) => serde_json::from_str(&object.manifest.text).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_object_is_what_its_key_says() {
    for works in [0, 1, 2] {
        let desired = lowered(&with(works));
        for (_, _, resource) in desired.iter() {
            let Resource::Object(object) = resource else { continue };
            let manifest: Value = serde_json::from_str(&object.manifest.text).unwrap();
            let part = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (kind, metadata) = (part(&manifest["kind"]), &manifest["metadata"]);
            assert_eq!(object.key, format!("{kind}/{}/{}", part(&metadata["namespace"]), part(&metadata["name"])));
            assert!(kinds().any(|known| known == kind), "{kind} is asked for");
        }
    }
}

#[test]
fn images_are_where_pods_may_run_and_come_before_them() {
    for (works, role) in [(0, Role::Main), (1, Role::Work), (2, Role::Work)] {
        let spec = with(works);
        let desired = lowered(&spec);
        let deployment = desired.find(&ResourceId::cluster(key::object(DEPLOYMENT))).unwrap();
        let needed: BTreeSet<String> =
            desired.dependencies(deployment).iter().map(|at| desired.id(*at).to_string()).collect();
        for (name, node) in &spec.nodes {
            let id = ResourceId::node(name, key::image(IMAGE));
            assert_eq!(desired.find(&id).is_some(), node.role == role, "{works} work nodes: {name}");
            assert_eq!(needed.contains(&id.to_string()), node.role == role, "{works} work nodes: {name}");
        }
    }
}

#[test]
fn a_single_pod_stays_until_its_successor_is_ready() {
    let strategy = |works| {
        let manifest = manifest(&lowered(&with(works)), DEPLOYMENT);
        let unavailable = manifest["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"].as_u64();
        let apart = !manifest["spec"]["template"]["spec"]["affinity"].is_null();
        (manifest["spec"]["replicas"].as_u64(), unavailable, apart)
    };
    assert_eq!(strategy(0), (Some(2), Some(1), true));
    assert_eq!(strategy(1), (Some(1), Some(0), false));
    assert_eq!(strategy(2), (Some(2), Some(1), true));
}

#[test]
fn who_brings_dns_himself_gets_none() {
    let mut spec = with(2);
    spec.components.dns = Dns::None;
    let desired = lowered(&spec);
    assert!(desired.find(&ResourceId::cluster(key::object(DEPLOYMENT))).is_none());
    assert!(desired.iter().all(|(_, id, _)| id.key != key::image(IMAGE).into()));
}

/// With objects that a person brings.
fn bringing(text: &str) -> Spec {
    let file = ManifestFile { name: "a.yaml".to_owned(), text: text.to_owned() };
    let mut spec = with(2);
    let bundled = Bundled { path: "a".to_owned(), objects: parse(&[file]).unwrap() };
    spec.components.manifests.insert("a".to_owned(), bundled);
    spec
}

fn pod(tolerations: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: data}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: \
         data}}\nspec:\n  tolerations: [{tolerations}]\n  containers:\n  - {{name: a, image: '{PAUSE}'}}\n  - {{name: b, image: \
         'example.com/else:1'}}\n"
    )
}

const PAUSE: &str = "example.com/brought:1";

fn bundle_with_image() -> crate::bundle::Lock {
    let mut lock = bundle("1.29.15");
    let mut entry = lock.entry("pause-image").unwrap().clone();
    entry.name = "brought-image".parse().unwrap();
    entry.kind = crate::bundle::Kind::Image(PAUSE.to_owned());
    lock.insert(entry);
    lock
}

#[test]
fn what_a_person_brings_comes_after_its_namespace_and_the_bundles_images() {
    for (tolerations, on_mains) in [("", false), ("{operator: Exists}", true)] {
        let spec = bringing(&pod(tolerations));
        let desired = lower(&spec, &bundle_with_image(), &nothing(&spec)).unwrap().desired;
        let find = |object: &str| desired.find(&ResourceId::cluster(key::object(object))).unwrap();
        let needed: BTreeSet<String> =
            desired.dependencies(find("Pod/data/p")).iter().map(|at| desired.id(*at).to_string()).collect();
        assert!(needed.contains("cluster/object/Namespace//data"), "{needed:?}");
        for (name, node) in &spec.nodes {
            let image = ResourceId::node(name, key::image(PAUSE));
            let expected = on_mains || node.role == Role::Work;
            assert_eq!(desired.find(&image).is_some(), expected, "{name}");
            assert_eq!(needed.contains(&image.to_string()), expected, "{name}");
        }
        assert!(
            desired.iter().all(|(_, id, _)| !id.key.contains("example.com/else")),
            "what the bundle lacks is pulled"
        );
    }
}

#[test]
fn what_fmp_brings_itself_nobody_else_may() {
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: coredns, namespace: kube-system}\n";
    let spec = bringing(account);
    let key = "ServiceAccount/kube-system/coredns".to_owned();
    assert_eq!(lower(&spec, &bundle("1.29.15"), &nothing(&spec)).unwrap_err(), LowerError::Taken { key });
}

//! Components: objects that are what their keys say, images where the pods may run.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::{KINDS, lower, testing::*};
use crate::{
    graph::Desired,
    resource::{Resource, ResourceId},
    role::paths::key,
    spec::{Components, Dns, Role, Spec},
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
            assert!(KINDS.contains(&&*kind), "{kind} is asked for");
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
    let spec = Spec { components: Components { dns: Dns::None }, ..with(2) };
    let desired = lowered(&spec);
    assert!(desired.find(&ResourceId::cluster(key::object(DEPLOYMENT))).is_none());
    assert!(desired.iter().all(|(_, id, _)| id.key != key::image(IMAGE).into()));
}

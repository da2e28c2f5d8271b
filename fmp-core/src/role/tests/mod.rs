//! What lowering promises: who is lowered, what needs what, what is shared.

mod components;
mod entrance;
mod images;
mod machines;
mod minors;
mod packages;
mod platform;
mod units;
mod volumes;

use std::{collections::BTreeSet, sync::Arc};

use super::{LowerError, lower, paths::key, questions_graph, testing::*};
use crate::{
    observed::Fact,
    resource::{Resource, ResourceId, Scope},
    spec::{AppsAddress, AppsEntrance, Environment, Ingress, Metrics, Spec, Volumes},
};

#[test]
fn a_host_that_did_not_answer_is_left_out_with_the_reason() {
    let spec = cluster("1.29.15", "routed");
    let mut observed = nothing(&spec);
    observed.hosts.insert(node("main-2"), Fact::Unknown("no route to host".to_owned()));
    observed.hosts.remove(&node("work-2"));
    let lowered = lower(&spec, &bundle("1.29.15"), &observed).unwrap();
    let waiting: Vec<_> = lowered.waiting.iter().map(|(name, why)| (name.as_str(), why.as_str())).collect();
    assert_eq!(waiting, [("main-2", "no route to host"), ("work-2", "nobody asked it")]);
    let nodes: BTreeSet<String> = lowered.desired.iter().map(|(_, id, _)| id.scope.to_string()).collect();
    assert!(nodes.iter().eq(["cluster", "main-1", "main-3", "work-1"]), "{nodes:?}");
}

#[test]
fn the_machine_of_a_host_that_did_not_answer_is_wanted_of_whoever_made_it() {
    let spec = Spec { environment: Environment::Local, ..cluster("1.29.15", "routed") };
    let mut observed = nothing(&spec);
    observed.hosts.insert(node("main-2"), Fact::Unknown("no route to host".to_owned()));
    let lowered = lower(&spec, &bundle("1.29.15"), &observed).unwrap();
    let silent = Scope::Node(node("main-2"));
    let wanted: Vec<_> = lowered.desired.iter().filter(|(_, id, _)| id.scope == silent).map(|(_, _, it)| it).collect();
    assert_eq!(wanted, [&Resource::Machine]);
}

#[test]
fn questions_are_about_every_host_and_the_same_paths() {
    let spec = cluster("1.29.15", "routed");
    let questions = questions_graph(&spec, &bundle("1.29.15")).unwrap();
    let lowered = born("1.29.15", "routed").desired;
    assert!(questions.iter().map(|(_, id, _)| id).eq(lowered.iter().map(|(_, id, _)| id)));
}

#[test]
fn what_the_bundle_lacks_is_named() {
    let mut spec = cluster("1.29.15", "routed");
    spec.components.metrics = Metrics::MetricsServer;
    spec.components.volumes = Volumes::LocalPath { directory: "/data".to_owned() };
    spec.components.ingress = Ingress::Traefik;
    let whole = bundle("1.29.15");
    let services = vec!["192.0.2.30".parse().unwrap()];
    let shared = AppsAddress { address: [192, 0, 2, 20].into(), ports: [80, 443].into(), router_id: 20, services };
    spec.apps_entrance = AppsEntrance::Keepalived(shared);
    let images = [
        "coredns-image",
        "metrics-server-image",
        "local-path-provisioner-image",
        "busybox-image",
        "traefik-image",
        "metallb-controller-image",
    ];
    for name in ["etcd", "kubelet", "bridge", "flanneld", "pause-image"].into_iter().chain(images) {
        let lock = whole.entries().filter(|entry| entry.name.as_str() != name).cloned().collect();
        let error = lower(&spec, &lock, &nothing(&spec)).unwrap_err();
        assert_eq!(error, LowerError::Missing { name: name.to_owned() });
    }
    let error = lower(&spec, &bundle("1.28.15"), &nothing(&spec)).unwrap_err();
    assert_eq!(error.to_string(), "the bundle has `kube-apiserver` 1.28.15, and 1.29.15 is wanted");
}

#[test]
fn every_need_that_keeps_a_cluster_whole_is_an_edge() {
    let desired = born("1.29.15", "routed").desired;
    for (name, dependent, on, dependency) in [
        ("main-1", "etcd-member", "main-1", "certificate/etc/kubernetes/pki/etcd/peer.crt"),
        ("main-1", "etcd-member", "main-1", "file/etc/systemd/system/etcd.service"),
        ("main-1", "unit/etcd.service", "main-1", "etcd-member"),
        ("main-1", "unit/kube-apiserver.service", "main-1", "etcd-member"),
        ("main-1", "unit/kube-apiserver.service", "main-1", "trust/encryption-config"),
        ("main-1", "unit/kube-scheduler.service", "main-1", "unit/kube-apiserver.service"),
        ("work-1", "unit/containerd.service", "work-1", "unit/fmp-host.service"),
        ("work-1", "image/registry.k8s.io/pause:3.9", "work-1", "unit/containerd.service"),
        ("work-1", "unit/kubelet.service", "work-1", "image/registry.k8s.io/pause:3.9"),
        ("work-1", "unit/kubelet.service", "work-1", "unit/fmp-balancer.service"),
        ("work-1", "unit/kubelet.service", "work-1", "node-object"),
        ("work-1", "unit/kubelet.service", "work-1", "file/etc/cni/net.d/10-fmp.conflist"),
        ("work-1", "unit/kube-proxy.service", "work-1", "node-object"),
        ("work-1", "node-object", "main-3", "unit/kube-apiserver.service"),
        ("work-1", "unit/flanneld.service", "cluster", "object/ClusterRoleBinding//fmp:flanneld"),
        ("cluster", "object/ClusterRoleBinding//fmp:flanneld", "main-2", "unit/kube-apiserver.service"),
        // Balancers may ask for health by our own binding before Kubernetes' own lets nobody in any more.
        ("cluster", "object/ClusterRoleBinding//fmp:health", "cluster", "object/ClusterRole//fmp:health"),
        (
            "cluster",
            "object/ClusterRoleBinding//system:public-info-viewer",
            "cluster",
            "object/ClusterRoleBinding//fmp:health",
        ),
        ("work-1", "certificate/var/lib/kubelet/pki/kubelet.crt", "work-1", "trust/ca"),
        ("work-1", "artifact/kubelet", "work-1", "trust/cluster-id"),
    ] {
        let id = |scope: &str, key: &str| match scope {
            "cluster" => ResourceId::cluster(key),
            name => ResourceId::node(&node(name), key),
        };
        let handle = |id: ResourceId| desired.find(&id).unwrap_or_else(|| panic!("there is no {id}"));
        let (dependent, dependency) = (handle(id(name, dependent)), handle(id(on, dependency)));
        let needs = desired.dependencies(dependent);
        assert!(needs.contains(&dependency), "{} needs {}", desired.id(dependent), desired.id(dependency));
    }
}

/// RBAC gives the anonymous the paths of health, and everything else of theirs is taken from them.
#[test]
fn the_anonymous_may_ask_for_health_and_nothing_else() {
    let desired = born("1.29.15", "routed").desired;
    let manifest = |key: &str| match desired.find(&ResourceId::cluster(key)).map(|handle| desired.resource(handle)) {
        Some(Resource::Object(object)) => object.manifest.text.clone(),
        other => panic!("{key}: {other:?}"),
    };
    let to_anybody = |resource: &Resource| match resource {
        Resource::Object(object) => object.manifest.text.contains("system:unauthenticated"),
        _ => false,
    };
    let given: Vec<_> =
        desired.iter().filter(|(_, _, it)| to_anybody(it)).map(|(_, id, _)| id.key.to_string()).collect();
    assert_eq!(given, ["object/ClusterRoleBinding//fmp:health"]);
    let paths = manifest("object/ClusterRole//fmp:health");
    let listed = "[\"/healthz\", \"/healthz/*\", \"/livez\", \"/livez/*\", \"/readyz\", \"/readyz/*\"]";
    assert!(paths.contains(listed) && !paths.contains("/version"), "{paths}");
    let public = manifest("object/ClusterRoleBinding//system:public-info-viewer");
    assert!(public.contains("\"rbac.authorization.kubernetes.io/autoupdate\": \"false\""), "{public}");
    assert!(public.contains("system:authenticated"), "who has a name may still ask for the version: {public}");
}

#[test]
fn the_object_that_names_the_cluster_is_found_where_observation_looks() {
    let desired = born("1.29.15", "routed").desired;
    let identity =
        desired.find(&ResourceId::cluster(key::object(super::paths::IDENTITY))).map(|at| desired.resource(at));
    assert!(
        matches!(identity, Some(Resource::Object(it)) if it.manifest.text.contains("\"name\": \"lab\"")),
        "{identity:?}"
    );
}

#[test]
fn everything_on_a_local_machine_needs_the_machine() {
    let mut spec = cluster("1.29.15", "flannel");
    spec.environment = Environment::Local;
    let desired = lower(&spec, &bundle("1.29.15"), &nothing(&spec)).unwrap().desired;
    let elsewhere = [key::MACHINE, key::NODE_OBJECT];
    let on_hosts = |id: &ResourceId| id.scope != Scope::Cluster && !elsewhere.contains(&&*id.key);
    for (handle, id, _) in desired.iter().filter(|(_, id, _)| on_hosts(id)) {
        let mut open = vec![handle];
        let mut machines = BTreeSet::new();
        while let Some(at) = open.pop() {
            open.extend(desired.dependencies(at));
            if *desired.resource(at) == Resource::Machine {
                machines.insert(desired.id(at).scope.clone());
            }
        }
        assert!(machines.contains(&id.scope), "{id}");
    }
}

#[test]
fn nothing_names_one_main() {
    let desired = born("1.29.15", "routed").desired;
    for (_, id, resource) in desired.iter() {
        let Resource::File(file) = resource else { continue };
        if &*file.path == super::paths::NODE_ENV {
            continue;
        }
        let named = ["198.18.0.11", "198.18.0.12", "198.18.0.13"].map(|main| file.content.text.contains(main));
        assert!(named == [true; 3] || named == [false; 3], "{id} names {named:?}");
    }
}

#[test]
fn nodes_of_a_role_share_texts_and_inputs() {
    let desired = born("1.29.15", "routed").desired;
    let mut own = BTreeSet::new();
    for (_, id, one) in desired.iter().filter(|(_, id, _)| id.scope == Scope::Node(node("main-1"))) {
        match (one, find(&desired, "main-2", &id.key)) {
            (Resource::File(one), Resource::File(other)) if !Arc::ptr_eq(&one.content.text, &other.content.text) => {
                own.insert(one.path.clone());
            }
            (Resource::Unit(one), Resource::Unit(other)) => assert!(Arc::ptr_eq(&one.inputs, &other.inputs), "{id}"),
            _ => {}
        }
    }
    assert!(own.iter().map(|path| &**path).eq(["/etc/cni/net.d/10-fmp.conflist", "/etc/fmp/node.env"]), "{own:?}");
}

#[test]
fn work_nodes_hold_no_private_key_of_an_authority() {
    let desired = born("1.29.15", "routed").desired;
    for (_, id, resource) in desired.iter().filter(|(_, id, _)| id.scope == Scope::Node(node("work-1"))) {
        match resource {
            Resource::Trust(trust) => assert!(!trust.private, "{id}"),
            Resource::Certificate(certificate) => {
                assert!(!certificate.request.organizations.contains("system:masters"), "{id}");
            }
            _ => {}
        }
    }
}

#[test]
fn an_external_network_brings_its_own_plug_ins() {
    let lowered = born("1.29.15", "external");
    assert!(lowered.waiting.is_empty());
    let desired = lowered.desired;
    assert!(text(&desired, "work-1", "/etc/fmp/containerd.toml").contains("bin_dir = \"/opt/cni/bin\""));
    assert!(text(&desired, "work-1", super::paths::NODE_ENV).ends_with("POD_CIDR=\n"));
    assert!(desired.iter().all(|(_, id, _)| !id.key.contains("flanneld") && !id.key.contains("bridge")));
}

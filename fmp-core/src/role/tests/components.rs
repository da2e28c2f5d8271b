//! Components: objects that are what their keys say, images where the pods may run.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::{LowerError, kinds, lower, testing::*};
use crate::{
    graph::Desired,
    manifest::{ManifestFile, is_foreign, parse, word},
    resource::{Resource, ResourceId},
    role::paths::{self, key},
    spec::{AppsAddress, AppsBalancer, AppsEntrance, Bundled, Dns, Ingress, Metrics, Role, Spec, Volumes},
};

const COREDNS: &str = "Deployment/kube-system/coredns";
const METRICS_SERVER: &str = "Deployment/kube-system/metrics-server";
const LOCAL_PATH: &str = "Deployment/kube-system/local-path-provisioner";
const TRAEFIK: &str = "DaemonSet/kube-system/traefik";
const METALLB: &str = "Deployment/kube-system/metallb-controller";
const POOL: &str = "IPAddressPool.metallb.io/kube-system/entrance-apps";
const BUSYBOX: &str = "fmp.local/busybox:1.35.0";

/// Every component on so many nodes of each role.
fn sized(mains: usize, works: usize) -> Spec {
    let mut spec = cluster("1.29.15", "routed");
    let (main, work) = (spec.nodes["main-1"].clone(), spec.nodes["work-1"].clone());
    let mains = (1..=mains).map(|n| (node(&format!("main-{n}")), main.clone()));
    let works = (1..=works).map(|n| (node(&format!("work-{n}")), work.clone()));
    spec.nodes = mains.chain(works).collect();
    spec.components.metrics = Metrics::MetricsServer;
    spec.components.volumes = Volumes::LocalPath { directory: "/data/pods".to_owned() };
    spec.components.ingress = Ingress::Traefik;
    let services = vec!["192.0.2.30".parse().unwrap(), "192.0.2.40/30".parse().unwrap()];
    let shared = AppsAddress { address: [192, 0, 2, 20].into(), ports: [80, 443].into(), router_id: 20, services };
    spec.apps_entrance = AppsEntrance::Keepalived(shared);
    spec
}

/// Sizes that differ in where pods may run and how many: none to spare, one, two, as many as the fixtures have.
const SIZES: [(usize, usize); 5] = [(1, 0), (3, 0), (3, 1), (3, 2), (3, 4)];

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
    for (mains, works) in SIZES {
        let desired = lowered(&sized(mains, works));
        for (_, _, resource) in desired.iter() {
            let Resource::Object(object) = resource else { continue };
            let manifest: Value = serde_json::from_str(&object.manifest.text).unwrap();
            let part = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (kind, metadata) = (part(&manifest["kind"]), &manifest["metadata"]);
            let kind = word(manifest["apiVersion"].as_str().unwrap(), &kind);
            assert_eq!(object.key, format!("{kind}/{}/{}", part(&metadata["namespace"]), part(&metadata["name"])));
            let note = ResourceId::cluster(key::object(&paths::inventory(&kind)));
            let is_noted = is_foreign(&kind) && desired.find(&note).is_some();
            assert!(is_noted || kinds().any(|known| known == kind), "{kind} is asked for");
        }
    }
}

#[test]
fn images_are_where_pods_may_run_and_come_before_them() {
    for (mains, works) in SIZES {
        let role = if works == 0 { Role::Main } else { Role::Work };
        let spec = sized(mains, works);
        let desired = lowered(&spec);
        let images = [COREDNS, METRICS_SERVER, LOCAL_PATH, TRAEFIK, METALLB];
        let images = images.map(|it| (it, image_of(&manifest(&desired, it))));
        for (workload, image) in images.into_iter().chain([(LOCAL_PATH, BUSYBOX.to_owned())]) {
            let at = desired.find(&ResourceId::cluster(key::object(workload))).unwrap();
            let needed: BTreeSet<String> =
                desired.dependencies(at).iter().map(|at| desired.id(*at).to_string()).collect();
            for (name, node) in &spec.nodes {
                let id = ResourceId::node(name, key::image(&image));
                assert_eq!(desired.find(&id).is_some(), node.role == role, "{works} work nodes: {id}");
                assert_eq!(needed.contains(&id.to_string()), node.role == role, "{works} work nodes: {id}");
            }
        }
    }
}

/// The image of a workload's one container, which nobody pulls.
fn image_of(deployment: &Value) -> String {
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["imagePullPolicy"], "Never");
    container["image"].as_str().unwrap().to_owned()
}

#[test]
fn a_single_pod_stays_until_its_successor_is_ready() {
    for workload in [COREDNS, METRICS_SERVER] {
        let strategy = |mains, works| {
            let manifest = manifest(&lowered(&sized(mains, works)), workload);
            let unavailable = manifest["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"].as_u64();
            let apart = !manifest["spec"]["template"]["spec"]["affinity"].is_null();
            (manifest["spec"]["replicas"].as_u64(), unavailable, apart)
        };
        for alone in [(1, 0), (3, 1)] {
            assert_eq!(strategy(alone.0, alone.1), (Some(1), Some(0), false), "{workload}");
        }
        for several in [(3, 0), (3, 2), (3, 4)] {
            assert_eq!(strategy(several.0, several.1), (Some(2), Some(1), true), "{workload}");
        }
    }
}

#[test]
fn pods_are_chosen_by_what_they_are_labelled_with() {
    let desired = lowered(&sized(3, 4));
    for (workload, service, budget) in [
        (COREDNS, "Service/kube-system/kube-dns", "PodDisruptionBudget/kube-system/coredns"),
        (METRICS_SERVER, "Service/kube-system/metrics-server", "PodDisruptionBudget/kube-system/metrics-server"),
    ] {
        let (workload, budget) = (manifest(&desired, workload), manifest(&desired, budget));
        let template = &workload["spec"]["template"];
        let labels = &template["metadata"]["labels"];
        let apart = &template["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
        assert_eq!(&workload["spec"]["selector"]["matchLabels"], labels);
        assert_eq!(&apart[0]["labelSelector"]["matchLabels"], labels);
        assert_eq!(&manifest(&desired, service)["spec"]["selector"], labels);
        assert_eq!(&budget["spec"]["selector"]["matchLabels"], labels);
        assert_eq!(budget["spec"]["maxUnavailable"], 1);
    }
}

#[test]
fn metrics_server_verifies_kubelets_and_keeps_nothing_on_its_node() {
    let manifest = manifest(&lowered(&sized(3, 4)), METRICS_SERVER);
    let pod = &manifest["spec"]["template"]["spec"];
    let args: Vec<&str> = pod["containers"][0]["args"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for wanted in [
        "--kubelet-certificate-authority=/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
        "--kubelet-preferred-address-types=InternalIP",
        "--cert-dir=",
    ] {
        assert!(args.contains(&wanted), "{args:?}");
    }
    assert!(args.iter().all(|arg| !arg.contains("insecure")), "{args:?}");
    assert!(pod["volumes"].is_null(), "an emptyDir would need consent before its pod leaves a node");
    assert_eq!(image_of(&manifest), "registry.k8s.io/metrics-server/metrics-server:v0.7.2");
}

#[test]
fn the_api_of_metrics_is_answered_by_their_service() {
    let desired = lowered(&sized(3, 4));
    let api = manifest(&desired, "APIService//v1beta1.metrics.k8s.io");
    let service = manifest(&desired, "Service/kube-system/metrics-server");
    assert_eq!(api["spec"]["service"]["name"], service["metadata"]["name"]);
    assert_eq!(api["spec"]["service"]["namespace"], service["metadata"]["namespace"]);
    assert_eq!(api["spec"]["service"]["port"], service["spec"]["ports"][0]["port"]);
    let container = &manifest(&desired, METRICS_SERVER)["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["ports"][0]["name"], service["spec"]["ports"][0]["targetPort"]);
}

#[test]
fn the_ingress_answers_at_its_nodes_own_ports_and_says_where_it_is_reached() {
    let arguments = |spec: &Spec| {
        let manifest = manifest(&lowered(spec), TRAEFIK);
        let pod = &manifest["spec"]["template"];
        assert_eq!(manifest["spec"]["selector"]["matchLabels"], pod["metadata"]["labels"]);
        let container = &pod["spec"]["containers"][0];
        let ports: Vec<_> =
            container["ports"].as_array().unwrap().iter().map(|port| port["hostPort"].as_u64()).collect();
        assert!(manifest["spec"]["minReadySeconds"].as_u64() >= Some(5), "each is given time to get the address");
        assert_eq!(ports, [Some(80), Some(443), None], "who asks for its health is its kubelet alone");
        let arguments = container["args"].as_array().unwrap().iter().filter_map(Value::as_str);
        arguments.map(str::to_owned).collect::<Vec<_>>()
    };
    let mut spec = Spec { apps_entrance: AppsEntrance::None, ..sized(3, 4) };
    let told = |arguments: &[String], word: &str| arguments.iter().any(|argument| argument.contains(word));
    let alone = arguments(&spec);
    assert!(told(&alone, "checknewversion=false") && told(&alone, "sendanonymoususage=false"), "{alone:?}");
    assert!(!told(&alone, "ingressendpoint"), "there is no shared address: {alone:?}");
    let shared =
        AppsAddress { address: [192, 0, 2, 20].into(), ports: [80, 443].into(), router_id: 20, services: Vec::new() };
    spec.apps_entrance = AppsEntrance::Keepalived(shared);
    let behind = arguments(&spec);
    assert!(told(&behind, "ingressendpoint.ip=192.0.2.20") && !told(&behind, "trustedips"), "{behind:?}");
    let external = |host: &str, proxies: &[[u8; 4]]| {
        let proxies = proxies.iter().map(|address| (*address).into()).collect();
        AppsEntrance::External(AppsBalancer { host: host.to_owned(), ports: [443].into(), proxies })
    };
    spec.apps_entrance = external("apps.example.org", &[]);
    let elsewhere = arguments(&spec);
    assert!(told(&elsewhere, "ingressendpoint.hostname=apps.example.org") && !told(&elsewhere, "trustedips"));
    spec.apps_entrance = external("192.0.2.20", &[[192, 0, 2, 3], [192, 0, 2, 4]]);
    let trusting = arguments(&spec);
    for wanted in [
        "--providers.kubernetesingress.ingressendpoint.ip=192.0.2.20",
        "--entrypoints.web.proxyprotocol.trustedips=192.0.2.3,192.0.2.4",
        "--entrypoints.websecure.proxyprotocol.trustedips=192.0.2.3,192.0.2.4",
        "--entrypoints.web.forwardedheaders.trustedips=192.0.2.3,192.0.2.4",
        "--entrypoints.websecure.forwardedheaders.trustedips=192.0.2.3,192.0.2.4",
    ] {
        assert!(trusting.iter().any(|argument| argument == wanted), "{wanted}: {trusting:?}");
    }
}

#[test]
fn what_nobody_asks_for_is_not_there() {
    let found = |spec: &Spec| {
        let desired = lowered(spec);
        let has = |word: &&str| desired.iter().any(|(_, id, _)| id.key.contains(word));
        ["coredns", "metrics", "local-path", "busybox", "traefik", "metallb"]
            .into_iter()
            .filter(has)
            .collect::<Vec<_>>()
    };
    assert_eq!(found(&cluster("1.29.15", "routed")), ["coredns"]);
    let mut own = sized(3, 2);
    own.components.dns = Dns::None;
    assert_eq!(found(&own), ["metrics", "local-path", "busybox", "traefik", "metallb"]);
}

/// A text of the provisioner's configuration.
fn configured(desired: &Desired, key: &str) -> String {
    let config = manifest(desired, "ConfigMap/kube-system/local-path-config");
    config["data"][key].as_str().unwrap_or_else(|| panic!("no {key}")).to_owned()
}

#[test]
fn volumes_of_pods_are_made_in_their_directory_by_a_pod_whose_image_is_there() {
    for (mains, works) in SIZES {
        let desired = lowered(&sized(mains, works));
        let nodes: Value = serde_json::from_str(&configured(&desired, "config.json")).unwrap();
        assert_eq!(nodes["nodePathMap"][0]["paths"][0], "/data/pods");
        assert_eq!(configured(&desired, "setup"), "#!/bin/sh\nset -eu\nmkdir -m 0777 -p \"$VOL_DIR\"\n");
        assert_eq!(configured(&desired, "teardown"), "#!/bin/sh\nset -eu\nrm -rf \"$VOL_DIR\"\n");
        let helper: Value = serde_json::from_str(&configured(&desired, "helperPod.yaml")).unwrap();
        let container = &helper["spec"]["containers"][0];
        assert_eq!(container["image"], BUSYBOX);
        assert_eq!(container["imagePullPolicy"], "Never");
        assert_eq!(helper["spec"]["automountServiceAccountToken"], false);
    }
}

#[test]
fn volumes_are_made_where_pods_may_run_and_by_one_alone() {
    for (mains, works, label) in
        [(1, 0, "node-role.kubernetes.io/control-plane"), (3, 4, "node-role.kubernetes.io/worker")]
    {
        let desired = lowered(&sized(mains, works));
        let class = manifest(&desired, "StorageClass//local-path");
        assert_eq!(class["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"], "true");
        assert_eq!(class["volumeBindingMode"], "WaitForFirstConsumer");
        assert_eq!(class["reclaimPolicy"], "Delete");
        let allowed = &class["allowedTopologies"][0]["matchLabelExpressions"][0];
        assert_eq!(allowed["key"], label);
        assert_eq!(allowed["values"][0], "");
        let provisioner = manifest(&desired, LOCAL_PATH);
        assert_eq!(provisioner["spec"]["replicas"], 1);
        assert_eq!(provisioner["spec"]["strategy"]["type"], "Recreate");
        assert_eq!(provisioner["spec"]["template"]["spec"]["nodeSelector"][label], "");
    }
}

#[test]
fn who_is_bound_to_a_role_and_the_role_are_there() {
    let desired = lowered(&sized(3, 4));
    let built_in = ["extension-apiserver-authentication-reader", "system:auth-delegator"];
    let mut bindings = 0;
    for (_, id, _) in desired.iter() {
        let Some(object) = id.key.strip_prefix("object/").filter(|key| key.contains("Binding/")) else { continue };
        let binding = manifest(&desired, object);
        for subject in binding["subjects"].as_array().unwrap().iter().filter(|it| it["kind"] == "ServiceAccount") {
            let account = format!("ServiceAccount/kube-system/{}", subject["name"].as_str().unwrap());
            assert_eq!(manifest(&desired, &account)["metadata"]["namespace"], subject["namespace"]);
            let (kind, name) = (&binding["roleRef"]["kind"], binding["roleRef"]["name"].as_str().unwrap());
            let namespace = if kind == "Role" { "kube-system" } else { "" };
            if !built_in.contains(&name) {
                manifest(&desired, &format!("{}/{namespace}/{name}", kind.as_str().unwrap()));
            }
            bindings += 1;
        }
    }
    assert_eq!(bindings, 9);
}

#[test]
fn addresses_for_services_are_given_by_one_pod_from_the_entrances_pool() {
    let desired = lowered(&sized(3, 4));
    let pool = &manifest(&desired, POOL)["spec"]["addresses"];
    assert_eq!(*pool, serde_json::json!(["192.0.2.30-192.0.2.30", "192.0.2.40-192.0.2.43"]));
    let deployment = manifest(&desired, METALLB);
    assert_eq!(
        (&deployment["spec"]["replicas"], &deployment["spec"]["strategy"]["type"]),
        (&1.into(), &"Recreate".into())
    );
    let args = &deployment["spec"]["template"]["spec"]["containers"][0]["args"];
    assert_eq!(*args, serde_json::json!(["--namespace=kube-system", "--webhook-mode=disabled", "--port=7472"]));
    let find =
        |object: &str| desired.find(&ResourceId::cluster(key::object(object))).unwrap_or_else(|| panic!("{object}"));
    let after = |object: &str| desired.dependencies(find(object));
    let kind = find("CustomResourceDefinition//ipaddresspools.metallb.io");
    let note = find(&paths::inventory("IPAddressPool.metallb.io"));
    assert!(after(POOL).contains(&kind) && after(POOL).contains(&note));
    for earlier in [POOL, "CustomResourceDefinition//communities.metallb.io", "Role/kube-system/metallb-controller"] {
        assert!(after(METALLB).contains(&find(earlier)), "{earlier}");
    }
}

/// More addresses, which are given only to whom asks for them, may be brought by a person.
#[test]
fn what_a_person_brings_may_be_of_a_kind_that_a_component_defines() {
    let text = "apiVersion: metallb.io/v1beta1\nkind: IPAddressPool\nmetadata: {name: more, namespace: kube-system}\n\
                spec: {addresses: [192.0.2.60/32], autoAssign: false}\n";
    let desired = lowered(&bringing(text));
    let find = |object: &str| desired.find(&ResourceId::cluster(key::object(object))).unwrap();
    let more = desired.dependencies(find("IPAddressPool.metallb.io/kube-system/more"));
    assert!(more.contains(&find("CustomResourceDefinition//ipaddresspools.metallb.io")));
    assert!(more.contains(&find(&paths::inventory("IPAddressPool.metallb.io"))));
}

/// With objects that a person brings.
fn bringing(text: &str) -> Spec {
    let file = ManifestFile { name: "a.yaml".to_owned(), text: text.to_owned() };
    let mut spec = sized(3, 2);
    let bundled = Bundled { path: "a".to_owned(), objects: parse(&[file]).unwrap() };
    spec.components.manifests.insert("a".to_owned(), bundled);
    spec
}

fn pod(tolerations: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: data}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: \
         data}}\nspec:\n  tolerations: [{tolerations}]\n  containers:\n  - {{name: a, image: '{BROUGHT}'}}\n  - {{name: b, image: \
         'example.com/else:1'}}\n"
    )
}

const BROUGHT: &str = "example.com/brought:1";

fn bundle_with_image() -> crate::bundle::Lock {
    let mut lock = bundle("1.29.15");
    let mut entry = lock.entry("pause-image").unwrap().clone();
    entry.name = "brought-image".parse().unwrap();
    entry.kind = crate::bundle::Kind::Image(BROUGHT.to_owned());
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
            let image = ResourceId::node(name, key::image(BROUGHT));
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
fn an_image_that_every_node_has_anyway_is_there_once() {
    let spec = bringing(&pod("").replace(BROUGHT, "registry.k8s.io/pause:3.9"));
    let desired = lowered(&spec);
    assert!(desired.find(&ResourceId::cluster(key::object("Pod/data/p"))).is_some());
}

#[test]
fn what_fmp_brings_itself_nobody_else_may() {
    for (kind, name) in [("ServiceAccount", "coredns"), ("ConfigMap", "fmp-inventory.order.example.com")] {
        let object = format!("apiVersion: v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: kube-system}}\n");
        let spec = bringing(&object);
        let key = format!("{kind}/kube-system/{name}");
        assert_eq!(lower(&spec, &bundle("1.29.15"), &nothing(&spec)).unwrap_err(), LowerError::Taken { key });
    }
}

#[test]
fn a_kind_of_others_is_noted_before_there_is_anything_of_it() {
    let order = |name: &str| {
        format!("apiVersion: example.com/v1\nkind: Order\nmetadata: {{name: {name}, namespace: default}}\n---\n")
    };
    let desired = lowered(&bringing(&(order("first") + &order("second"))));
    let note = paths::inventory("Order.example.com");
    assert_eq!(manifest(&desired, &note)["data"]["kind"], "Order.example.com");
    let note = desired.find(&ResourceId::cluster(key::object(&note))).unwrap();
    for name in ["first", "second"] {
        let object = format!("Order.example.com/default/{name}");
        let object = desired.find(&ResourceId::cluster(key::object(&object))).unwrap();
        assert!(desired.dependencies(object).contains(&note), "{name}");
    }
    let known = lowered(&Spec { apps_entrance: AppsEntrance::None, ..bringing(&pod("")) });
    assert!(known.iter().all(|(_, id, _)| !id.key.contains("fmp-inventory")), "Kubernetes' own are asked for anyway");
}

//! The image storage: what its machine has, what nodes have of it, and what comes before what.

use std::fmt::Write as _;

use super::*;
use crate::{
    Digest,
    bundle::{Entry, Kind, Lock, SourceKind},
    graph::Desired,
    observed::Observed,
    profile::Profiles,
    resource::{Image, Stored, Way},
    spec,
};

const PAUSE: &str = "registry.k8s.io/pause:3.9";
const COREDNS: &str = "registry.k8s.io/coredns/coredns:v1.11.3";

/// A cluster with an image storage.
fn stored() -> Spec {
    let mut text = String::from(
        "[cluster]\nname = 'lab'\nprofile = 'local'\nkubernetes = '1.29.15'\n[environment]\nkind = 'ssh'\n\
         [images]\nsource = 'storage'\n",
    );
    for (name, role, last) in [("main-1", "main", 11), ("work-1", "work", 21), ("images-1", "images", 31)] {
        write!(text, "[nodes.{name}]\nrole = '{role}'\naddress = '198.18.0.{last}'\n").unwrap();
    }
    spec::parse("cluster.toml", &text, &Profiles::shipped()).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// The bundle with the registry.
fn whole() -> Lock {
    with(&bundle("1.29.15"), "registry", "3.1.2")
}

fn lowered(spec: &Spec, observed: &Observed) -> Desired {
    lower(spec, &whole(), observed).unwrap().desired
}

fn image(desired: &Desired, name: &str, key: &str) -> Image {
    match find(desired, name, key) {
        Resource::Image(image) => image,
        other => panic!("{other:?}"),
    }
}

#[test]
fn its_machine_is_no_node_and_stores_every_image_of_the_bundle() {
    let spec = stored();
    let desired = lowered(&spec, &nothing(&spec));
    let scope = Scope::Node(node("images-1"));
    let keys: BTreeSet<&str> =
        desired.iter().filter(|(_, id, _)| id.scope == scope).map(|(_, id, _)| &*id.key).collect();
    assert!(keys.iter().all(|key| !key.contains("kube") && !key.contains("containerd") && *key != "node-object"));
    let images = whole().entries().filter(|entry| entry.kind != Kind::Binary).count();
    assert_eq!(keys.iter().filter(|key| key.starts_with("stored-image/")).count(), images);
    let Way::Store(Stored { link, .. }) = image(&desired, "images-1", &key::stored_image(COREDNS)).way else {
        panic!()
    };
    assert_eq!(
        &*link,
        "/var/lib/fmp-registry/docker/registry/v2/repositories/registry.k8s.io/coredns/coredns/_manifests/tags/v1.11.3/\
         current/link"
    );
    let config = text(&desired, "images-1", "/etc/fmp/registry.yaml");
    for line in ["addr: 198.18.0.31:5000", "readonly:\n      enabled: true", "certificate: /etc/fmp/registry.crt"] {
        assert!(config.contains(line), "{config}");
    }
}

#[test]
fn nodes_pull_by_digest_from_the_storage_and_then_from_the_registry_itself() {
    let spec = stored();
    let desired = lowered(&spec, &nothing(&spec));
    let Way::Pull { manifest } = image(&desired, "work-1", &key::image(PAUSE)).way else { panic!() };
    assert_eq!(manifest, Digest::of("manifest of pause-image"));
    let hosts = text(&desired, "work-1", "/etc/containerd/certs.d/docker.io/hosts.toml");
    assert!(hosts.contains("[host.\"https://198.18.0.31:5000/v2/docker.io\"]"), "{hosts}");
    assert!(hosts.contains("override_path = true") && hosts.contains("ca = \"/etc/kubernetes/pki/ca.crt\""), "{hosts}");
    assert!(!hosts.contains("server"), "the registry itself comes after it");
}

#[test]
fn an_image_is_stored_and_served_before_a_node_pulls_it() {
    let spec = stored();
    let desired = lowered(&spec, &nothing(&spec));
    let needs = |on: &str, dependent: &str, of: &str, dependency: &str| {
        let find = |name: &str, key: &str| desired.find(&ResourceId::node(&node(name), key)).unwrap();
        desired.dependencies(find(on, dependent)).contains(&find(of, dependency))
    };
    let pulled = key::image(PAUSE);
    for (of, dependency) in [
        ("images-1", key::stored_image(PAUSE)),
        ("images-1", key::unit("fmp-registry.service")),
        ("work-1", key::file("/etc/containerd/certs.d/registry.k8s.io/hosts.toml")),
        ("work-1", key::unit("containerd.service")),
    ] {
        assert!(needs("work-1", &pulled, of, &dependency), "{dependency}");
    }
    assert!(!needs("work-1", &pulled, "images-1", &key::stored_image(COREDNS)), "only its own");
}

#[test]
fn a_storage_that_does_not_answer_holds_up_nothing_but_pulls() {
    let spec = stored();
    let mut observed = nothing(&spec);
    observed.hosts.insert(node("images-1"), Fact::Unknown("no route to host".to_owned()));
    let lowered = lower(&spec, &whole(), &observed).unwrap();
    assert_eq!(lowered.waiting, [(node("images-1"), "no route to host".to_owned())]);
    let Way::Pull { .. } = image(&lowered.desired, "work-1", &key::image(PAUSE)).way else { panic!() };
}

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

#[test]
fn somebody_elses_registry_is_asked_as_our_own_storage_is() {
    let of = |ca: &str| {
        let text = format!(
            "[cluster]\nname = 'lab'\nprofile = 'local'\nkubernetes = '1.29.15'\n[environment]\nkind = 'ssh'\n\
             [images]\nsource = 'registry'\nregistry = 'registry.example.org:5000'\n{ca}\
             [nodes.main-1]\nrole = 'main'\naddress = '198.18.0.11'\n"
        );
        let spec = spec::parse("cluster.toml", &text, &Profiles::shipped()).unwrap_or_else(|why| panic!("{why:?}"));
        lower(&spec, &bundle("1.29.15"), &nothing(&spec)).unwrap().desired
    };
    let desired = of(&format!("ca = \"\"\"\n{CERTIFICATE}\"\"\"\n"));
    let Way::Pull { manifest } = image(&desired, "main-1", &key::image(PAUSE)).way else { panic!() };
    assert_eq!(manifest, Digest::of("manifest of pause-image"));
    let path = "/etc/containerd/certs.d/registry.k8s.io/hosts.toml";
    let hosts = text(&desired, "main-1", path);
    assert!(hosts.contains("[host.\"https://registry.example.org:5000/v2/registry.k8s.io\"]"), "{hosts}");
    assert!(hosts.contains("ca = \"/etc/fmp/registry-ca.crt\""), "{hosts}");
    assert_eq!(text(&desired, "main-1", "/etc/fmp/registry-ca.crt"), CERTIFICATE);
    let trusted = of("");
    assert!(!text(&trusted, "main-1", path).contains("ca ="));
    assert_eq!(trusted.find(&ResourceId::node(&node("main-1"), key::file("/etc/fmp/registry-ca.crt"))), None);
}

#[test]
fn what_cannot_be_stored_is_named() {
    let spec = stored();
    let refused = |lock: &Lock| lower(&spec, lock, &nothing(&spec)).unwrap_err();
    assert_eq!(refused(&bundle("1.29.15")), LowerError::Missing { name: "registry".to_owned() });
    let of = |reference: &str, manifest: Option<Digest>| {
        let mut lock = whole();
        lock.insert(Entry {
            name: "shop-image".parse().unwrap(),
            version: "1".to_owned(),
            digest: Digest::of("shop"),
            size: 1,
            kind: Kind::Image(reference.to_owned()),
            source: SourceKind::File,
            manifest,
        });
        refused(&lock).to_string()
    };
    let told = of("shop:1", Some(Digest::of("m")));
    assert!(told.contains("`shop-image` (shop:1)") && told.ends_with("names no registry and tag"), "{told}");
    assert!(of("fmp.local/shop:1", None).ends_with("bundle.lock does not say the digest of its manifest"));
}

#[test]
fn without_a_storage_nothing_is_different() {
    let spec = cluster("1.29.15", "routed");
    let desired = lowered(&spec, &nothing(&spec));
    assert_eq!(image(&desired, "work-1", &key::image(PAUSE)).way, Way::Import);
    let plain = born("1.29.15", "routed").desired;
    assert!(desired.iter().map(|(_, id, _)| id).eq(plain.iter().map(|(_, id, _)| id)));
}

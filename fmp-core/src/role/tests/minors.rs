//! What differs between 1.25 and 1.29, rendered.

use std::collections::BTreeSet;

use crate::{
    resource::{Resource, Scope},
    role::{
        lower,
        testing::{born, bundle, cluster, find, nothing, text, with},
    },
};

const VERSIONS: [&str; 5] = ["1.25.16", "1.26.15", "1.27.16", "1.28.15", "1.29.15"];

/// The versions for which `holds`.
fn versions(holds: impl Fn(&str) -> bool) -> Vec<&'static str> {
    VERSIONS.into_iter().filter(|version| holds(version)).collect()
}

#[test]
fn the_kubelet_learns_its_runtime_by_flag_until_1_26_and_by_configuration_from_1_27() {
    let unit = |version: &str| text(&born(version, "routed").desired, "work-1", "/etc/systemd/system/kubelet.service");
    let config = |version: &str| text(&born(version, "routed").desired, "work-1", "/var/lib/kubelet/config.yaml");
    let endpoint = "unix:///run/containerd/containerd.sock";
    let by_flag = versions(|version| unit(version).contains(&format!("--container-runtime-endpoint={endpoint}")));
    let by_config = versions(|version| config(version).contains(&format!("containerRuntimeEndpoint: {endpoint}")));
    assert_eq!((by_flag.as_slice(), by_config.as_slice()), VERSIONS.split_at(2));
    assert!(versions(|version| unit(version).contains("--container-runtime=")).is_empty());
}

#[test]
fn administrators_are_bound_from_1_29_and_masters_before() {
    for version in VERSIONS {
        let desired = born(version, "routed").desired;
        let Resource::Certificate(admin) = find(&desired, "main-1", "certificate/etc/kubernetes/pki/admin.crt") else {
            panic!("no certificate");
        };
        let group = if version == "1.29.15" { "kubeadm:cluster-admins" } else { "system:masters" };
        assert!(admin.request.organizations.iter().eq([group]), "{version}");
        let keys: BTreeSet<&str> = desired.iter().map(|(_, id, _)| &*id.key).collect();
        for key in ["object/ClusterRoleBinding//kubeadm:cluster-admins", "file/etc/kubernetes/super-admin.conf"] {
            assert_eq!(keys.contains(key), version == "1.29.15", "{version}: {key}");
        }
    }
}

/// Why a bundle with this release of a program is refused for a version of Kubernetes; empty: it is not.
fn refused(kubernetes: &str, name: &str, release: &str) -> String {
    let spec = cluster(kubernetes, "routed");
    let lock = with(&bundle(kubernetes), name, release);
    match lower(&spec, &lock, &nothing(&spec)) {
        Ok(_) => String::new(),
        Err(error) => format!("{error}; {}", error.remedy()),
    }
}

#[test]
fn programs_that_do_not_serve_a_minor_version_are_refused_with_what_would() {
    for (kubernetes, name, least, too_old) in [
        ("1.25.16", "containerd", "1.6.4", "1.6.3"),
        ("1.26.15", "containerd", "1.6.15", "1.6.14"),
        ("1.27.16", "containerd", "1.6.15", "1.5.18"),
        ("1.28.15", "containerd", "1.7.0", "1.6.14"),
        ("1.29.15", "containerd", "2.0.0", "1.6.15-rc.1"),
        ("1.25.16", "etcd", "3.5.20", "3.5.19"),
        ("1.29.15", "etcd", "3.5.99", "3.4.36"),
        ("1.29.15", "etcd", "3.5.21", "3.6.0"),
        ("1.29.15", "etcd", "3.5.21", "unreleased"),
    ] {
        assert_eq!(refused(kubernetes, name, least), "", "{kubernetes}: {name} {least}");
        let told = refused(kubernetes, name, too_old);
        let begins = format!("the bundle has `{name}` {too_old}, and Kubernetes {kubernetes} needs ");
        assert!(told.starts_with(&begins) && told.contains("bundle.toml"), "{told}");
    }
    let told = refused("1.29.15", "etcd", "3.6.0");
    assert!(told.contains("needs 3.5.20 or later, and before 3.6.0"), "{told}");
    assert!(refused("1.26.15", "containerd", "1.6.4").contains("needs 1.6.15 or later;"));
}

#[test]
fn nothing_else_differs_between_minors() {
    // Programs are the same in these bundles, so every other difference would be one that no table names.
    let files = |version: &str| -> BTreeSet<(String, String)> {
        let desired = born(version, "routed").desired;
        let of_node = desired.iter().filter(|(_, id, _)| id.scope != Scope::Cluster);
        of_node
            .filter_map(|(_, _, resource)| match resource {
                // The path of a program of Kubernetes tells its version.
                Resource::File(file) => {
                    Some((file.path.to_string(), file.content.text.replace(&format!("/{version}-"), "/")))
                }
                _ => None,
            })
            .collect()
    };
    for pair in VERSIONS.windows(2) {
        let (one, other) = (files(pair[0]), files(pair[1]));
        let different: BTreeSet<&str> = one.symmetric_difference(&other).map(|(path, _)| path.as_str()).collect();
        let expected: &[&str] = match pair[1] {
            "1.27.16" => &["/etc/systemd/system/kubelet.service", "/var/lib/kubelet/config.yaml"],
            "1.29.15" => &["/etc/kubernetes/super-admin.conf"],
            _ => &[],
        };
        assert!(different.iter().eq(expected), "{pair:?}: {different:?}");
    }
}

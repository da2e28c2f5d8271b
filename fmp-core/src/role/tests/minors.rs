//! What differs between 1.25 and 1.29, rendered.

use std::collections::BTreeSet;

use crate::{
    resource::{Resource, Scope},
    role::testing::{born, find, text},
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

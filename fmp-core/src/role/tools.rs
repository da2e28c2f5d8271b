//! What people use on a main: administrators' kubeconfigs, and kubectl, etcdctl, crictl and ctr set up to work.

use super::{
    common::Common,
    etcd,
    kubeconfig::Client,
    minor::Administrator,
    paths,
    pki::{Pair, Subject},
    recipe::Recipe,
};
use crate::resource::Authority;

/// etcdctl as people call it, with the endpoint and the certificates of this main.
pub(super) const ETCDCTL: &str = "/usr/local/bin/etcdctl";

/// The group that `admin.conf` belongs to where it is no master; kubeadm's name, and the name of its binding.
pub(super) const CLUSTER_ADMINS: &str = "kubeadm:cluster-admins";

/// The group that every apiserver obeys, whatever its bindings say.
const MASTERS: &str = "system:masters";

/// Adds tools and credentials to the recipe of main nodes.
pub(super) fn add<'a>(recipe: &mut Recipe<'a>, common: &'a Common<'_>) {
    let group = match common.minor.administrator {
        Administrator::Master => MASTERS,
        Administrator::Bound => {
            let super_admin = super_admin();
            super_admin.add(recipe, common, |_| Subject::client("kubernetes-super-admin").of(MASTERS));
            CLUSTER_ADMINS
        }
    };
    admin().add(recipe, common, move |_| Subject::client("kubernetes-admin").of(group));
    for (name, setting) in [
        ("kubectl", format!("export KUBECONFIG=\"${{KUBECONFIG:-{}}}\"\n", paths::ADMIN_CONF)),
        ("etcdctl", etcdctl_environment()),
        ("ctr", containerd_environment()),
        ("crictl", String::new()),
    ] {
        if let Some(program) = common.programs.find(name) {
            let text = format!(
                "#!/bin/sh\n# {name} of this cluster's bundle, set up.\n{setting}exec {} \"$@\"\n",
                program.path
            );
            recipe.file_with_mode(&format!("/usr/local/bin/{name}"), 0o755, text);
        }
    }
}

/// Paths of what it takes to be an administrator on a main.
pub(super) fn administration(administrator: Administrator) -> Vec<String> {
    let clients = match administrator {
        Administrator::Master => vec![admin()],
        Administrator::Bound => vec![admin(), super_admin()],
    };
    clients.into_iter().flat_map(|client| [client.path.to_owned(), client.pair.certificate.to_string()]).collect()
}

fn admin() -> Client {
    let pair = Pair::kubernetes("admin");
    Client { path: paths::ADMIN_CONF, user: "kubernetes-admin", pair, server: paths::api_endpoint() }
}

fn super_admin() -> Client {
    Client {
        path: "/etc/kubernetes/super-admin.conf",
        user: "kubernetes-super-admin",
        pair: Pair::kubernetes("super-admin"),
        server: paths::api_endpoint(),
    }
}

fn etcdctl_environment() -> String {
    let Pair { certificate, key } = etcd::client();
    let trust = Authority::Etcd.certificate();
    format!(
        "\
export ETCDCTL_ENDPOINTS=\"${{ETCDCTL_ENDPOINTS:-https://127.0.0.1:2379}}\"
export ETCDCTL_CACERT={trust} ETCDCTL_CERT={certificate} ETCDCTL_KEY={key}
"
    )
}

fn containerd_environment() -> String {
    let socket = paths::CONTAINERD_SOCKET;
    format!("export CONTAINERD_ADDRESS={socket} CONTAINERD_NAMESPACE=\"${{CONTAINERD_NAMESPACE:-k8s.io}}\"\n")
}

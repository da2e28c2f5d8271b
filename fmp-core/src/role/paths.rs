//! Where things lie on a host, and what the keys of resources are called.
//!
//! Owns every path that more than one part of FMP must agree on. Paths never depend on facts.

use std::{
    fmt::Write as _,
    net::{Ipv4Addr, SocketAddrV4},
};

use crate::{Digest, KubeVersion};

/// The values that differ between nodes: `NODE_NAME`, `NODE_IP`, `POD_CIDR`. Units read them from here, so that a
/// unit's text is the same on every node of a role.
pub const NODE_ENV: &str = "/etc/fmp/node.env";

/// What the step that gives birth to an etcd member writes for the unit, and removes afterwards: `ETCD_INITIAL_CLUSTER`,
/// `ETCD_INITIAL_CLUSTER_STATE`, `ETCD_INITIAL_CLUSTER_TOKEN`. Lies in memory: a reboot takes the permission away.
pub const ETCD_PERMIT: &str = "/run/fmp/etcd-permit.env";

/// Written by etcd's unit when it was ready for the first time: an empty data directory was wiped then.
pub const ETCD_BORN: &str = "/var/lib/fmp/etcd-born";

/// Where a main's etcd tells its figures: on loopback, without TLS.
pub const ETCD_METRICS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 2381);

/// The id of the machine that took the cluster's id, written with it.
pub const MACHINE_ID: &str = "/var/lib/fmp/machine-id";

/// The object that says in the API which cluster this is. Only hosts know the id: the main that applies it adds it.
pub const IDENTITY: &str = "ConfigMap/kube-system/fmp-cluster";

/// How the keys of [`inventory`] begin.
pub const INVENTORY: &str = "ConfigMap/kube-system/fmp-inventory.";

/// The object that notes in the API that FMP applies objects of a kind that is not Kubernetes' own: by it they are found
/// when no file names their kind any more.
pub fn inventory(kind: &str) -> String {
    format!("{INVENTORY}{}", kind.to_lowercase())
}

/// Units that more than their own role speaks of.
pub mod unit {
    /// etcd.
    pub const ETCD: &str = "etcd.service";
    /// The registry that serves stored images.
    pub const REGISTRY: &str = "fmp-registry.service";
    /// The kubelet.
    pub const KUBELET: &str = "kubelet.service";
}

/// The script that notes what a unit reads when it starts.
pub const STAMP: &str = "/opt/fmp/lib/stamp.sh";

/// Where the notes of [`STAMP`] lie, each named as its unit.
pub const STAMPS: &str = "/run/fmp/stamp";

/// Programs by content.
pub const STORE: &str = "/opt/fmp/store";

/// Where systemd looks for an administrator's units.
pub const UNITS: &str = "/etc/systemd/system";

/// Where a node's volume is mounted itself: each data directory is a folder of it.
pub const VOLUME: &str = "/srv/fmp";

/// Where volumes of pods lie on a node unless told otherwise. It is a data directory as the kubelet's: where the node has a
/// volume, it is mounted from there.
pub const POD_VOLUMES: &str = "/var/lib/fmp-volumes";

/// Where images are stored that nodes pull.
pub const IMAGE_STORAGE: &str = "/var/lib/fmp-registry";

/// Where a node's runtime looks up how it reaches a registry.
pub const REGISTRY_HOSTS: &str = "/etc/containerd/certs.d";

/// The file of a stored image that says which manifest a tag is. It is written last
/// ([layout](https://pkg.go.dev/github.com/distribution/distribution/v3/registry/storage)).
pub fn stored_image(repository: &str, tag: &str) -> String {
    format!("{IMAGE_STORAGE}/docker/registry/v2/repositories/{repository}/_manifests/tags/{tag}/current/link")
}

/// What no volume may hide, and where none may be mounted.
pub const NOT_MOUNTED: [&str; 18] = [
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/opt/fmp",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/srv/fmp",
    "/sys",
    "/tmp",
    "/usr",
    "/var/lib/fmp",
    "/var/lib/systemd",
    "/var/log",
];

/// Whether `path` is `folder`, or lies in it.
pub fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether one of two folders is the other, or lies in it.
pub fn overlap(one: &str, other: &str) -> bool {
    is_below(one, other) || is_below(other, one)
}

/// The name of the unit that mounts at `directory`, as `systemd-escape --path --suffix=mount` gives it
/// ([rules](https://www.freedesktop.org/software/systemd/man/239/systemd.unit.html)).
pub fn mount_unit(directory: &str) -> String {
    let mut name = String::with_capacity(directory.len() + 8);
    for (at, c) in directory.trim_matches('/').chars().enumerate() {
        match c {
            '/' => name.push('-'),
            '.' if at == 0 => name.push_str("\\x2e"),
            ':' | '_' | '.' => name.push(c),
            _ if c.is_ascii_alphanumeric() => name.push(c),
            _ => c.to_string().bytes().for_each(|byte| _ = write!(name, "\\x{byte:02x}")),
        }
    }
    name + ".mount"
}

/// containerd's socket.
pub const CONTAINERD_SOCKET: &str = "/run/containerd/containerd.sock";

/// The configuration that encrypts Secrets, as `Holding::EncryptionConfig` has it.
pub const ENCRYPTION: &str = "/etc/kubernetes/encryption.yaml";

/// The key that signs tokens of service accounts, as `Holding::ServiceAccountKey` has it.
pub const TOKEN_KEY: &str = "/etc/kubernetes/pki/sa.key";

/// Its public half.
pub const TOKEN_PUBLIC_KEY: &str = "/etc/kubernetes/pki/sa.pub";

/// The kubeconfig of people and scripts on a main.
pub const ADMIN_CONF: &str = "/etc/kubernetes/admin.conf";

/// Where every client on a node reaches the API: the node's own balancer over all apiservers.
pub const fn api_endpoint() -> &'static str {
    "https://127.0.0.1:7443"
}

/// The apiserver of the same main, for those whose version must never be ahead of it.
pub const fn local_apiserver() -> &'static str {
    "https://127.0.0.1:6443"
}

/// Path of the program `name` with this content: two versions lie side by side.
pub fn store_path(digest: &Digest, name: &str) -> String {
    format!("{STORE}/{}/{name}", digest.short())
}

/// Path of a program of Kubernetes. Its version is part of it, so that whoever sees which program a unit started knows the
/// version, whatever the bundle holds by then.
pub fn kubernetes_path(digest: &Digest, version: KubeVersion, name: &str) -> String {
    format!("{STORE}/{version}-{}/{name}", digest.short())
}

/// The version of the program called `name` at `path`, as [`kubernetes_path`] wrote it.
pub fn kubernetes_version(path: &str, name: &str) -> Option<KubeVersion> {
    let folder = path.strip_prefix(STORE)?.strip_prefix('/')?.strip_suffix(name)?.strip_suffix('/')?;
    folder.split_once('-')?.0.parse().ok()
}

/// Path of the file of the unit called `name`.
pub fn unit_file(name: &str) -> String {
    format!("{UNITS}/{name}")
}

/// Units that a node has or has not, as the file says it: where nothing wants them any more, they are stopped.
pub const OPTIONAL_UNITS: [&str; 2] = ["fmp-entrance.service", unit::REGISTRY];

/// The keys of resources: what stands after the node's name in an id.
pub mod key {
    use crate::{os::Need, resource::Holding};

    /// The machine itself.
    pub const MACHINE: &str = "machine";
    /// The main's member of etcd.
    pub const ETCD_MEMBER: &str = "etcd-member";
    /// The Node object.
    pub const NODE_OBJECT: &str = "node-object";

    /// The node's volume.
    pub const VOLUME: &str = "volume";

    /// What FMP installed of the operating system: one entry of the ledger for all packages of a host.
    pub const PACKAGES: &str = "packages";

    /// Something of the operating system.
    pub fn package(need: Need) -> String {
        format!("package/{need}")
    }

    /// A program, by its name in the bundle.
    pub fn artifact(name: &str) -> String {
        format!("artifact/{name}")
    }

    /// A file, by its absolute path.
    pub fn file(path: &str) -> String {
        format!("file{path}")
    }

    /// A certificate, by its absolute path.
    pub fn certificate(path: &str) -> String {
        format!("certificate{path}")
    }

    /// A shared thing.
    pub fn trust(what: Holding) -> String {
        format!("trust/{what}")
    }

    /// A unit, by its full name.
    pub fn unit(name: &str) -> String {
        format!("unit/{name}")
    }

    /// An image, by its full reference.
    pub fn image(reference: &str) -> String {
        format!("image/{reference}")
    }

    /// An image in the storage that nodes pull from, by its full reference.
    pub fn stored_image(reference: &str) -> String {
        format!("stored-image/{reference}")
    }

    /// An object of the API, as `Kind/namespace/name`.
    pub fn object(name: &str) -> String {
        format!("object/{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Holding;

    #[test]
    fn a_program_of_kubernetes_says_its_version_by_its_path() {
        let version = KubeVersion { minor: 28, patch: 3 };
        let path = kubernetes_path(&Digest::of("x"), version, "kubelet");
        assert_eq!(kubernetes_version(&path, "kubelet"), Some(version));
        assert_eq!(kubernetes_version(&path, "kube-proxy"), None);
        let others =
            [store_path(&Digest::of("x"), "kubelet"), path.replace("/opt", "/usr"), path.replace("1.28.3", "x")];
        assert!(others.iter().all(|path| kubernetes_version(path, "kubelet").is_none()));
    }

    #[test]
    fn a_mounts_unit_is_called_as_systemd_calls_it() {
        for (directory, unit) in [
            ("/var/lib/kubelet", "var-lib-kubelet.mount"),
            ("/opt/local-path_1.x", "opt-local\\x2dpath_1.x.mount"),
            ("/.data", "\\x2edata.mount"),
        ] {
            assert_eq!(mount_unit(directory), unit);
        }
    }

    #[test]
    fn shared_things_lie_where_the_apiserver_looks() {
        assert_eq!(Holding::EncryptionConfig.private_path(), Some(ENCRYPTION));
        assert_eq!(Holding::ServiceAccountKey.private_path(), Some(TOKEN_KEY));
        assert_eq!(Holding::ServiceAccountKey.public_path(), Some(TOKEN_PUBLIC_KEY));
    }
}

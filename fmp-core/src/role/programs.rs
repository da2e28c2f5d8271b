//! Programs and images: what roles take from the bundle, and where it lies on hosts.

use std::{collections::BTreeMap, sync::Arc};

use super::{LowerError, paths};
use crate::{
    Digest, KubeVersion,
    bundle::{Entry, Kind, Lock},
    resource::{Artifact, Image, Way},
    spec::{ImageSource, NetworkMode, Role, Spec},
};

/// Programs of main nodes.
pub(super) const MAIN: [&str; 7] =
    ["etcd", "etcdctl", "etcdutl", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"];

/// Programs of every node.
pub(super) const NODE: [&str; 5] = ["containerd", "containerd-shim-runc-v2", "ctr", "kube-proxy", "kubelet"];

/// Programs of every node, taken where the bundle has them: the system's runc serves too, and crictl is for people.
pub(super) const OPTIONAL: [&str; 2] = ["crictl", "runc"];

/// Plug-ins of the pod network. The runtime looks for all of them in one directory.
pub(super) const CNI: [&str; 4] = ["bridge", "host-local", "loopback", "portmap"];

/// Programs of the pod network.
pub(super) const FLANNELD: &str = "flanneld";

/// What serves the stored images.
pub(super) const REGISTRY: &str = "registry";

/// Programs that are Kubernetes itself, whose version the specification names.
const KUBERNETES: [&str; 6] =
    ["kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubectl", "kubelet"];

/// The image of the container that holds a pod's namespaces.
pub(super) const PAUSE: &str = "pause-image";

/// What the bundle holds for this cluster.
#[derive(Debug)]
pub(super) struct Programs {
    artifacts: BTreeMap<&'static str, Artifact>,
    /// The pause image.
    pub(super) pause: Image,
    /// The directory of the network plug-ins, where FMP brings them.
    pub(super) cni: Option<String>,
}

impl Programs {
    /// Looks everything up.
    ///
    /// # Errors
    /// Something is missing, or Kubernetes' version is not the one that is wanted.
    pub(super) fn read(spec: &Spec, lock: &Lock) -> Result<Self, LowerError> {
        let mut artifacts = BTreeMap::new();
        for name in MAIN.into_iter().chain(NODE) {
            artifacts.insert(name, stored(name, binary(lock, name, spec.kubernetes)?));
        }
        for name in OPTIONAL {
            if lock.entry(name).is_some() {
                artifacts.insert(name, stored(name, binary(lock, name, spec.kubernetes)?));
            }
        }
        match &spec.images {
            ImageSource::Bundle | ImageSource::Registry(_) => {}
            ImageSource::Storage => {
                artifacts.insert(REGISTRY, stored(REGISTRY, binary(lock, REGISTRY, spec.kubernetes)?));
            }
        }
        let cni = match spec.network.mode {
            NetworkMode::External => None,
            NetworkMode::Routed | NetworkMode::Flannel => {
                artifacts.insert(FLANNELD, stored(FLANNELD, binary(lock, FLANNELD, spec.kubernetes)?));
                let plugins: Vec<_> = (CNI.into_iter())
                    .map(|name| Ok((name, binary(lock, name, spec.kubernetes)?)))
                    .collect::<Result<_, LowerError>>()?;
                let directory = plugin_directory(&plugins);
                for (name, entry) in plugins {
                    artifacts.insert(name, artifact(name, entry, format!("{directory}/{name}")));
                }
                Some(directory)
            }
        };
        Ok(Self { artifacts, pause: image(lock, PAUSE)?, cni })
    }

    /// A program that there is, or that is optional.
    pub(super) fn find(&self, name: &str) -> Option<&Artifact> {
        self.artifacts.get(name)
    }

    /// Everything that nodes of `role` hold.
    pub(super) fn of(&self, role: Role) -> impl Iterator<Item = &Artifact> {
        let held = move |name: &str| match role {
            Role::Main => name != REGISTRY,
            Role::Work => name != REGISTRY && !MAIN.contains(&name),
            Role::Images => name == REGISTRY,
        };
        self.artifacts.iter().filter(move |(name, _)| held(name)).map(|(_, artifact)| artifact)
    }

    /// Path of a program.
    ///
    /// # Panics
    /// For a program that this cluster doesn't need, which is a bug of a role.
    pub(super) fn path(&self, name: &str) -> &str {
        &self.find(name).unwrap_or_else(|| panic!("nobody asked the bundle for `{name}`")).path
    }
}

fn binary<'a>(lock: &'a Lock, name: &str, wanted: KubeVersion) -> Result<&'a Entry, LowerError> {
    let missing = || LowerError::Missing { name: name.to_owned() };
    let entry = lock.entry(name).filter(|entry| entry.kind == Kind::Binary).ok_or_else(missing)?;
    if KUBERNETES.contains(&name) && entry.version.parse() != Ok(wanted) {
        return Err(LowerError::Version { name: name.to_owned(), locked: entry.version.clone(), wanted });
    }
    Ok(entry)
}

/// An image of the bundle.
///
/// # Errors
/// The bundle has none of this name.
pub(super) fn image(lock: &Lock, name: &str) -> Result<Image, LowerError> {
    let missing = || LowerError::Missing { name: name.to_owned() };
    let entry = lock.entry(name).ok_or_else(missing)?;
    match &entry.kind {
        Kind::Image(reference) => {
            let (archive, bytes) = (entry.digest, entry.size);
            Ok(Image { reference: reference.as_str().into(), archive, bytes, way: Way::Import })
        }
        Kind::Binary | Kind::Package(_) => Err(missing()),
    }
}

fn stored(name: &str, entry: &Entry) -> Artifact {
    let version = entry.version.parse().ok().filter(|_| KUBERNETES.contains(&name));
    let path = match version {
        Some(version) => paths::kubernetes_path(&entry.digest, version, name),
        None => paths::store_path(&entry.digest, name),
    };
    artifact(name, entry, path)
}

fn artifact(name: &str, entry: &Entry, path: impl Into<Arc<str>>) -> Artifact {
    Artifact { name: name.into(), digest: entry.digest, bytes: entry.size, path: path.into() }
}

/// One directory for all plug-ins that changes when any of them does.
fn plugin_directory(plugins: &[(&str, &Entry)]) -> String {
    let all: Vec<String> = plugins.iter().map(|(name, entry)| format!("{name} {}", entry.digest)).collect();
    format!("{}/cni-{}", paths::STORE, Digest::of(all.join("\n")).short())
}

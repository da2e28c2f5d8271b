//! What a host is sent: its questions as shell variables, then the probe.

use std::{collections::BTreeSet, fmt::Write as _};

use fmp_core::{profile::Directories, resource::Holding};
use fmp_exec::provider::HostQuestions;

use super::health;
use crate::{hosts::DISK, transport::quote};

/// Answers the questions; knows nothing of this cluster.
const PROBE: &str = include_str!("probe.sh");

/// What looks at how a host feels.
const HEALTH: &str = include_str!("health.sh");

/// Signs of another installer, and where each is found.
const STRANGERS: [(&str, &str); 13] = [
    ("docker", "./var/lib/docker"),
    ("docker", "./usr/bin/dockerd"),
    ("k0s", "./etc/k0s"),
    ("k0s", "./var/lib/k0s"),
    ("k3s", "./etc/rancher/k3s"),
    ("k3s", "./var/lib/rancher/k3s"),
    ("k3s", "./usr/local/bin/k3s"),
    ("kubeadm", "./etc/kubernetes/manifests/*.yaml"),
    ("kubeadm", "./etc/systemd/system/kubelet.service.d/10-kubeadm.conf"),
    ("kubeadm", "./usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf"),
    ("microk8s", "./var/snap/microk8s"),
    ("rke2", "./etc/rancher/rke2"),
    ("rke2", "./var/lib/rancher/rke2"),
];

/// The paths that one host is asked about, by what may be read of them.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// Anything that is no secret and small: content, by its digest.
    pub(super) files: BTreeSet<String>,
    /// Programs: content, by a digest that is cached.
    pub(super) programs: BTreeSet<String>,
    /// Certificates, a part of `files`.
    pub(super) certificates: BTreeSet<String>,
    /// Private keys: that they are there.
    pub(super) keys: BTreeSet<String>,
    /// Shared secrets: that they are there, and a keyed digest.
    pub(super) secrets: BTreeSet<String>,
}

impl Paths {
    /// The paths behind the questions.
    pub(super) fn of(ask: &HostQuestions) -> Self {
        let owned = |paths: &mut dyn Iterator<Item = &str>| paths.map(str::to_owned).collect::<BTreeSet<_>>();
        let authorities = ask.trust.iter().filter_map(|what| match what {
            Holding::Authority(authority) => Some(authority.certificate()),
            Holding::ClusterId | Holding::ServiceAccountKey | Holding::EncryptionConfig => None,
        });
        let certificates = owned(&mut ask.certificates.iter().map(|path| &**path).chain(authorities));
        let public = ask.trust.iter().filter_map(|what| what.public_path());
        let mut files = owned(&mut ask.files.keys().map(|path| &**path).chain(public));
        files.extend(certificates.iter().cloned());
        Self {
            files,
            certificates,
            programs: owned(&mut ask.programs.iter().map(|path| &**path)),
            keys: owned(&mut ask.keys.iter().map(|path| &**path)),
            secrets: owned(&mut ask.trust.iter().filter_map(|what| what.private_path())),
        }
    }

    /// Whether the content of `path` is read. What only the ledger names may be a secret, and is not asked for here.
    pub(super) fn are_read(&self, path: &str) -> bool {
        self.files.contains(path) || self.programs.contains(path)
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        let sets = [&self.files, &self.programs, &self.keys, &self.secrets];
        sets.into_iter().flatten().map(String::as_str)
    }
}

/// The whole script for one host.
pub(super) fn script(ask: &HostQuestions, directories: &Directories, nonce: &str, deep: bool) -> String {
    let paths = Paths::of(ask);
    let mut script = String::with_capacity(PROBE.len() + (16 << 10));
    let mut list = |name: &str, words: &mut dyn Iterator<Item = String>| {
        let words: Vec<String> = words.collect();
        // Writing to a String can't fail.
        let _ = writeln!(script, "{name}={}", quote(&words.join("\n")));
    };
    let mut below = |name: &str, set: &BTreeSet<String>| list(name, &mut set.iter().map(|path| format!(".{path}")));
    below("files", &paths.files);
    below("programs", &paths.programs);
    below("certificates", &paths.certificates);
    below("keys", &paths.keys);
    below("secrets", &paths.secrets);
    list("wanted", &mut ask.files.iter().map(|(path, digest)| format!("{}  .{path}", digest.hex())));
    list("units", &mut ask.units.iter().map(ToString::to_string));
    list("sysctls", &mut ask.sysctls.iter().map(|name| sysctl_path(name)));
    list("modules", &mut ask.modules.iter().cloned());
    list("programs_wanted", &mut ask.programs_wanted.iter().cloned());
    let ports: Vec<String> = ask.ports.iter().map(|port| format!("{port:04X}")).collect();
    list("ports", &mut std::iter::once(ports.join("|")));
    list("strangers", &mut STRANGERS.iter().map(|(name, path)| format!("{name} {path}")));
    list("ctr", &mut std::iter::once(ctr(&paths)));
    list("etcd_data", &mut std::iter::once(format!(".{}", directories.etcd)));
    list("containerd_data", &mut std::iter::once(format!(".{}", directories.containerd)));
    let volume = ask.volume.as_ref();
    list("volume_disk", &mut volume.into_iter().map(|volume| volume.disk.to_string()));
    let group = volume.and_then(|volume| volume.group.as_ref());
    list("volume_group", &mut group.into_iter().map(|group| group.name.to_string()));
    list("volume_group_disks", &mut group.into_iter().flat_map(|group| &group.disks).map(ToString::to_string));
    list("volume_filesystem", &mut volume.into_iter().map(|volume| volume.filesystem.to_string()));
    list("volume_directories", &mut volume.into_iter().flat_map(|volume| &volume.directories).map(ToString::to_string));
    list("packages", &mut ask.packages.iter().map(ToString::to_string));
    health::ask(ask.health.as_ref(), &mut list);
    list("nonce", &mut std::iter::once(nonce.to_owned()));
    list("deep", &mut std::iter::once(u8::from(deep).to_string()));
    if volume.is_some() {
        script.push_str(DISK);
    }
    if ask.health.is_some() {
        script.push_str(HEALTH);
    }
    script.push_str(PROBE);
    script
}

/// Where the kernel shows a sysctl.
pub(super) fn sysctl_path(name: &str) -> String {
    format!("/proc/sys/{}", name.replace('.', "/"))
}

/// containerd's client: the one that is asked about, or the one that stands for people.
fn ctr(paths: &Paths) -> String {
    let asked = paths.programs.iter().find(|path| path.ends_with("/ctr"));
    asked.map_or_else(|| "./usr/local/bin/ctr".to_owned(), |path| format!(".{path}"))
}

//! Volumes: what is said of all of them, compared with the nodes that name a disk.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;

use crate::{
    NodeName,
    profile::{Directories, Profile},
    resource::lvm::LogicalVolume,
    role::paths,
    spec::{
        Role, Storage,
        problem::{Code, Problem, Sink},
        raw::{Raw, RawNode, StorageKind},
    },
};

/// What becomes of disks, `Some(None)` where none is used, `None` after a problem.
#[expect(clippy::option_option, reason = "the outer one says whether all is right, as everywhere here")]
pub(super) fn resolve(sink: &Sink, raw: &Raw, profile: Option<&Profile>) -> Option<Option<Storage>> {
    let kind = *raw.storage.kind.as_ref()?.get_ref();
    for (name, node) in &raw.nodes {
        unused(sink, name, node, kind);
    }
    shared(sink, &raw.nodes);
    if let (Some(directory), Some(profile)) = (raw.components.directory(), profile) {
        of_its_own(sink, directory, &profile.settings.directories);
    }
    if kind == StorageKind::None {
        return Some(None);
    }
    let filesystem = *raw.storage.filesystem.as_ref()?.get_ref();
    let mut mounts: BTreeSet<String> = if let Some(mounts) = &raw.storage.mounts {
        mounts.get_ref().iter().cloned().collect()
    } else {
        let directories = &profile?.settings.directories;
        [directories.containerd.clone(), directories.kubelet.clone()].into()
    };
    if let Some(directory) = raw.components.directory() {
        of_pods(sink, directory, raw.storage.mounts.as_ref(), &mut mounts);
    }
    let logical = match kind {
        StorageKind::None | StorageKind::Disk => None,
        StorageKind::Lvm => Some(LogicalVolume {
            group: raw.storage.group.as_ref()?.get_ref().as_str().into(),
            volume: raw.storage.volume.as_ref()?.get_ref().as_str().into(),
        }),
    };
    Some(Some(Storage { filesystem, logical, mounts }))
}

/// Notes a directory of pods' volumes that is not theirs alone: whoever takes FMP off a host empties those of its programs.
fn of_its_own(sink: &Sink, directory: &Spanned<String>, programs: &Directories) {
    let Directories { containerd, etcd, kubelet } = programs;
    let path = directory.get_ref();
    if let Some(other) = [containerd, etcd, kubelet].into_iter().find(|other| paths::overlap(path, other)) {
        let message = format!("`{path}` and `{other}`, where a program keeps its data: one lies in the other");
        let problem = Problem::new(Code::BadMount, message, directory.span(), "not for pods' volumes alone");
        sink.note(problem.help(format!("name a directory of its own, or leave it out for {}", paths::POD_VOLUMES)));
    }
}

/// Volumes of pods lie on the node's volume as the other data does, or below what is mounted from there.
fn of_pods(
    sink: &Sink,
    directory: &Spanned<String>,
    written: Option<&Spanned<Vec<String>>>,
    mounts: &mut BTreeSet<String>,
) {
    let path = directory.get_ref();
    if mounts.iter().any(|mount| paths::is_below(path, mount)) {
        return;
    }
    let inner = mounts.iter().find(|mount| paths::is_below(mount, path));
    // What lies in another one by default belongs to a program, which is told above.
    if let (Some(inner), Some(written)) = (inner, written) {
        let message = format!("`{inner}` is mounted in `{path}`, which is mounted itself");
        let problem = Problem::new(Code::BadMount, message, directory.span(), "mounted for pods' volumes");
        sink.note(problem.also(written.span(), "mounted, too").help("remove the inner one, or name another directory"));
        return;
    }
    mounts.insert(path.clone());
}

/// Notes a disk that nobody would use.
fn unused(sink: &Sink, name: &NodeName, node: &RawNode, kind: StorageKind) {
    let Some(disk) = node.disks.first() else { return };
    let has_none = node.role.as_ref().is_some_and(|role| *role.get_ref() != Role::Work);
    let (because, help) = match kind {
        StorageKind::None => ("[storage] uses no disk", "write `kind = \"disk\"` under [storage], or remove the disk"),
        StorageKind::Disk | StorageKind::Lvm if has_none => ("only work nodes have a volume", "remove it"),
        StorageKind::Lvm => return,
        StorageKind::Disk => {
            if let Some(second) = node.disks.get(1) {
                let message = format!("{name} names several disks, and one file system lies on one disk");
                let problem = Problem::new(Code::UnusedKey, message, second.span(), "not used");
                sink.note(problem.help("write `kind = \"lvm\"` under [storage], which joins them, or keep one"));
            }
            return;
        }
    };
    let message = format!("the disk of {name} has no meaning: {because}");
    sink.note(Problem::new(Code::UnusedKey, message, disk.span(), "not used").help(help));
}

/// Notes a disk that two nodes would use: behind one stable name is one disk.
fn shared(sink: &Sink, nodes: &BTreeMap<NodeName, RawNode>) {
    let mut seen: BTreeMap<&str, (&NodeName, &Spanned<String>)> = BTreeMap::new();
    for (name, node) in nodes {
        for disk in &node.disks {
            let Some((other, first)) = seen.insert(disk.get_ref(), (name, disk)) else { continue };
            let (message, help) = if other == name {
                (format!("{name} names the same disk twice"), "remove it once")
            } else {
                let help = "a disk that two machines see is written by both: give each node one of its own";
                (format!("{other} and {name} name the same disk"), help)
            };
            let problem = Problem::new(Code::DuplicateDisk, message, disk.span(), "used again here");
            sink.note(problem.also(first.span(), "used here").help(help));
        }
    }
}

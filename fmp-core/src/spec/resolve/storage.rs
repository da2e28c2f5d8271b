//! Volumes: what is said of all of them, compared with the nodes that name a disk.

use std::collections::BTreeMap;

use toml::Spanned;

use crate::{
    NodeName,
    profile::Profile,
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
    if kind == StorageKind::None {
        return Some(None);
    }
    let filesystem = *raw.storage.filesystem.as_ref()?.get_ref();
    let mounts = if let Some(mounts) = &raw.storage.mounts {
        mounts.get_ref().iter().cloned().collect()
    } else {
        let directories = &profile?.settings.directories;
        [directories.containerd.clone(), directories.kubelet.clone()].into()
    };
    Some(Some(Storage { filesystem, mounts }))
}

/// Notes a disk that nobody would use.
fn unused(sink: &Sink, name: &NodeName, node: &RawNode, kind: StorageKind) {
    let Some(disk) = &node.disk else { return };
    let is_main = node.role.as_ref().is_some_and(|role| *role.get_ref() == Role::Main);
    let (because, help) = match kind {
        StorageKind::None => ("[storage] uses no disk", "write `kind = \"disk\"` under [storage], or remove the disk"),
        StorageKind::Disk if is_main => ("only work nodes have a volume", "remove it"),
        StorageKind::Disk => return,
    };
    let message = format!("the disk of {name} has no meaning: {because}");
    sink.note(Problem::new(Code::UnusedKey, message, disk.span(), "not used").help(help));
}

/// Notes a disk that two nodes would use: behind one stable name is one disk.
fn shared(sink: &Sink, nodes: &BTreeMap<NodeName, RawNode>) {
    let mut seen: BTreeMap<&str, (&NodeName, &Spanned<String>)> = BTreeMap::new();
    for (name, node) in nodes {
        let Some(disk) = &node.disk else { continue };
        if let Some((other, first)) = seen.insert(disk.get_ref(), (name, disk)) {
            let message = format!("{other} and {name} name the same disk");
            let problem = Problem::new(Code::DuplicateDisk, message, disk.span(), "used again here");
            let help = "a disk that two machines see is written by both: give each node one of its own";
            sink.note(problem.also(first.span(), "used here").help(help));
        }
    }
}

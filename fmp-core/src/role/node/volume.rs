//! The volume: a disk of the node's own, or several that LVM joins, mounted where programs keep their data, before anything is written there.
//!
//! One file system is mounted at a place of its own, and from there each data directory by a bind mount: they share its
//! room, and a directory more needs no other disk.

use std::{collections::BTreeSet, sync::Arc};

use super::super::{
    common::Common,
    paths::{self, key},
    recipe::{Recipe, ThisNode},
};
use crate::{
    profile::KernelIs,
    resource::{
        Mount, Resource, Text, Uuid, Volume,
        lvm::{LvmId, PhysicalVolume, VolumeGroup},
    },
    spec::{Storage, Volumes},
};

/// Adds the volume to the recipe of nodes that name a disk. It comes after everything else of the recipe: what lies in
/// its directories needs it.
pub(in super::super) fn add<'a>(recipe: &mut Recipe<'a>, common: &'a Common<'_>) {
    let Some(storage) = &common.spec.storage else { return };
    let directories = &storage.mounts;
    let beneath: Arc<[Mount]> = directories.iter().map(|directory| folder(directory)).collect();
    recipe.each(key::VOLUME, move |node| Resource::Volume(volume(common, node, storage, &beneath)));
    recipe.noted_on_the_ground(key::VOLUME);
    recipe.stands_beneath(key::VOLUME, directories);
    users(recipe, common, directories);
}

/// The units whose data lies on it.
fn users(recipe: &mut Recipe<'_>, common: &Common<'_>, mounted: &BTreeSet<String>) {
    let data = &common.settings.directories;
    let pods = match &common.spec.components.volumes {
        Volumes::LocalPath { directory } => Some((super::kubelet::UNIT, directory)),
        Volumes::None => None,
    };
    let programs = [(super::containerd::UNIT, &data.containerd), (super::kubelet::UNIT, &data.kubelet)];
    for (unit, directory) in programs.into_iter().chain(pods) {
        if mounted.iter().any(|mount| paths::is_below(directory, mount)) {
            recipe.needs(&key::unit(unit), key::VOLUME);
        }
    }
}

fn volume(common: &Common<'_>, node: &ThisNode<'_>, storage: &Storage, beneath: &[Mount]) -> Volume {
    let (cluster, filesystem, disks) = (&common.spec.name, storage.filesystem, &node.node.disks);
    let member =
        |disk: &String| PhysicalVolume { disk: disk.as_str().into(), id: LvmId::of_disk(cluster, node.name, disk) };
    let group = storage
        .logical
        .as_ref()
        .map(|logical| VolumeGroup { logical: logical.clone(), disks: disks.iter().map(member).collect() });
    let disk = match &storage.logical {
        Some(logical) => logical.device(),
        // Whoever stamps this recipe out has asked for it.
        None => disks.first().cloned().unwrap_or_default(),
    };
    let uuid = Uuid::of_volume(cluster, node.name, &disk);
    let itself = mount(paths::VOLUME, &device(common, &uuid), filesystem.as_str(), "defaults", "");
    let mounts = [itself].into_iter().chain(beneath.iter().cloned()).collect();
    Volume { disk: disk.into(), group, filesystem, uuid, mounts }
}

/// What is mounted. Its name under /dev makes systemd wait for the disk at a boot; machines that share a kernel have no
/// udev, which alone makes such names.
fn device(common: &Common<'_>, uuid: &Uuid) -> String {
    match common.profile.host.kernel_is {
        KernelIs::Own => format!("/dev/disk/by-uuid/{uuid}"),
        KernelIs::Shared => format!("UUID={uuid}"),
    }
}

/// A data directory: a folder of the volume, called as it.
fn folder(directory: &str) -> Mount {
    let requires = format!("RequiresMountsFor={}\n", paths::VOLUME);
    mount(directory, &format!("{}{directory}", paths::VOLUME), "none", "bind", &requires)
}

/// A machine whose disk is gone still comes up to be mended: nothing but those who keep data there waits for it.
fn mount(directory: &str, what: &str, kind: &str, options: &str, requires: &str) -> Mount {
    let unit = paths::mount_unit(directory);
    let text = format!(
        "[Unit]\nDescription=Volume of FMP at {directory}\n{requires}\n\
         [Mount]\nWhat={what}\nWhere={directory}\nType={kind}\nOptions={options}\n\n\
         [Install]\nWantedBy=multi-user.target\n"
    );
    Mount {
        path: paths::unit_file(&unit).into(),
        unit: unit.into(),
        directory: directory.into(),
        content: Text::new(text),
    }
}

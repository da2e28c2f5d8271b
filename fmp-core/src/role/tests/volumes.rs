//! Nodes with a disk of their own: what is mounted, and who waits for it.

use std::collections::BTreeSet;

use crate::{
    graph::Desired,
    profile::Profiles,
    resource::{Filesystem, Resource, ResourceId, Volume, lvm::LogicalVolume},
    role::{
        lower, paths,
        testing::{bundle, cluster, node, nothing, text},
    },
    spec::{Spec, Storage, Volumes},
};

const DISK: &str = "/dev/disk/by-id/wwn-0x5000c500a1b2c3d4";

/// `work-1` has a disk, `work-2` has none.
fn stored(mounts: &[&str]) -> Spec {
    let mut spec = cluster("1.29.15", "flannel");
    let mounts = mounts.iter().map(|mount| (*mount).to_owned()).collect();
    spec.storage = Some(Storage { filesystem: Filesystem::Xfs, logical: None, mounts });
    spec.nodes.get_mut("work-1").unwrap().disks.insert(DISK.to_owned());
    spec
}

fn lowered(spec: &Spec) -> Desired {
    lower(spec, &bundle("1.29.15"), &nothing(spec)).unwrap().desired
}

fn volume(desired: &Desired, name: &str) -> Option<Volume> {
    let handle = desired.find(&ResourceId::node(&node(name), paths::key::VOLUME))?;
    match desired.resource(handle) {
        Resource::Volume(volume) => Some(volume.clone()),
        other => panic!("{other:?}"),
    }
}

/// Keys of everything on `work-1` that needs its volume at once.
fn above(desired: &Desired) -> BTreeSet<String> {
    let volume = desired.find(&ResourceId::node(&node("work-1"), paths::key::VOLUME)).unwrap();
    let needs = desired.iter().filter(|(handle, ..)| desired.dependencies(*handle).contains(&volume));
    needs.map(|(_, id, _)| id.key.to_string()).collect()
}

#[test]
fn only_a_node_with_a_disk_has_a_volume() {
    let desired = lowered(&stored(&["/var/lib/kubelet"]));
    assert_eq!(volume(&desired, "work-2"), None);
    assert_eq!(volume(&desired, "main-1"), None);
    let volume = volume(&desired, "work-1").unwrap();
    assert_eq!((&*volume.disk, volume.filesystem), (DISK, Filesystem::Xfs));
    let directories: Vec<&str> = volume.mounts.iter().map(|mount| &*mount.directory).collect();
    assert_eq!(directories, ["/srv/fmp", "/var/lib/kubelet"]);
}

#[test]
fn whatever_lies_in_a_directory_comes_after_it_is_mounted() {
    let desired = lowered(&stored(&["/var/lib/containerd", "/var/lib/kubelet"]));
    let expected = [
        "certificate/var/lib/kubelet/pki/kubelet-client.crt",
        "certificate/var/lib/kubelet/pki/kubelet.crt",
        "file/var/lib/kubelet/config.yaml",
        "unit/containerd.service",
        "unit/kubelet.service",
    ];
    assert_eq!(above(&desired), expected.map(str::to_owned).into());
    let elsewhere = lowered(&stored(&["/data/databases"]));
    assert_eq!(above(&elsewhere), BTreeSet::new());
}

#[test]
fn a_kubelet_waits_for_the_volumes_of_its_pods() {
    let mut spec = stored(&["/data/pods"]);
    let unit = |spec: &Spec, name: &str| text(&lowered(spec), name, "/etc/systemd/system/kubelet.service");
    assert!(unit(&spec, "work-1").contains("\nRequiresMountsFor=/var/lib/kubelet\n"));
    spec.components.volumes = Volumes::LocalPath { directory: "/data/pods".to_owned() };
    assert!(unit(&spec, "work-1").contains("\nRequiresMountsFor=/var/lib/kubelet /data/pods\n"));
    assert!(unit(&spec, "main-1").contains("\nRequiresMountsFor=/var/lib/kubelet\n"), "mains have no volume");
    assert!(above(&lowered(&spec)).contains("unit/kubelet.service"));
    spec.storage = None;
    spec.nodes.get_mut("work-1").unwrap().disks.clear();
    assert!(unit(&spec, "work-1").contains("\nRequiresMountsFor=/var/lib/kubelet\n"));
}

#[test]
fn the_file_system_is_mounted_by_its_id_and_directories_from_there() {
    let mut spec = stored(&["/var/lib/kubelet"]);
    let texts = |spec: &Spec| {
        let volume = volume(&lowered(spec), "work-1").unwrap();
        let texts: Vec<String> = volume.mounts.iter().map(|mount| mount.content.text.to_string()).collect();
        (volume.uuid.to_string(), texts)
    };
    let (uuid, shared) = texts(&spec);
    assert!(shared[0].contains(&format!("\nWhat=UUID={uuid}\nWhere=/srv/fmp\nType=xfs\n")), "{}", shared[0]);
    spec.profile = Profiles::shipped().load("fmp-23.12").unwrap();
    let (_, own) = texts(&spec);
    assert!(own[0].contains(&format!("\nWhat=/dev/disk/by-uuid/{uuid}\n")), "systemd waits for it: {}", own[0]);
    assert!(own[1].contains("\nWhat=/srv/fmp/var/lib/kubelet\nWhere=/var/lib/kubelet\nType=none\nOptions=bind\n"));
    assert!(own[1].contains("\nRequiresMountsFor=/srv/fmp\n"), "{}", own[1]);
}

#[test]
fn systemd_239_knows_every_directive_of_a_mount() {
    const KNOWN: [&str; 7] = ["Description", "RequiresMountsFor", "What", "Where", "Type", "Options", "WantedBy"];
    let volume = volume(&lowered(&stored(&["/var/lib/kubelet", "/data"])), "work-1").unwrap();
    for line in volume.mounts.iter().flat_map(|mount| mount.content.text.lines()) {
        let directive = line.split_once('=').map(|(directive, _)| directive);
        assert!(line.is_empty() || line.starts_with('[') || KNOWN.contains(&directive.unwrap_or(line)), "{line}");
    }
}

#[test]
fn disks_that_lvm_joins_are_one_volume_of_a_device_of_its_own() {
    let mut spec = stored(&["/var/lib/kubelet"]);
    let plain = volume(&lowered(&spec), "work-1").unwrap();
    assert_eq!(plain.group, None);
    let logical = LogicalVolume { group: "fmp".into(), volume: "data".into() };
    spec.storage.as_mut().unwrap().logical = Some(logical.clone());
    let one = volume(&lowered(&spec), "work-1").unwrap();
    spec.nodes.get_mut("work-1").unwrap().disks.insert("/dev/disk/by-id/another".to_owned());
    let two = volume(&lowered(&spec), "work-1").unwrap();
    assert_eq!(&*two.disk, "/dev/fmp/data");
    assert_eq!((&one.uuid, &one.mounts), (&two.uuid, &two.mounts), "a disk more changes no mount");
    assert_ne!(one.uuid, plain.uuid);
    let group = two.group.unwrap();
    assert_eq!(group.logical, logical);
    let disks: Vec<&str> = group.disks.iter().map(|member| &*member.disk).collect();
    assert_eq!(disks, ["/dev/disk/by-id/another", DISK]);
    assert_ne!(group.disks[0].id, group.disks[1].id);
    assert_eq!(group.disks[1].id, one.group.unwrap().disks[0].id);
}

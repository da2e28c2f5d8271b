//! What is seen of a cluster where everything is as wanted.

use std::collections::{BTreeMap, BTreeSet};

use fmp_core::{
    Digest, NodeName,
    graph::Desired,
    observed::{
        Api, Certificate, Cgroup, ClockSync, DirectorySeen, DiskSeen, DiskTrait, Etcd, EtcdMember, Fact, FileSeen,
        GroupSeen, Host, HostFacts, LedgerEntry, MemberSeen, NodeSeen, ObjectSeen, Observed, PackageSeen, PackagesSeen,
        Stamp, UnitSeen, VolumeGroupSeen, VolumeNote, VolumeSeen,
    },
    resource::{
        Authority, CertificateRequest, Holding, Image, Resource, Scope, Trust, Usage, Volume, Way, lvm::VolumeGroup,
        programs,
    },
    role::paths,
    spec::Spec,
};

use super::CLUSTER;

pub(super) fn settled(spec: &Spec, desired: &Desired) -> Observed {
    let mut hosts: BTreeMap<NodeName, Host> = spec.nodes.keys().map(|name| (name.clone(), host(name))).collect();
    let (mut nodes, mut objects) = (BTreeMap::new(), BTreeMap::new());
    for (_, id, resource) in desired.iter() {
        match (&id.scope, resource) {
            (Scope::Cluster, Resource::Object(object)) => {
                objects.insert(object.key.clone(), Fact::Known(ObjectSeen::of(object.manifest.digest.to_string())));
            }
            (Scope::Cluster, other) => panic!("{other:?}"),
            (Scope::Node(name), Resource::NodeObject(object)) => {
                nodes.insert(name.to_string(), node_seen(spec, object));
            }
            (Scope::Node(name), resource) => {
                let host = hosts.get_mut(name).unwrap();
                let entry = LedgerEntry { kind: String::new(), cluster_id: CLUSTER.into(), previous: "absent".into() };
                host.ledger.insert(id.key.to_string(), entry);
                lay_down(host, name, resource);
            }
        }
    }
    // Units last: their stamps tell of everything else.
    for (_, id, resource) in desired.iter() {
        if let (Scope::Node(name), Resource::Unit(unit)) = (&id.scope, resource) {
            let host = hosts.get_mut(name).unwrap();
            let stamp = unit.inputs.iter().map(|input| (input.path.to_string(), stamped(host, &input.path))).collect();
            host.units.insert(unit.name.to_string(), Fact::Known(running(Stamp(stamp))));
        }
    }
    let members = spec.mains().map(|(name, main)| (format!("https://{}:2380", main.address), member(name)));
    let ready = spec.mains().map(|(name, _)| (name.clone(), Fact::Known(true))).collect();
    Observed {
        now: 0,
        machines: Fact::Unknown("the environment makes no machines".into()),
        etcd: Fact::Known(Etcd { cluster_id: "c".into(), members: members.collect() }),
        api: Fact::Known(Api {
            ready,
            cluster_id: Fact::Known(CLUSTER.into()),
            nodes,
            objects,
            network_policies: Fact::Unknown("nobody asked".into()),
            pods: Fact::Unknown("nobody asked".into()),
            workloads: None,
            health: None,
        }),
        hosts: hosts.into_iter().map(|(name, host)| (name, Fact::Known(host))).collect(),
        other_keys: BTreeMap::new(),
    }
}

fn lay_down(host: &mut Host, name: &NodeName, resource: &Resource) {
    let mut put = |path: &str, digest: Option<Digest>, mode: u32| {
        let stat = format!("stat of {path}");
        let seen = FileSeen { digest, mode, owner: "0:0".into(), bytes: 100, stat, text: None };
        host.files.insert(path.to_owned(), Fact::Known(seen));
    };
    match resource {
        Resource::Artifact(artifact) => put(&artifact.path, Some(artifact.digest), 0o755),
        Resource::File(file) => put(&file.path, Some(file.content.digest), file.mode),
        Resource::Certificate(wanted) => {
            put(&wanted.path, Some(Digest::of(&*wanted.path)), 0o644);
            put(&wanted.key_path, None, 0o600);
            let seen = certificate(&wanted.request, &format!("{name}{}", wanted.path));
            host.certificates.insert(wanted.path.to_string(), Fact::Known(seen));
        }
        Resource::Trust(Trust { what, private }) => {
            what.public_path().into_iter().for_each(|path| put(path, Some(Digest::of(path)), 0o644));
            let private = what.private_path().filter(|_| *private);
            private.into_iter().for_each(|path| put(path, None, 0o600));
            if let Some(path) = what.private_path() {
                let secret = if private.is_some() { Fact::Known(Digest::of(path)) } else { Fact::Absent };
                host.secrets.insert(path.to_owned(), secret);
            }
            if let Holding::Authority(of) = what {
                host.certificates.insert(of.certificate().to_owned(), Fact::Known(authority(*of, "one")));
            }
        }
        Resource::Image(Image { way: Way::Store(stored), .. }) => {
            put(&stored.link, Some(stored.tagged().digest), 0o644);
        }
        Resource::Image(image) => {
            if let Fact::Known(images) = &mut host.images {
                images.insert(image.reference.to_string());
            }
        }
        Resource::EtcdMember(_) => (host.etcd_data, host.etcd_born) = (true, true),
        Resource::Volume(volume) => {
            volume.mounts.iter().for_each(|mount| put(&mount.path, Some(mount.content.digest), 0o644));
            lay_down_volume(host, name, volume);
        }
        Resource::Package(package) => {
            let seen = host
                .packages
                .get_or_insert_with(|| PackagesSeen { there: Fact::Known(BTreeMap::new()), begun: BTreeSet::new() });
            if let Fact::Known(there) = &mut seen.there {
                let debian = fmp_core::os::named("debian-12").unwrap();
                let name = debian.needs[&package.need].package.to_string();
                there.insert(name, PackageSeen::Installed("1".into()));
            }
        }
        Resource::Machine | Resource::Unit(_) | Resource::NodeObject(_) | Resource::Object(_) => {}
    }
}

fn lay_down_volume(host: &mut Host, name: &NodeName, volume: &Volume) {
    for mount in &*volume.mounts {
        let entry = LedgerEntry { kind: String::new(), cluster_id: CLUSTER.into(), previous: "absent".into() };
        host.ledger.insert(paths::key::file(&mount.path), entry);
        let unit = UnitSeen { sub: "mounted".into(), stamp: None, ..running(Stamp::default()) };
        host.units.insert(mount.unit.to_string(), Fact::Known(unit));
    }
    let needed = programs(volume.filesystem, volume.group.as_ref().map(|group| &group.logical));
    host.facts.programs.extend(needed.map(|(name, _)| (name.to_owned(), format!("/sbin/{name}"))));
    let folder = |directory: &str| if directory == paths::VOLUME { "/".to_owned() } else { directory.to_owned() };
    let ours = |directory: &str| (directory.to_owned(), DirectorySeen::Ours(folder(directory)));
    let directories: BTreeMap<_, _> = volume.mounts.iter().map(|mount| ours(&mount.directory)).collect();
    let disk = DiskSeen {
        device: "sdb".into(),
        bytes: 500_000_000_000,
        identity: format!("naa.{}", &Digest::of(name.as_str()).hex()[..16]),
        twins: BTreeSet::new(),
        traits: BTreeSet::new(),
        signatures: [volume.filesystem.to_string()].into(),
        uuid: volume.uuid.to_string(),
        mounted: directories.keys().cloned().collect(),
        blank: None,
        filesystem_bytes: Some(499_998_765_056),
    };
    let (disk, group) = match &volume.group {
        None => (disk, None),
        Some(group) => lay_down_group(name, &disk, group),
    };
    let members = volume.group.iter().flat_map(|group| &*group.disks);
    let note = VolumeNote {
        disk: volume.disk.to_string(),
        uuid: volume.uuid.to_string(),
        members: members.map(|member| (member.disk.to_string(), member.id.to_string())).collect(),
        made: true,
    };
    host.volume = Some(VolumeSeen { disk: Fact::Known(disk), group, note: Some(note), directories });
}

/// Disks of the size of `alike`, joined: the logical volume, and what lies beneath it.
fn lay_down_group(name: &NodeName, alike: &DiskSeen, group: &VolumeGroup) -> (DiskSeen, Option<GroupSeen>) {
    /// What LVM's own data takes of each disk.
    const ROUNDED: u64 = 4 << 20;
    let mut has = VolumeGroupSeen::default();
    let mut disks = BTreeMap::new();
    for (at, member) in group.disks.iter().enumerate() {
        let device = format!("sd{}", char::from(b'b' + u8::try_from(at).unwrap()));
        let used = MemberSeen { device: format!("/dev/{device}"), bytes: alike.bytes - ROUNDED };
        has.members.insert(member.id.to_string(), used);
        let disk = DiskSeen {
            device,
            identity: format!("naa.{}", &Digest::of(format!("{name} {at}")).hex()[..16]),
            traits: [DiskTrait::Held].into(),
            signatures: ["LVM2_member".to_owned()].into(),
            uuid: member.id.to_string(),
            filesystem_bytes: None,
            ..alike.clone()
        };
        disks.insert(member.disk.to_string(), Fact::Known(disk));
    }
    let bytes = has.members.values().map(|member| member.bytes).sum();
    has.volumes.insert(group.logical.volume.to_string(), bytes);
    let logical = DiskSeen {
        device: "dm-0".into(),
        bytes,
        identity: String::new(),
        traits: [DiskTrait::Layer].into(),
        filesystem_bytes: Some(bytes - ROUNDED),
        ..alike.clone()
    };
    (logical, Some(GroupSeen { disks, group: Fact::Known(has) }))
}

/// A certificate authority; `life` tells one key from another.
pub(crate) fn authority(of: Authority, life: &str) -> Certificate {
    Certificate {
        common_name: of.common_name().to_owned(),
        organizations: BTreeSet::new(),
        names: BTreeSet::new(),
        usages: BTreeSet::new(),
        authority: true,
        not_before: 0,
        not_after: i64::MAX,
        key: Digest::of(format!("{of:?} {life}")),
        signer: format!("{of:?} {life}"),
        subject_key: format!("{of:?} {life}"),
    }
}

fn certificate(wanted: &CertificateRequest, key: &str) -> Certificate {
    let usages: &[&str] = match wanted.usage {
        Usage::Server => &["server"],
        Usage::Client => &["client"],
        Usage::ServerAndClient => &["client", "server"],
    };
    Certificate {
        common_name: wanted.common_name.clone(),
        organizations: wanted.organizations.clone(),
        names: wanted.names.clone(),
        usages: usages.iter().map(|usage| (*usage).to_owned()).collect(),
        authority: false,
        not_before: 0,
        not_after: i64::MAX,
        key: Digest::of(key),
        signer: format!("{:?} one", wanted.signer),
        subject_key: String::new(),
    }
}

fn running(stamp: Stamp) -> UnitSeen {
    UnitSeen {
        active: "active".into(),
        sub: "running".into(),
        enabled: "enabled".into(),
        needs_reload: false,
        drop_ins: BTreeMap::new(),
        condition: true,
        stamp: Some(stamp),
    }
}

/// As the stamp's script writes it.
fn stamped(host: &Host, path: &str) -> String {
    let seen = host.files[path].known().unwrap();
    match seen.digest {
        Some(digest) if !path.ends_with(".key") => digest.to_string(),
        Some(_) | None => format!("stat:{}", seen.stat),
    }
}

pub(super) fn member(name: &NodeName) -> EtcdMember {
    EtcdMember {
        id: Digest::of(name.as_str()).short(),
        name: name.to_string(),
        learner: false,
        started: true,
        healthy: Fact::Known(true),
        alarms: BTreeSet::new(),
        lag: None,
        leader: false,
        database_bytes: None,
    }
}

fn node_seen(spec: &Spec, object: &fmp_core::resource::NodeObject) -> NodeSeen {
    NodeSeen {
        ready: true,
        message: String::new(),
        pressures: BTreeSet::new(),
        kubelet_version: format!("v{}", spec.kubernetes),
        pod_cidr: object.pod_cidr,
        address: None,
        labels: object.labels.clone(),
        taints: object.taints.clone(),
        unschedulable: false,
    }
}

fn host(name: &NodeName) -> Host {
    Host {
        facts: facts(name),
        cluster_id: Fact::Known(CLUSTER.into()),
        pinned_machine_id: Fact::Known(facts(name).machine_id),
        ledger: BTreeMap::new(),
        files: BTreeMap::new(),
        units: BTreeMap::new(),
        certificates: BTreeMap::new(),
        secrets: BTreeMap::new(),
        images: Fact::Known(BTreeSet::new()),
        etcd_data: false,
        etcd_born: false,
        epoch: 0,
        running: BTreeSet::new(),
        pod_cidr: None,
        strangers: BTreeMap::new(),
        volume: None,
        packages: None,
        health: None,
    }
}

fn facts(name: &NodeName) -> HostFacts {
    HostFacts {
        hostname: name.to_string(),
        machine_id: "0".repeat(32),
        architecture: "x86_64".into(),
        os_id: "debian".into(),
        os_version: "12".into(),
        os_name: "Debian".into(),
        kernel: "6.1".into(),
        systemd: 252,
        cpus: 4,
        memory_bytes: 1 << 34,
        root_bytes: 1 << 37,
        root_free_bytes: 1 << 36,
        disks: Vec::new(),
        cgroup: Cgroup::V2,
        swap_bytes: 0,
        clock_offset_ms: 0,
        clock_sync: ClockSync::Synchronised,
        programs: BTreeMap::new(),
        modules: BTreeSet::new(),
        sysctls: BTreeMap::new(),
        listeners: BTreeMap::new(),
        addresses: BTreeSet::new(),
        prefixes: BTreeMap::new(),
    }
}

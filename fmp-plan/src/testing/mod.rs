//! Clusters for unit tests: settled as lowering wants them, then broken by hand.

mod settled;

use std::{collections::BTreeMap, fmt::Write as _};

use fmp_core::{
    Digest, NodeName,
    bundle::{Entry, Kind, Lock, PackageOf, SourceKind},
    observed::{
        Api, DirectorySeen, DiskSeen, EtcdMember, Fact, Host, Observed, PackageSeen, PackagesSeen, UnitSeen,
        VolumeGroupSeen, VolumeSeen,
    },
    os::Need,
    profile::Profiles,
    resource::{Object, Resource, ResourceId},
    role,
    spec::{self, Role, Spec},
};
pub(crate) use settled::authority;

use crate::{Inputs, Plan, Step, plan::Waiting};

/// The ledger's cluster id on every host.
pub(crate) const CLUSTER: &str = "0123456789abcdef";

pub(crate) fn node(name: &str) -> NodeName {
    name.parse().unwrap()
}

/// `https://198.18.0.11:2380` of `main-1`.
pub(crate) fn url(main: u8) -> String {
    format!("https://198.18.0.{}:2380", 10 + main)
}

pub(crate) fn spec(mains: u8, works: u16, consents: &[&str]) -> Spec {
    spec_at("1.29.15", mains, works, consents)
}

fn spec_at(kubernetes: &str, mains: u8, works: u16, consents: &[&str]) -> Spec {
    parsed(&written(kubernetes, mains, works, consents))
}

fn parsed(text: &str) -> Spec {
    spec::parse("cluster.toml", text, &Profiles::shipped()).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn written(kubernetes: &str, mains: u8, works: u16, consents: &[&str]) -> String {
    let mut text = format!(
        "consent = {consents:?}\n[cluster]\nname = 'lab'\nprofile = 'local'\nkubernetes = '{kubernetes}'\n\
         [environment]\nkind = 'ssh'\n[network]\nmode = 'routed'\npods = '10.0.0.0/8'\nservices = '172.20.0.0/16'\n"
    );
    let mut add = |name: &str, role: &str, address: &str| {
        writeln!(text, "[nodes.{name}]\nrole = '{role}'\naddress = '{address}'").unwrap();
    };
    (1..=mains).for_each(|n| add(&format!("main-{n}"), "main", &format!("198.18.0.{}", 10 + n)));
    (1..=works).for_each(|n| add(&format!("work-{n}"), "work", &format!("198.18.{}.{}", 1 + n / 200, 1 + n % 200)));
    text
}

/// The lock of fixtures, with Kubernetes of another version and so of other contents.
fn lock_at(kubernetes: &str) -> Lock {
    let lock = Lock::parse(include_str!("../../../fixtures/bundle.lock")).unwrap();
    let entry = |entry: &Entry| {
        let mut entry = entry.clone();
        if entry.version == "1.29.15" && kubernetes != entry.version {
            kubernetes.clone_into(&mut entry.version);
            entry.digest = Digest::of(format!("{} {kubernetes}", entry.name));
        }
        entry
    };
    lock.entries().map(entry).collect()
}

/// What bundles with packages have in tests.
const PACKED: &[(&str, &str, &[Need])] = &[
    ("debian-12", "conntrack", &[Need::Conntrack]),
    ("debian-12", "haproxy", &[Need::Haproxy]),
    ("debian-12", "iproute2", &[Need::Iproute]),
    ("debian-12", "iptables", &[Need::Iptables]),
    ("debian-12", "kmod", &[Need::Kmod]),
    ("debian-12", "libboth", &[Need::Haproxy, Need::Iptables]),
    ("debian-12", "liblua", &[Need::Haproxy]),
    ("debian-12", "procps", &[Need::Procps]),
    ("debian-12", "runc", &[Need::Runc]),
    ("rocky-8.6", "haproxy", &[Need::Haproxy]),
];

/// A cluster and what is seen of it.
pub(crate) struct Lab {
    pub(crate) spec: Spec,
    pub(crate) lock: Lock,
    pub(crate) seen: Observed,
}

impl Lab {
    /// Everything is as wanted.
    pub(crate) fn settled(mains: u8, works: u16) -> Self {
        Self::agreed(mains, works, &[])
    }

    /// Everything is as wanted, and each work node has a disk of its own.
    pub(crate) fn stored(mains: u8, works: u16) -> Self {
        let mut text = written("1.29.15", mains, works, &[]);
        text.insert_str(0, "storage.kind = 'disk'\n");
        for n in 1..=works {
            writeln!(text, "[nodes.work-{n}.storage]\ndisk = '/dev/disk/by-id/wwn-0x{n}'").unwrap();
        }
        Self::of(parsed(&text), lock_at("1.29.15"))
    }

    /// Everything is as wanted, and nodes pull their images from `images-1`.
    pub(crate) fn pulling(mains: u8, works: u16) -> Self {
        let mut text = written("1.29.15", mains, works, &[]);
        text.insert_str(0, "images.source = 'storage'\n");
        text.push_str("[nodes.images-1]\nrole = 'images'\naddress = '198.18.9.1'\n");
        let lock = Lock::parse(include_str!("../../../fixtures/bundle-images.lock")).unwrap();
        Self::of(parsed(&text), lock)
    }

    /// Everything is as wanted, and FMP installs packages.
    pub(crate) fn packed(mains: u8, works: u16, source: &str) -> Self {
        let text = format!("packages.source = '{source}'\n{}", written("1.29.15", mains, works, &[]));
        let mut lock = lock_at("1.29.15");
        for (system, package, needs) in PACKED {
            let of = PackageOf {
                system: (*system).into(),
                package: (*package).into(),
                needs: needs.iter().copied().collect(),
            };
            lock.insert(Entry {
                name: format!("{system}-{package}").replace('.', "-").parse().unwrap(),
                version: "1.0-1".into(),
                digest: Digest::of(format!("{system} {package}")),
                size: 1000,
                kind: Kind::Package(of),
                source: SourceKind::Debs,
                manifest: None,
            });
        }
        Self::of(parsed(&text), lock)
    }

    /// The packages of a host as they are seen, which a test changes.
    pub(crate) fn packages(&mut self, name: &str) -> &mut PackagesSeen {
        self.host(name).packages.as_mut().unwrap()
    }

    /// A package of a host, which a test takes away or cuts off.
    pub(crate) fn package(&mut self, name: &str, package: &str, seen: Option<PackageSeen>) {
        let Fact::Known(there) = &mut self.packages(name).there else { panic!("{name}") };
        there.remove(package);
        there.extend(seen.map(|seen| (package.to_owned(), seen)));
    }

    /// Everything is as wanted, and each work node has two disks that LVM joins.
    pub(crate) fn joined(mains: u8, works: u16) -> Self {
        let mut text = written("1.29.15", mains, works, &[]);
        text.insert_str(0, "storage.kind = 'lvm'\n");
        for n in 1..=works {
            let disks = [format!("'/dev/disk/by-id/wwn-0x{n}a'"), format!("'/dev/disk/by-id/wwn-0x{n}b'")].join(", ");
            writeln!(text, "[nodes.work-{n}.storage]\ndisks = [{disks}]").unwrap();
        }
        Self::of(parsed(&text), lock_at("1.29.15"))
    }

    /// The volume of a host as it is seen, which a test changes.
    pub(crate) fn volume(&mut self, name: &str) -> &mut VolumeSeen {
        self.host(name).volume.as_mut().unwrap()
    }

    /// The disk of a host, which a test changes.
    pub(crate) fn disk(&mut self, name: &str) -> &mut DiskSeen {
        match &mut self.volume(name).disk {
            Fact::Known(disk) => disk,
            other => panic!("{name}: {other:?}"),
        }
    }

    /// What is seen beneath a host's logical volume, which a test changes.
    pub(crate) fn group(&mut self, name: &str) -> &mut VolumeGroupSeen {
        match &mut self.volume(name).group.as_mut().unwrap().group {
            Fact::Known(group) => group,
            other => panic!("{name}: {other:?}"),
        }
    }

    /// A disk beneath a host's logical volume, which a test changes.
    pub(crate) fn beneath(&mut self, name: &str, disk: &str) -> &mut DiskSeen {
        match self.volume(name).group.as_mut().unwrap().disks.get_mut(disk) {
            Some(Fact::Known(disk)) => disk,
            other => panic!("{name}: {other:?}"),
        }
    }

    /// The host holds nothing, and its disks are empty.
    pub(crate) fn clear_with_disk(&mut self, name: &str) {
        self.clear(name);
        let volume = self.volume(name);
        volume.note = None;
        volume.directories.values_mut().for_each(|seen| *seen = DirectorySeen::Free);
        let Some(beneath) = &mut volume.group else { return emptied(self.disk(name)) };
        beneath.group = Fact::Absent;
        for disk in beneath.disks.values_mut() {
            match disk {
                Fact::Known(disk) => emptied(disk),
                other => panic!("{name}: {other:?}"),
            }
        }
        volume.disk = Fact::Absent;
    }

    /// An object that is wanted.
    pub(crate) fn object(&self, key: &str) -> Object {
        let desired = role::questions_graph(&self.spec, &self.lock).unwrap();
        let handle = desired.find(&ResourceId::cluster(role::paths::key::object(key)));
        match handle.map(|handle| desired.resource(handle)) {
            Some(Resource::Object(object)) => object.clone(),
            other => panic!("{key}: {other:?}"),
        }
    }

    /// The same with consents.
    pub(crate) fn agreed(mains: u8, works: u16, consents: &[&str]) -> Self {
        Self::of(spec(mains, works, consents), lock_at("1.29.15"))
    }

    /// The same of a cluster that is wanted otherwise.
    pub(crate) fn settled_as(mains: u8, works: u16, change: impl FnOnce(&mut Spec)) -> Self {
        let mut spec = spec(mains, works, &[]);
        change(&mut spec);
        Self::of(spec, lock_at("1.29.15"))
    }

    /// Everything is as wanted, of another version.
    pub(crate) fn settled_at(kubernetes: &str, mains: u8, works: u16) -> Self {
        Self::of(spec_at(kubernetes, mains, works, &[]), lock_at(kubernetes))
    }

    fn of(spec: Spec, lock: Lock) -> Self {
        let seen = settled::settled(&spec, &role::questions_graph(&spec, &lock).unwrap());
        Self { spec, lock, seen }
    }

    /// The file asks for another version, with its bundle; everything is as it was.
    pub(crate) fn want(&mut self, kubernetes: &str) {
        let count = |role| u16::try_from(self.spec.nodes.values().filter(|node| node.role == role).count()).unwrap();
        let mains = u8::try_from(count(Role::Main)).unwrap();
        self.spec = spec_at(kubernetes, mains, count(Role::Work), &[]);
        self.lock = lock_at(kubernetes);
        let asked = Self::of(self.spec.clone(), self.lock.clone()).seen;
        for (name, host) in &asked.hosts {
            let (Some(Fact::Known(here)), Fact::Known(asked)) = (self.seen.hosts.get_mut(name), host) else { continue };
            asked.files.keys().for_each(|path| _ = here.files.entry(path.clone()).or_insert(Fact::Absent));
            asked
                .certificates
                .keys()
                .for_each(|path| _ = here.certificates.entry(path.clone()).or_insert(Fact::Absent));
        }
    }

    /// Hosts that answer and hold nothing.
    pub(crate) fn bare(mains: u8, works: u16) -> Self {
        Self::settled(mains, works).emptied()
    }

    /// The same of a file.
    pub(crate) fn bare_of(text: &str) -> Self {
        Self::of(parsed(text), lock_at("1.29.15")).emptied()
    }

    fn emptied(mut self) -> Self {
        let lab = &mut self;
        for name in lab.spec.nodes.keys().cloned().collect::<Vec<_>>() {
            lab.clear(name.as_str());
        }
        lab.seen.etcd = Fact::Absent;
        lab.seen.api = Fact::Absent;
        self
    }

    pub(crate) fn plan(&self) -> Plan {
        let lowered = role::lower(&self.spec, &self.lock, &self.seen).unwrap();
        crate::plan(Inputs {
            spec: &self.spec,
            bundle: self.lock.digest(),
            desired: &lowered.desired,
            silent: &lowered.waiting,
            observed: &self.seen,
        })
    }

    pub(crate) fn host(&mut self, name: &str) -> &mut Host {
        match self.seen.hosts.get_mut(name) {
            Some(Fact::Known(host)) => host,
            other => panic!("{name}: {other:?}"),
        }
    }

    pub(crate) fn unit(&mut self, name: &str, unit: &str) -> &mut UnitSeen {
        match self.host(name).units.get_mut(unit) {
            Some(Fact::Known(unit)) => unit,
            other => panic!("{name}: {unit}: {other:?}"),
        }
    }

    pub(crate) fn etcd(&mut self) -> &mut BTreeMap<String, EtcdMember> {
        match &mut self.seen.etcd {
            Fact::Known(etcd) => &mut etcd.members,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn member(&mut self, main: u8) -> &mut EtcdMember {
        self.etcd().get_mut(&url(main)).unwrap()
    }

    /// A voter that belongs to no main of the file.
    pub(crate) fn take_in(&mut self, main: u8) {
        let name = node(&format!("main-{main}"));
        self.etcd().insert(url(main), settled::member(&name));
    }

    pub(crate) fn api(&mut self) -> &mut Api {
        match &mut self.seen.api {
            Fact::Known(api) => api,
            other => panic!("{other:?}"),
        }
    }

    /// The node's table is called `[retired.NAME]` now.
    pub(crate) fn retire(&mut self, name: &str) {
        let (name, node) = self.spec.nodes.remove_entry(name).unwrap();
        self.host(name.as_str()).facts.addresses = [node.address].into();
        self.spec.retired.insert(name, node);
    }

    /// A person agrees to something.
    pub(crate) fn agree(&mut self, consent: &str) {
        self.spec.consents.insert(consent.to_owned());
    }

    /// The host does not answer.
    pub(crate) fn silence(&mut self, name: &str) {
        self.seen.hosts.insert(node(name), Fact::Unknown("no route".into()));
    }

    /// The data directory of etcd is empty, and its unit is kept from starting.
    pub(crate) fn wipe(&mut self, main: u8) {
        let name = format!("main-{main}");
        self.host(&name).etcd_data = false;
        self.stop(&name, "etcd.service", "inactive");
        if self.seen.etcd.known().is_some() {
            self.member(main).healthy = Fact::Known(false);
        }
    }

    /// Nothing of FMP is left on the host.
    pub(crate) fn clear(&mut self, name: &str) {
        let host = self.host(name);
        host.files.values_mut().for_each(|file| *file = Fact::Absent);
        host.units.values_mut().for_each(|unit| *unit = Fact::Absent);
        host.certificates.values_mut().for_each(|seen| *seen = Fact::Absent);
        host.secrets.values_mut().for_each(|secret| *secret = Fact::Absent);
        host.images = Fact::Unknown("containerd does not run".into());
        (host.cluster_id, host.pinned_machine_id) = (Fact::Absent, Fact::Absent);
        host.ledger.clear();
        (host.etcd_data, host.etcd_born, host.pod_cidr) = (false, false, None);
    }

    pub(crate) fn stop(&mut self, name: &str, unit: &str, active: &str) {
        let seen = self.unit(name, unit);
        active.clone_into(&mut seen.active);
        seen.stamp = None;
    }

    /// The file holds something else, which no process has read yet.
    pub(crate) fn edit_beneath(&mut self, name: &str, path: &str) {
        match self.host(name).files.get_mut(path) {
            Some(Fact::Known(file)) => file.digest = Some(Digest::of("edited")),
            other => panic!("{name}: {path}: {other:?}"),
        }
    }

    /// The file holds something else, and whatever reads it has read that.
    pub(crate) fn edit(&mut self, name: &str, path: &str) {
        self.edit_beneath(name, path);
        for unit in self.host(name).units.values_mut() {
            if let Fact::Known(UnitSeen { stamp: Some(stamp), .. }) = unit
                && let Some(value) = stamp.0.get_mut(path)
            {
                *value = Digest::of("edited").to_string();
            }
        }
    }

    /// The unit runs, and what it read is another version of everything.
    pub(crate) fn outdate(&mut self, name: &str, unit: &str) {
        let stamp = self.unit(name, unit).stamp.as_mut().unwrap();
        stamp.0.values_mut().for_each(|value| *value = "older".to_owned());
    }
}

/// The step of this name.
pub(crate) fn step<'a>(plan: &'a Plan, id: &str) -> &'a Step {
    plan.steps.iter().find(|step| step.id.as_str() == id).unwrap_or_else(|| panic!("no {id} in {:#?}", ids(plan)))
}

pub(crate) fn ids(plan: &Plan) -> Vec<&str> {
    plan.steps.iter().map(|step| step.id.as_str()).collect()
}

/// What a resource waits for.
pub(crate) fn waits<'a>(plan: &'a Plan, what: &str) -> Option<&'a str> {
    plan.waiting.iter().find(|item: &&Waiting| item.what == what).map(|item| item.until.as_str())
}

/// Whether `later` waits for `earlier`, itself or by way of others.
pub(crate) fn comes_after(plan: &Plan, later: &str, earlier: &str) -> bool {
    let direct = &step(plan, later).after;
    direct.iter().any(|id| id.as_str() == earlier || comes_after(plan, id.as_str(), earlier))
}

#[test]
fn a_settled_cluster_is_in_sync() {
    for (mains, works) in [(1, 0), (3, 2)] {
        let plan = Lab::settled(mains, works).plan();
        assert_eq!((&plan.changes, &plan.waiting), (&Vec::new(), &Vec::new()));
    }
    assert_eq!(Lab::settled(3, 2).spec.nodes[&node("work-1")].role, Role::Work);
}

/// Nothing is on the disk, and nothing on top of it.
fn emptied(disk: &mut DiskSeen) {
    (disk.blank, disk.filesystem_bytes) = (Some(true), None);
    disk.uuid.clear();
    disk.signatures.clear();
    disk.mounted.clear();
    disk.traits.clear();
}

//! Clusters for unit tests: settled as lowering wants them, then broken by hand.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use fmp_core::{
    Digest, NodeName,
    bundle::Lock,
    graph::Desired,
    observed::{
        Api, Certificate, Cgroup, ClockSync, Etcd, EtcdMember, Fact, FileSeen, Host, HostFacts, LedgerEntry, NodeSeen,
        Observed, Stamp, UnitSeen,
    },
    profile::Profiles,
    resource::{Authority, CertificateRequest, Holding, Resource, Scope, Trust, Usage},
    role,
    spec::{self, Role, Spec},
};

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
    let mut text = format!(
        "consent = {consents:?}\n[cluster]\nname = 'lab'\nprofile = 'local'\nkubernetes = '1.29.15'\n\
         [environment]\nkind = 'ssh'\n[network]\nmode = 'routed'\n"
    );
    let mut add = |name: &str, role: &str, address: &str| {
        writeln!(text, "[nodes.{name}]\nrole = '{role}'\naddress = '{address}'").unwrap();
    };
    (1..=mains).for_each(|n| add(&format!("main-{n}"), "main", &format!("198.18.0.{}", 10 + n)));
    (1..=works).for_each(|n| add(&format!("work-{n}"), "work", &format!("198.18.{}.{}", 1 + n / 200, 1 + n % 200)));
    spec::parse("cluster.toml", &text, &Profiles::shipped()).unwrap_or_else(|problems| panic!("{problems:?}"))
}

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

    /// The same with consents.
    pub(crate) fn agreed(mains: u8, works: u16, consents: &[&str]) -> Self {
        let spec = spec(mains, works, consents);
        let lock = Lock::parse(include_str!("../../fixtures/bundle.lock")).unwrap();
        let seen = settled(&spec, &role::questions_graph(&spec, &lock).unwrap());
        Self { spec, lock, seen }
    }

    /// Hosts that answer and hold nothing.
    pub(crate) fn bare(mains: u8, works: u16) -> Self {
        let mut lab = Self::settled(mains, works);
        for name in lab.spec.nodes.keys().cloned().collect::<Vec<_>>() {
            lab.clear(name.as_str());
        }
        lab.seen.etcd = Fact::Absent;
        lab.seen.api = Fact::Absent;
        lab
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
        self.etcd().insert(url(main), member(&name));
    }

    pub(crate) fn api(&mut self) -> &mut Api {
        match &mut self.seen.api {
            Fact::Known(api) => api,
            other => panic!("{other:?}"),
        }
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
        host.cluster_id = Fact::Absent;
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

fn settled(spec: &Spec, desired: &Desired) -> Observed {
    let mut hosts: BTreeMap<NodeName, Host> = spec.nodes.keys().map(|name| (name.clone(), host(name))).collect();
    let (mut nodes, mut objects) = (BTreeMap::new(), BTreeMap::new());
    for (_, id, resource) in desired.iter() {
        match (&id.scope, resource) {
            (Scope::Cluster, Resource::Object(object)) => {
                objects.insert(object.key.clone(), Fact::Known(object.manifest.digest.to_string()));
            }
            (Scope::Cluster, other) => panic!("{other:?}"),
            (Scope::Node(name), Resource::NodeObject(object)) => {
                nodes.insert(name.to_string(), node_seen(object));
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
        api: Fact::Known(Api { ready, nodes, objects }),
        hosts: hosts.into_iter().map(|(name, host)| (name, Fact::Known(host))).collect(),
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
        Resource::Image(image) => {
            if let Fact::Known(images) = &mut host.images {
                images.insert(image.reference.to_string());
            }
        }
        Resource::EtcdMember(_) => (host.etcd_data, host.etcd_born) = (true, true),
        Resource::Machine | Resource::Unit(_) | Resource::NodeObject(_) | Resource::Object(_) => {}
    }
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

fn member(name: &NodeName) -> EtcdMember {
    EtcdMember {
        id: Digest::of(name.as_str()).short(),
        name: name.to_string(),
        learner: false,
        started: true,
        healthy: Fact::Known(true),
        alarms: BTreeSet::new(),
        lag: None,
        leader: false,
    }
}

fn node_seen(object: &fmp_core::resource::NodeObject) -> NodeSeen {
    NodeSeen {
        ready: true,
        message: String::new(),
        kubelet_version: "v1.29.15".into(),
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
        ledger: BTreeMap::new(),
        files: BTreeMap::new(),
        units: BTreeMap::new(),
        certificates: BTreeMap::new(),
        secrets: BTreeMap::new(),
        images: Fact::Known(BTreeSet::new()),
        etcd_data: false,
        etcd_born: false,
        running: BTreeSet::new(),
        pod_cidr: None,
        strangers: BTreeMap::new(),
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
    }
}

#[test]
fn a_settled_cluster_is_in_sync() {
    for (mains, works) in [(1, 0), (3, 2)] {
        let plan = Lab::settled(mains, works).plan();
        assert_eq!((&plan.changes, &plan.waiting), (&Vec::new(), &Vec::new()));
    }
    assert_eq!(Lab::settled(3, 2).spec.nodes[&node("work-1")].role, Role::Work);
}

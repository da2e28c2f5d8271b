//! What an observation answers.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use fmp_core::{
    Digest, NodeName,
    observed::{self, Fact, FileSeen, HostFacts, Listener, Machine, Observed, PackagesSeen},
    resource::Holding,
    role::paths::{ETCD_BORN, MACHINE_ID, NODE_ENV},
    spec::Environment,
};
use fmp_exec::{Questions, provider::HostQuestions};

use super::{
    World,
    api::CONTAINERD,
    files::{Content, File},
    host::{Host, Power},
};

/// Who listens where once it runs.
const LISTENERS: [(u16, &str); 7] = [
    (2379, "etcd.service"),
    (2380, "etcd.service"),
    (2381, "etcd.service"),
    (6443, "kube-apiserver.service"),
    (10250, "kubelet.service"),
    (10257, "kube-controller-manager.service"),
    (10259, "kube-scheduler.service"),
];

impl World {
    /// Answers questions.
    pub fn observe(&self, ask: &Questions) -> Observed {
        let hosts = ask.hosts.iter().map(|(node, ask)| (node.clone(), self.host_seen(node, ask)));
        Observed {
            now: self.now(),
            machines: self.machines(),
            hosts: hosts.collect(),
            other_keys: BTreeMap::new(),
            etcd: self.etcd_seen(),
            api: self.api_seen(ask),
        }
    }

    fn machines(&self) -> Fact<BTreeMap<NodeName, Machine>> {
        match self.environment {
            Environment::Ssh => Fact::Unknown("the environment makes no machines".to_owned()),
            Environment::Local | Environment::Sim => {
                let there = self.hosts.iter().filter(|(_, host)| host.power != Power::Absent);
                let machine = |host: &Host| Machine { running: host.power.is_on(), kind: None };
                Fact::Known(there.map(|(node, host)| (node.clone(), machine(host))).collect())
            }
        }
    }

    fn host_seen(&self, node: &NodeName, ask: &HostQuestions) -> Fact<observed::Host> {
        match self.hosts.get(node) {
            Some(host) if self.way_to(node).is_ok() => {
                let mut seen = host.seen(ask, self.serial);
                seen.health = ask.health.as_ref().and_then(|ask| self.host_health(node, ask));
                seen.facts.addresses.extend(self.shared_address(node));
                Fact::Known(seen)
            }
            Some(host) if host.power == Power::Absent && self.environment.makes_machines() => Fact::Absent,
            Some(_) | None => Fact::Unknown(format!("{node} can't be reached")),
        }
    }
}

impl Host {
    fn seen(&self, ask: &HostQuestions, nonce: u64) -> observed::Host {
        let images = self.runs(CONTAINERD).then(|| self.images.clone());
        let authorities = ask.trust.iter().filter_map(|what| match what {
            Holding::Authority(authority) => Some(authority.certificate()),
            Holding::ClusterId | Holding::ServiceAccountKey | Holding::EncryptionConfig => None,
        });
        let certificates = ask.certificates.iter().map(|path| &**path).chain(authorities);
        let secrets = ask.trust.iter().filter_map(|what| what.private_path());
        observed::Host {
            facts: self.facts_seen(ask),
            cluster_id: self.cluster_id().map_or(Fact::Absent, |id| Fact::Known(id.to_owned())),
            pinned_machine_id: known(
                self.files.get(MACHINE_ID).and_then(File::text).map(|id| id.trim_end().to_owned()),
            ),
            ledger: self.ledger.clone(),
            files: self.files_seen(ask),
            units: ask.units.iter().map(|name| (name.to_string(), known(self.unit_seen(name)))).collect(),
            certificates: certificates.map(|path| (path.to_owned(), self.certificate(path))).collect(),
            secrets: secrets.map(|path| (path.to_owned(), self.secret(path, nonce))).collect(),
            images: images.map_or_else(|| Fact::Unknown("containerd does not run".to_owned()), Fact::Known),
            etcd_data: self.etcd_data.is_some(),
            etcd_born: self.files.contains_key(ETCD_BORN),
            epoch: self.epoch,
            running: BTreeSet::new(),
            pod_cidr: self.pod_cidr(),
            volume: ask.volume.as_ref().map(|ask| self.volume_seen(ask)),
            packages: (!ask.packages.is_empty()).then(|| self.packages_seen(&ask.packages)),
            health: None,
            strangers: BTreeMap::new(),
        }
    }

    fn pod_cidr(&self) -> Option<fmp_core::net::Cidr> {
        let text = self.files.get(NODE_ENV)?.text()?;
        text.lines().find_map(|line| line.strip_prefix("POD_CIDR="))?.parse().ok()
    }

    fn packages_seen(&self, asked: &BTreeSet<Arc<str>>) -> PackagesSeen {
        let there = asked.iter().filter_map(|name| Some((name.to_string(), self.packages.get(&**name)?.clone())));
        PackagesSeen { there: Fact::Known(there.collect()), begun: self.begun.clone() }
    }

    fn facts_seen(&self, ask: &HostQuestions) -> HostFacts {
        let sysctl = |name: &String| Some((name.clone(), self.facts.sysctls.get(name)?.clone()));
        let listens = |port: &u16| {
            let (_, owner) = LISTENERS.iter().find(|(at, unit)| at == port && self.runs(unit))?;
            Some((*port, Listener { owner: (*owner).to_owned() }))
        };
        HostFacts {
            programs: ask.programs_wanted.iter().map(|name| (name.clone(), format!("/usr/bin/{name}"))).collect(),
            modules: ask.modules.clone(),
            sysctls: ask.sysctls.iter().filter_map(sysctl).collect(),
            listeners: ask.ports.iter().filter_map(listens).collect(),
            clock_offset_ms: self.clock_off_s.saturating_mul(1000),
            ..self.facts.clone()
        }
    }

    /// Every path that was asked for, and every path that the ledger names.
    fn files_seen(&self, ask: &HostQuestions) -> BTreeMap<String, Fact<FileSeen>> {
        let both = |what: &Holding| [what.public_path(), what.private_path()];
        let trust = ask.trust.iter().flat_map(both).flatten();
        let asked = ask.programs.iter().chain(&ask.certificates).chain(&ask.keys).map(|path| &**path).chain(trust);
        let noted = self.ledger.keys().filter_map(|key| key.strip_prefix("file"));
        let others: BTreeSet<&str> = asked.chain(noted).filter(|path| !ask.files.contains_key(*path)).collect();
        let seen = |path: &str, wanted| known(self.files.get(path).map(|file| file.seen(wanted)));
        let files = ask.files.iter().map(|(path, wanted)| (path.to_string(), seen(path, Some(wanted))));
        files.chain(others.into_iter().map(|path| (path.to_owned(), seen(path, None)))).collect()
    }

    fn certificate(&self, path: &str) -> Fact<observed::Certificate> {
        match self.files.get(path).map(|file| &file.content) {
            None => Fact::Absent,
            Some(Content::Certificate(certificate)) => Fact::Known((**certificate).clone()),
            Some(Content::Text(_) | Content::Program { .. } | Content::Secret(_)) => {
                Fact::Unknown("it is no certificate".to_owned())
            }
        }
    }

    fn secret(&self, path: &str, nonce: u64) -> Fact<Digest> {
        match self.files.get(path).map(|file| &file.content) {
            None => Fact::Absent,
            Some(content) => Fact::Known(Digest::of(format!("{nonce} {content:?}"))),
        }
    }
}

fn known<T>(value: Option<T>) -> Fact<T> {
    value.map_or(Fact::Absent, Fact::Known)
}

//! A world that looks as a real one was observed: asked the same, it answers the same.
//!
//! What no observation sees is filled in harmlessly: programs answer, clocks are right, learners are in sync. A host that
//! did not answer stands there and is out of reach; one that is switched off has nothing on its disk that anybody knows.

use std::collections::{BTreeMap, BTreeSet};

use fmp_core::{
    Digest, NodeName,
    graph::Desired,
    observed::{self, Fact, FileSeen, HostFacts, ObjectSeen, Observed},
    resource::{Resource, Scope},
    role::paths::{ETCD_BORN, MACHINE_ID},
    spec::Spec,
};

use super::{
    Setup, World,
    disks::{Disk, Group},
    etcd::{EtcdCluster, Member},
    files::{Content, File},
    host::{Data, Host, Power},
    units::Unit,
};

/// Where a host's cluster is named.
const CLUSTER_ID: &str = "/var/lib/fmp/cluster-id";

impl World {
    /// The world that `observed` was taken of. `desired` lends the texts of files that are as wanted, since an observation
    /// carries only those that are not.
    pub(crate) fn mirror(spec: &Spec, desired: &Desired, observed: &Observed, pace: super::Pace) -> Self {
        let mut world = Self::new(Setup { now: observed.now, pace, ..Setup::of(spec) });
        let texts = texts(desired);
        let mut secrets = BTreeMap::new();
        for (name, _) in spec.everyone() {
            world.mirror_host(name, observed, &texts, &mut secrets);
        }
        world.mirror_cluster(observed);
        world.settle();
        world
    }

    fn mirror_host(
        &mut self,
        name: &NodeName,
        observed: &Observed,
        texts: &Texts<'_>,
        secrets: &mut BTreeMap<Digest, u64>,
    ) {
        let mut serial = self.serial;
        let Some(host) = self.hosts.get_mut(name) else { return };
        match observed.hosts.get(name) {
            Some(Fact::Known(seen)) => {
                host.power = Power::On;
                Glass { host, seen, serial: &mut serial, secrets }.fill(texts);
            }
            Some(Fact::Absent) => host.power = Power::Absent,
            Some(Fact::Unknown(_)) | None => {
                host.power = if observed.is_off(name) { Power::Off } else { Power::On };
                host.reachable = host.power == Power::Off;
            }
        }
        self.serial = serial;
    }

    fn mirror_cluster(&mut self, observed: &Observed) {
        if let Fact::Known(etcd) = &observed.etcd {
            let member = |seen: &observed::EtcdMember| Member {
                id: seen.id.clone(),
                name: seen.name.clone(),
                learner: seen.learner,
                alarms: seen.alarms.clone(),
            };
            let members = etcd.members.iter().map(|(url, seen)| (url.clone(), member(seen))).collect();
            let leader = etcd.members.values().find(|seen| seen.leader).map(|seen| seen.id.clone());
            // Somebody answered for etcd: a leader is there, although its own host may be out of sight.
            let election_ms = Some(0);
            self.etcd = Some(EtcdCluster { leader, election_ms, ..EtcdCluster::new(etcd.cluster_id.clone(), members) });
        } else {
            self.etcd = self.sleeping();
        }
        if let Fact::Known(api) = &observed.api {
            self.nodes.clone_from(&api.nodes);
            let known = |(key, seen): (&String, &Fact<ObjectSeen>)| Some((key.clone(), seen.known()?.clone()));
            self.objects = api.objects.iter().filter_map(known).collect();
            self.mirror_workloads(api.workloads.iter().filter_map(Fact::known).flatten());
        }
        self.own_data();
    }

    /// A cluster that nobody could be asked about: its members are the mains that have data.
    fn sleeping(&self) -> Option<EtcdCluster> {
        let has_data = |(_, host): &(&NodeName, &Host)| host.etcd_data.is_some();
        let member = |(name, host): (&NodeName, &Host)| {
            let (id, alarms) = (format!("member of {name}"), BTreeSet::new());
            Some((host.peer_url()?, Member { id, name: name.to_string(), learner: false, alarms }))
        };
        let members: BTreeMap<String, Member> = self.mains().filter(has_data).filter_map(member).collect();
        (!members.is_empty()).then(|| EtcdCluster::new("asleep".to_owned(), members))
    }

    /// Each data directory is that of the member that etcd knows at its host's address; of an earlier life where it knows none.
    fn own_data(&mut self) {
        let Some(etcd) = &self.etcd else { return };
        for host in self.hosts.values_mut() {
            let member =
                host.peer_url().and_then(|url| etcd.members.get(&url)).filter(|member| !member.name.is_empty());
            if let (Some(data), Some(member)) = (&mut host.etcd_data, member) {
                data.member.clone_from(&member.id);
            }
        }
    }
}

/// Wanted texts, by node and path.
type Texts<'a> = BTreeMap<(&'a NodeName, &'a str), &'a fmp_core::resource::Text>;

fn texts(desired: &Desired) -> Texts<'_> {
    let mut texts = BTreeMap::new();
    for (_, id, resource) in desired.iter() {
        if let (Scope::Node(node), Resource::File(file)) = (&id.scope, resource) {
            texts.insert((node, &*file.path), &file.content);
        }
    }
    texts
}

/// One host on its way into the world.
struct Glass<'a> {
    host: &'a mut Host,
    seen: &'a observed::Host,
    serial: &'a mut u64,
    /// Equal secrets have equal digests within one observation: a number for each.
    secrets: &'a mut BTreeMap<Digest, u64>,
}

impl Glass<'_> {
    fn fill(mut self, texts: &Texts<'_>) {
        let name: Option<NodeName> = self.seen.facts.hostname.parse().ok();
        // A real host has bridges with addresses of their own; in a world it is known by its node's address alone.
        let addresses = std::mem::take(&mut self.host.facts.addresses);
        self.host.facts = HostFacts { addresses, ..self.seen.facts.clone() };
        self.host.clock_off_s = self.seen.facts.clock_offset_ms / 1000;
        self.host.ledger = self.seen.ledger.clone();
        self.host.images = self.seen.images.known().cloned().unwrap_or_default();
        for (path, seen) in &self.seen.files {
            if let Fact::Known(seen) = seen {
                let text = name.as_ref().and_then(|name| texts.get(&(name, path.as_str()))).copied();
                let content = self.content(path, seen, text);
                self.lay_down(path, content, seen.mode, Some(seen));
            }
        }
        for (path, seen) in &self.seen.certificates {
            if let Fact::Known(seen) = seen
                && !self.host.files.contains_key(path)
            {
                self.lay_down(path, Content::Certificate(Box::new(seen.clone())), 0o644, None);
            }
        }
        for (path, seen) in &self.seen.secrets {
            if let Fact::Known(digest) = seen {
                let content = Content::Secret(self.number(*digest));
                self.lay_down(path, content, 0o600, self.seen.files.get(path).and_then(Fact::known));
            }
        }
        if let Fact::Known(id) = &self.seen.cluster_id {
            self.lay_down(CLUSTER_ID, Content::Text(format!("{id}\n").into()), 0o644, None);
        }
        if let Fact::Known(id) = &self.seen.pinned_machine_id {
            self.lay_down(MACHINE_ID, Content::Text(format!("{id}\n").into()), 0o644, None);
        }
        if self.seen.etcd_born {
            self.lay_down(ETCD_BORN, Content::Text("".into()), 0o644, None);
        }
        self.host.etcd_data = self.seen.etcd_data.then(|| Data {
            member: format!("member of {}", self.seen.facts.hostname),
            life: self.next(),
            in_sync_ms: 0,
        });
        self.volume();
        if let Some(seen) = &self.seen.packages {
            self.host.packages = seen.there.known().cloned().unwrap_or_default();
            self.host.begun.clone_from(&seen.begun);
        }
        self.units();
    }

    fn volume(&mut self) {
        let Some(seen) = &self.seen.volume else { return };
        self.host.volume.clone_from(&seen.note);
        let note = seen.note.as_ref();
        // The machine has those that the file names: one, unless LVM joins them.
        let named = std::mem::take(&mut self.host.disks).into_iter().map(|disk| disk.name);
        self.host.disks = match &seen.group {
            None => {
                let disk = named.take(1).zip(seen.disk.known());
                disk.map(|(name, disk)| Disk::mirrored(name, disk, note)).collect()
            }
            Some(beneath) => {
                let disks = beneath.disks.iter().filter_map(|(name, disk)| Some((name, disk.known()?)));
                disks.map(|(name, disk)| Disk::mirrored(name.clone(), disk, note)).collect()
            }
        };
        // The ledger names the device: `/dev/GROUP/VOLUME`.
        let name = note.and_then(|note| note.disk.strip_prefix("/dev/")?.split_once('/'));
        self.host.group = name.and_then(|(group, _)| Group::mirrored(group, seen));
    }

    fn content(&mut self, path: &str, seen: &FileSeen, wanted: Option<&fmp_core::resource::Text>) -> Content {
        if let Some(Fact::Known(certificate)) = self.seen.certificates.get(path) {
            return Content::Certificate(Box::new(certificate.clone()));
        }
        match (seen.digest, &seen.text, wanted) {
            (None, ..) => Content::Secret(self.next()),
            (Some(_), Some(text), _) => Content::Text(text.as_str().into()),
            (Some(digest), None, Some(wanted)) if wanted.digest == digest => Content::Text(wanted.text.clone()),
            (Some(digest), None, _) => Content::Program { digest, bytes: seen.bytes },
        }
    }

    fn lay_down(&mut self, path: &str, content: Content, mode: u32, seen: Option<&FileSeen>) {
        let written = self.next();
        let file = File::new(content, mode, written);
        self.host.put(
            path,
            match seen {
                Some(seen) => file.looking_as(seen),
                None => file,
            },
        );
    }

    fn units(&mut self) {
        for (name, seen) in &self.seen.units {
            let Fact::Known(seen) = seen else { continue };
            for (path, digest) in &seen.drop_ins {
                if !self.host.files.contains_key(path) {
                    self.lay_down(path, Content::Program { digest: *digest, bytes: 64 }, 0o644, None);
                }
            }
            let loaded = self.host.unit_files(name).filter(|_| !seen.needs_reload).unwrap_or_default();
            self.host.units.insert(name.clone(), Unit::mirrored(seen, loaded));
        }
    }

    fn number(&mut self, digest: Digest) -> u64 {
        if let Some(number) = self.secrets.get(&digest) {
            return *number;
        }
        let number = self.next();
        self.secrets.insert(digest, number);
        number
    }

    fn next(&mut self) -> u64 {
        *self.serial += 1;
        *self.serial
    }
}

//! etcd: who votes, who leads, who is born.

use std::collections::{BTreeMap, BTreeSet};

use fmp_core::{
    Digest, NodeName,
    observed::{Etcd, EtcdMember, Fact},
    role::paths::{ETCD_BORN, ETCD_PERMIT},
};

use serde::{Deserialize, Serialize};

use super::{
    Deed, World,
    files::{Content, File},
    host::{Data, Host, Power},
};

/// The unit that runs etcd.
pub(crate) const ETCD: &str = "etcd.service";

/// The cluster, as its members agreed on it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EtcdCluster {
    pub(crate) id: String,
    /// By peer URL.
    pub(crate) members: BTreeMap<String, Member>,
    /// Grows with each election.
    #[serde(default)]
    pub(crate) term: u64,
    /// The id of the member that leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) leader: Option<String>,
    /// When the next one is elected, by the world's milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) election_ms: Option<u64>,
}

impl EtcdCluster {
    /// A cluster that has no leader yet.
    pub(crate) const fn new(id: String, members: BTreeMap<String, Member>) -> Self {
        Self { id, members, term: 0, leader: None, election_ms: None }
    }
}

/// One member.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) id: String,
    /// Empty before its first start.
    pub(crate) name: String,
    pub(crate) learner: bool,
    /// `NOSPACE`, `CORRUPT`.
    pub(crate) alarms: BTreeSet<String>,
}

impl World {
    /// Whether a host's process of this very member answers.
    fn is_member(&self, host: &Host, member: &Member) -> bool {
        host.etcd_data.as_ref().is_some_and(|data| data.member == member.id)
            && host.answers(ETCD)
            && host.trusts(self.now())
    }

    /// The host whose process of this very member answers.
    pub(crate) fn runner(&self, member: &Member) -> Option<&Host> {
        self.hosts.values().find(|host| host.main && self.is_member(host, member))
    }

    /// The part of the network in which a majority of the voters answers each other.
    pub(crate) fn quorum_part(&self) -> Option<u8> {
        let etcd = self.etcd.as_ref()?;
        let voters = || etcd.members.values().filter(|member| !member.learner);
        let quorum = voters().count() / 2 + 1;
        let mut parts: BTreeMap<u8, usize> = BTreeMap::new();
        for host in voters().filter_map(|member| self.runner(member)) {
            *parts.entry(host.part).or_default() += 1;
        }
        parts.into_iter().find(|(_, voters)| *voters >= quorum).map(|(part, _)| part)
    }

    /// The member whose data a host holds.
    fn member_of(&self, host: &Host) -> Option<&Member> {
        let data = host.etcd_data.as_ref()?;
        self.etcd.as_ref()?.members.values().find(|member| member.id == data.member)
    }

    /// Whether the host's member is a voter that answers in the part that has the quorum.
    pub(crate) fn votes(&self, host: &Host, quorum: Option<u8>) -> bool {
        quorum == Some(host.part)
            && self.member_of(host).is_some_and(|member| !member.learner && self.is_member(host, member))
    }

    pub(crate) fn member_is_healthy(&self, node: &str) -> bool {
        self.has_leader() && self.hosts.get(node).is_some_and(|host| self.votes(host, self.quorum_part()))
    }

    /// A main by way of which something can be done to etcd or the API, `last` after all others. Whether its apiserver must
    /// answer is for the caller to say.
    pub(crate) fn way_to_cluster(&self, last: Option<&NodeName>, by: fn(&Self, &Host) -> bool) -> Option<NodeName> {
        let can = |node: &NodeName, host: &Host| self.way_to(node).is_ok() && by(self, host);
        let mains = || self.mains().filter(|(node, host)| can(node, host)).map(|(node, _)| node);
        mains().find(|node| Some(*node) != last).or_else(|| mains().next()).cloned()
    }

    /// Whether a main's member answers with the others' agreement.
    pub(crate) fn by_etcd(&self, host: &Host) -> bool {
        self.votes(host, self.quorum_part())
    }

    /// Whether etcd takes no writes until somebody has seen to it.
    pub(crate) fn has_alarm(&self) -> bool {
        self.etcd.iter().flat_map(|etcd| etcd.members.values()).any(|member| !member.alarms.is_empty())
    }

    /// A process of etcd without data begins a life where a permit lies there, and ends where none does.
    pub(crate) fn members_begin(&mut self) {
        let begins = |(_, host): &(&NodeName, &Host)| host.runs(ETCD) && host.etcd_data.is_none();
        let nodes: Vec<NodeName> = self.hosts.iter().filter(begins).map(|(node, _)| node.clone()).collect();
        for node in nodes {
            let member = self.begun_member(&node);
            let (life, clock_ms) = (self.next(), self.clock_ms);
            let in_sync_ms = clock_ms + self.pace.catch_up(life);
            if let Some(host) = self.hosts.get_mut(&node) {
                match member {
                    Some(member) => host.etcd_data = Some(Data { member, life, in_sync_ms }),
                    None => host.end(ETCD),
                }
            }
        }
    }

    /// The member that a process without data becomes: by its permit; without one it is born as its unit says it was.
    fn begun_member(&mut self, node: &NodeName) -> Option<String> {
        let host = self.hosts.get(node)?;
        let (url, token) = (host.peer_url()?, host.cluster_id().unwrap_or_default().to_owned());
        let permit = host.files.get(ETCD_PERMIT).and_then(File::text).map(str::to_owned);
        let mut lines = permit.as_deref().unwrap_or("new").lines();
        let born = lines.next() == Some("new");
        // Every first member comes to the same ids by itself: they are a hash of URLs and token.
        let id = |url: &str| short_id(&format!("{url} {token}"));
        if born && self.etcd.is_none() {
            let first = |url: &str| (url.to_owned(), Member { id: id(url), ..Member::default() });
            let members = lines.clone().map(first);
            self.etcd = Some(EtcdCluster::new(short_id(&token), members.collect()));
        }
        let members = &mut self.etcd.as_mut()?.members;
        // etcd refuses whoever joins with another list than it has itself: the process ends.
        if !born && lines.collect::<BTreeSet<_>>() != members.keys().map(String::as_str).collect() {
            return None;
        }
        let member = members.get_mut(&url)?;
        if born && member.id != id(&url) {
            return None;
        }
        node.as_str().clone_into(&mut member.name);
        Some(member.id.clone())
    }

    /// A member that has a quorum for the first time notes that it was born, and its permit goes.
    pub(crate) fn note_births(&mut self) {
        let quorum = self.quorum_part();
        if quorum.is_none() || !self.has_leader() {
            return;
        }
        let is_new = |host: &Host| !host.files.contains_key(ETCD_BORN) || host.files.contains_key(ETCD_PERMIT);
        let healthy = |(_, host): &(&NodeName, &Host)| self.votes(host, quorum);
        let voters: Vec<NodeName> = self.mains().filter(healthy).map(|(node, _)| node.clone()).collect();
        for node in voters {
            let written = self.next();
            let Some(host) = self.hosts.get_mut(&node) else { continue };
            let data = host.etcd_data.clone();
            if is_new(host) {
                host.put(ETCD_BORN, File::new(Content::Text("".into()), 0o644, written));
                host.files.remove(ETCD_PERMIT);
            }
            if let Some(Data { member, life, .. }) = data {
                self.tell(Deed::Voted { member, life });
            }
        }
    }

    /// A process whose member was taken out ends, as soon as those who have the quorum tell it.
    pub(crate) fn removed_members_end(&mut self) {
        let Some(part) = self.quorum_part() else { return };
        let is_out = |(_, host): &(&NodeName, &Host)| {
            host.part == part && host.answers(ETCD) && host.etcd_data.is_some() && self.member_of(host).is_none()
        };
        let out: Vec<NodeName> = self.mains().filter(is_out).map(|(node, _)| node.clone()).collect();
        for node in out {
            if let Some(host) = self.hosts.get_mut(&node) {
                host.end(ETCD);
            }
        }
    }

    /// A process whose member has a leader tells systemd that it runs, a learner's as well.
    pub(crate) fn members_come_up(&mut self) {
        let Some(part) = self.quorum_part().filter(|_| self.has_leader()) else { return };
        let is_led =
            |host: &Host| host.part == part && self.member_of(host).is_some_and(|member| self.is_member(host, member));
        let led: Vec<NodeName> = self.mains().filter(|(_, host)| is_led(host)).map(|(node, _)| node.clone()).collect();
        for node in led {
            let unit = self.hosts.get_mut(&node).and_then(|host| host.units.get_mut(ETCD));
            if let Some(running) = unit.and_then(|unit| unit.running.as_mut()) {
                running.led = true;
            }
        }
    }

    /// etcd as it is seen through the mains.
    pub(crate) fn etcd_seen(&self) -> Fact<Etcd> {
        if let Some(etcd) = self.etcd.as_ref().filter(|etcd| etcd.leader.is_some())
            && let Some(witness) = self.way_to_cluster(None, Self::by_etcd)
        {
            let part = self.hosts[&witness].part;
            let members = etcd.members.iter().map(|(url, member)| (url.clone(), self.member_seen(etcd, member, part)));
            return Fact::Known(Etcd { cluster_id: etcd.id.clone(), members: members.collect() });
        }
        if self.mains().any(|(node, _)| self.is_silent(node)) {
            return Fact::Unknown("a main can't be reached".to_owned());
        }
        if self.mains().all(|(_, host)| host.etcd_data.is_none()) {
            return Fact::Absent;
        }
        let missing = if self.quorum_part().is_some() { "leader" } else { "quorum" };
        Fact::Unknown(format!("etcd has no {missing}"))
    }

    /// Whether nothing is known of a host: one that its environment knows to be absent is known.
    pub(crate) fn is_silent(&self, node: &NodeName) -> bool {
        self.way_to(node).is_err() && self.hosts.get(node).is_none_or(|host| host.power != Power::Absent)
    }

    /// As a main in `part` sees it. While there is an alarm anywhere, `etcdctl endpoint health` finds nobody healthy.
    fn member_seen(&self, etcd: &EtcdCluster, member: &Member, part: u8) -> EtcdMember {
        let runner = self.runner(member).filter(|host| host.part == part);
        let started = !member.name.is_empty();
        let healthy = || Fact::Known(runner.is_some() && !self.has_alarm());
        EtcdMember {
            id: member.id.clone(),
            name: member.name.clone(),
            learner: member.learner,
            started,
            healthy: if started { healthy() } else { Fact::Unknown("it could not be asked".to_owned()) },
            alarms: member.alarms.clone(),
            lag: runner.map(|host| if self.is_in_sync(host) { 0 } else { 1_000 }),
            leader: etcd.leader.as_ref() == Some(&member.id),
            database_bytes: None,
        }
    }

    /// Whether a host's member has caught up.
    pub(crate) fn is_in_sync(&self, host: &Host) -> bool {
        host.etcd_data.as_ref().is_some_and(|data| data.in_sync_ms <= self.clock_ms)
    }
}

/// 64 bits, hexadecimal.
pub(crate) fn short_id(text: &str) -> String {
    let mut id = Digest::of(text).hex();
    id.truncate(16);
    id
}

//! etcd's members: born once, together; afterwards only removed, announced, started as learners, promoted.
//!
//! The hash that names a first member is made of URLs and a token. A member that was wiped and started as `new` would
//! bootstrap again and vote a second time, so an empty data directory is given life only here.

use std::collections::BTreeMap;

use fmp_core::{
    NodeName,
    observed::{Etcd, EtcdMember, Fact, Host},
    resource::{Resource, ResourceId},
};

use super::{Delta, HostView, Sides, Task, Work};
use crate::{action::Action, fact::FactKey, plan::Verb};

pub(super) fn delta(sides: Sides<'_>, host: &HostView<'_>) -> Delta {
    let Some(peer_url) = peer_url(sides, host.name) else { return Delta::InSync };
    let (data, born) = match host.state {
        Fact::Known(seen) => (seen.etcd_data, seen.etcd_born),
        Fact::Absent => (false, false),
        Fact::Unknown(why) => return Delta::blocked(host.until("etcd's data", why)),
    };
    match (&sides.observed.etcd, data) {
        (Fact::Known(etcd), true) => with_data(etcd, host, &peer_url),
        (Fact::Known(etcd), false) => without_data(sides, etcd, host, &peer_url, born),
        // The unit's own start brings back a member that has its data.
        (Fact::Absent | Fact::Unknown(_), true) => Delta::InSync,
        (Fact::Absent | Fact::Unknown(_), false) => birth(sides, host, &peer_url),
    }
}

/// A member that has data: a voter, a learner to promote, or one that was removed.
fn with_data(etcd: &Etcd, host: &HostView<'_>, peer_url: &str) -> Delta {
    match etcd.members.get(peer_url) {
        Some(member) if member.learner => {
            let promote = Action::PromoteEtcdLearner { peer_url: peer_url.to_owned() };
            let facts = vec![member_fact(peer_url), data_fact(host.name)];
            Delta::Work(
                Work::new(Verb::Update, Task::Chain(vec![("promote", promote)]), facts).because(["it has no vote"]),
            )
        }
        Some(_) => Delta::InSync,
        None => Delta::blocked(format!(
            "{0}'s old etcd data is gone: etcd knows no member {peer_url}, and a removed member's data can't be used \
             again; move /var/lib/etcd/member away on {0}",
            host.name
        )),
    }
}

/// An empty data directory while etcd has a quorum.
fn without_data(sides: Sides<'_>, etcd: &Etcd, host: &HostView<'_>, peer_url: &str, born: bool) -> Delta {
    let peers: BTreeMap<_, _> = members(sides);
    let url = || peer_url.to_owned();
    let join = [
        ("add", Action::AddEtcdLearner { peer_url: url() }),
        ("start", Action::StartEtcdLearner { members: peers.clone() }),
        ("promote", Action::PromoteEtcdLearner { peer_url: url() }),
    ];
    let (why, chain) = match etcd.members.get(peer_url) {
        None => ("etcd does not know it".to_owned(), join.to_vec()),
        Some(member) if member.learner && !member.started => {
            ("it was announced and never started".to_owned(), join[1..].to_vec())
        }
        Some(member) if !member.started && !born => (
            "it belongs to the first members and never started".to_owned(),
            vec![("bootstrap", Action::BootstrapEtcd { members: peers })],
        ),
        Some(member) => {
            if let Some(until) = removal_blocked(etcd, member, host.name) {
                return Delta::Blocked { until };
            }
            let remove = Action::RemoveEtcdMember { peer_url: url(), id: member.id.clone() };
            let chain = std::iter::once(("remove", remove)).chain(join).collect();
            ("its data directory is empty: it was wiped, and would vote twice if it started as it is".to_owned(), chain)
        }
    };
    let facts = vec![member_fact(peer_url), data_fact(host.name)];
    Delta::Work(Work::new(Verb::Create, Task::Chain(chain), facts).because([why]))
}

/// Why a wiped member can't be taken out: the others must have a quorum of the whole.
fn removal_blocked(etcd: &Etcd, wiped: &EtcdMember, node: &NodeName) -> Option<String> {
    let voters = etcd.members.values().filter(|member| !member.learner);
    let (total, healthy) = voters.fold((0, 0), |(total, healthy), member| {
        let counts = member.id != wiped.id && member.healthy == Fact::Known(true);
        (total + 1, healthy + usize::from(counts))
    });
    let quorum = total / 2 + 1;
    (healthy < quorum).then(|| {
        format!(
            "{quorum} of etcd's {total} voters are healthy without {node}, so that it can be taken out; now {healthy}"
        )
    })
}

/// An empty data directory while no quorum answers: the cluster is born, or its birth goes on.
fn birth(sides: Sides<'_>, host: &HostView<'_>, peer_url: &str) -> Delta {
    for (name, _) in sides.spec.mains() {
        match sides.observed.hosts.get(name) {
            Some(Fact::Known(Host { etcd_born: true, .. })) => {
                return Delta::blocked(format!(
                    "etcd has a quorum: {name} was a voter once, so {} can only join; start the members that have data, or restore a backup",
                    host.name
                ));
            }
            Some(Fact::Known(_) | Fact::Absent) => {}
            Some(Fact::Unknown(why)) => {
                return Delta::blocked(format!("{name} says whether it holds etcd's data: {why}"));
            }
            None => return Delta::blocked(format!("{name} says whether it holds etcd's data: it was not asked")),
        }
    }
    let bootstrap = Action::BootstrapEtcd { members: members(sides) };
    let mut facts = host.premises(|| data_fact(host.name));
    facts.push(member_fact(peer_url));
    Delta::Work(Work::new(Verb::Create, Task::Chain(vec![("bootstrap", bootstrap)]), facts))
}

fn members(sides: Sides<'_>) -> BTreeMap<NodeName, String> {
    let url = |name: &NodeName| peer_url(sides, name).map(|url| (name.clone(), url));
    sides.spec.mains().filter_map(|(name, _)| url(name)).collect()
}

fn peer_url(sides: Sides<'_>, node: &NodeName) -> Option<String> {
    let handle = sides.desired.find(&ResourceId::node(node, "etcd-member"))?;
    match sides.desired.resource(handle) {
        Resource::EtcdMember(member) => Some(member.peer_url.clone()),
        Resource::Machine
        | Resource::Artifact(_)
        | Resource::File(_)
        | Resource::Trust(_)
        | Resource::Certificate(_)
        | Resource::Unit(_)
        | Resource::Image(_)
        | Resource::NodeObject(_)
        | Resource::Object(_) => None,
    }
}

fn member_fact(peer_url: &str) -> FactKey {
    FactKey::EtcdMember { peer_url: peer_url.to_owned() }
}

fn data_fact(node: &NodeName) -> FactKey {
    FactKey::EtcdData { node: node.clone() }
}

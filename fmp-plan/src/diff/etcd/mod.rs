//! etcd's members: born once, together; afterwards only removed, announced, started as learners, promoted.
//!
//! The hash that names a first member is made of URLs and a token. A member that was wiped and started as `new` would
//! bootstrap again and vote a second time, so an empty data directory is given life only here.

mod membership;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use fmp_core::{
    NodeName,
    observed::{Etcd, EtcdMember, Fact, Host},
    spec::Role,
};
pub(crate) use membership::Joining;

use super::{Delta, HostView, Sides, Task, Work};
use crate::{
    action::{Action, MemberBefore},
    fact::FactKey,
    plan::Verb,
    safety,
};

type Link = (&'static str, Action);

pub(super) fn delta(sides: Sides<'_>, host: &HostView<'_>) -> Delta {
    let Some(main) = sides.spec.nodes.get(host.name) else { return Delta::InSync };
    let peer_url = safety::peer_url(main);
    let (data, born) = match host.state {
        Fact::Known(seen) => (seen.etcd_data, seen.etcd_born),
        Fact::Absent => (false, false),
        Fact::Unknown(why) => return Delta::blocked(host.until("etcd's data", why)),
    };
    match (&sides.observed.etcd, data) {
        (Fact::Known(etcd), true) => with_data(sides, etcd, host, &peer_url),
        (Fact::Known(etcd), false) => without_data(sides, etcd, host, &peer_url, born),
        // The unit's own start brings back a member that has its data.
        (Fact::Absent | Fact::Unknown(_), true) => Delta::InSync,
        (Fact::Absent | Fact::Unknown(_), false) => birth(sides, host),
    }
}

/// A member that has data: a voter, a learner to promote, or one that was removed.
fn with_data(sides: Sides<'_>, etcd: &Etcd, host: &HostView<'_>, peer_url: &str) -> Delta {
    match etcd.members.get(peer_url) {
        Some(member) if member.learner => {
            let promote = ("promote", Action::PromoteEtcdLearner { peer_url: peer_url.to_owned() });
            // A learner comes into sync only while it runs.
            let start = (!runs(host)).then(|| start(sides, etcd, host.name));
            let links = start.into_iter().chain([promote]).collect();
            chain(sides, etcd, host.name, Verb::Update, links, "it has no vote")
        }
        Some(_) => Delta::InSync,
        None => Delta::blocked(format!(
            "{0}'s old etcd data is gone: etcd knows no member {peer_url}, and a removed member's data can't be used \
             again; move {1}/member away on {0}",
            host.name, sides.spec.profile.settings.directories.etcd
        )),
    }
}

/// An empty data directory while etcd has a quorum.
fn without_data(sides: Sides<'_>, etcd: &Etcd, host: &HostView<'_>, peer_url: &str, born: bool) -> Delta {
    let node = host.name;
    let url = || peer_url.to_owned();
    let add = || ("add", Action::AddEtcdLearner { peer_url: url() });
    let promote = || ("promote", Action::PromoteEtcdLearner { peer_url: url() });
    let create = |links, why| chain(sides, etcd, node, Verb::Create, links, why);
    match etcd.members.get(peer_url) {
        Some(member) if member.learner && !member.started => {
            create(vec![start(sides, etcd, node), promote()], "it was announced and never started")
        }
        Some(member) if !member.started && !born && membership::is_the_first(sides.spec, etcd) => {
            let bootstrap = ("bootstrap", Action::BootstrapEtcd { members: membership::first(sides.spec) });
            create(vec![bootstrap], "it belongs to the first members and never started")
        }
        // etcd takes one learner at a time, so the other one comes first.
        found if let Some(other) = membership::other_learner(etcd, peer_url) => {
            let what = if found.is_none() { "joins" } else { "joins again" };
            Delta::blocked(format!("etcd's learner {other} has its vote or is removed, before {node} {what}"))
        }
        _ if let Some(leaving) = crate::leave::dead_member(sides, etcd) => {
            Delta::blocked(format!("{leaving}, which leaves and is dead, is taken out of etcd before {node} joins"))
        }
        None => create(vec![add(), start(sides, etcd, node), promote()], "etcd does not know it"),
        Some(member) if let Some(until) = removal_blocked(etcd, member, node) => Delta::Blocked { until },
        Some(member) => {
            let (id, before) = (member.id.clone(), MemberBefore::Silent);
            let remove = ("remove", Action::RemoveEtcdMember { peer_url: url(), id, before });
            let why = "its data directory is empty: it was wiped, and would vote twice if it started as it is";
            create(vec![remove, add(), start(sides, etcd, node), promote()], why)
        }
    }
}

fn start(sides: Sides<'_>, etcd: &Etcd, node: &NodeName) -> Link {
    ("start", Action::StartEtcdLearner { members: membership::when_joined(sides, etcd, node) })
}

/// A change of membership. What it does to the cluster rests on all members.
fn chain(sides: Sides<'_>, etcd: &Etcd, node: &NodeName, verb: Verb, links: Vec<Link>, why: &str) -> Delta {
    let mut urls: BTreeSet<String> = etcd.members.keys().cloned().collect();
    urls.extend(sides.spec.mains().map(|(_, main)| safety::peer_url(main)));
    let members = urls.into_iter().map(|peer_url| FactKey::EtcdMember { peer_url });
    let facts = members.chain([FactKey::EtcdData { node: node.clone() }]).collect();
    let disrupts = links.iter().flat_map(|(_, action)| safety::disrupted(node, action)).collect();
    Delta::from(Work::new(verb, Task::Chain(links), facts).because([why]).disrupting(disrupts))
}

/// Why a member can't be taken out: the others must have a quorum of the whole. No consent changes that.
pub(crate) fn removal_blocked(etcd: &Etcd, wiped: &EtcdMember, node: &NodeName) -> Option<String> {
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
///
/// All mains take part in the decision: one that was a voter once, or that does not say, ends it.
fn birth(sides: Sides<'_>, host: &HostView<'_>) -> Delta {
    let leaving =
        sides.spec.retired.iter().filter(|(name, node)| node.role == Role::Main && !sides.spec.is_destroyed(name));
    for (name, _) in sides.spec.mains().chain(leaving) {
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
    let mains = || sides.spec.mains();
    let members = mains().map(|(_, main)| FactKey::EtcdMember { peer_url: safety::peer_url(main) });
    let facts = mains().map(|(name, _)| {
        let bare = HostView::new(sides.observed, name).bare;
        let node = name.clone();
        if bare { FactKey::Host { node } } else { FactKey::EtcdData { node } }
    });
    let bootstrap = Action::BootstrapEtcd { members: membership::first(sides.spec) };
    Delta::from(Work::new(Verb::Create, Task::Chain(vec![("bootstrap", bootstrap)]), facts.chain(members).collect()))
}

/// Whether etcd runs, be it that it still waits for the others: to start it again would change nothing.
fn runs(host: &HostView<'_>) -> bool {
    let unit = host.ask(|host| host.units.get(safety::ETCD));
    unit.known().is_some_and(|unit| ["active", "activating"].contains(&unit.active.as_str()))
}

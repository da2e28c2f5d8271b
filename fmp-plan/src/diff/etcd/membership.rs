//! Lists of members. etcd refuses a learner whose list is not exactly what etcd has at that moment.

use std::collections::{BTreeMap, BTreeSet};

use fmp_core::{
    Digest, NodeName,
    graph::Handle,
    observed::{Etcd, EtcdMember, Fact},
    resource::ResourceId,
    role::paths::key,
    spec::{Node, Spec},
};

use super::super::Sides;
use crate::safety::{owner, peer_url};

/// A member that is started as a learner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Joining {
    /// Its resource.
    pub(crate) member: Handle,
    /// Whether etcd does not know it yet: whoever joins later finds one member more.
    pub(crate) new: bool,
}

impl Joining {
    /// All of them, in the order in which they join: each list of members names those that joined before. One that is a
    /// learner already comes first, since etcd takes one learner at a time: whoever waited for another one before it would
    /// wait for ever. Which of the others comes first is no matter.
    pub(crate) fn all(sides: Sides<'_>) -> Vec<Self> {
        let Fact::Known(etcd) = &sides.observed.etcd else { return Vec::new() };
        let joining = |name: &NodeName| {
            let member = sides.desired.find(&ResourceId::node(name, key::ETCD_MEMBER))?;
            Some(Self { member, new: is_new(sides, etcd, name)? })
        };
        let no_learner = |main: &Node| !etcd.members.get(&peer_url(main)).is_some_and(|member| member.learner);
        let mut mains: Vec<(&NodeName, &Node)> = sides.spec.mains().collect();
        mains.sort_by_key(|(_, main)| no_learner(main));
        mains.into_iter().filter_map(|(name, _)| joining(name)).collect()
    }
}

/// Whether a main without data is unknown to etcd. `None`: it has data, or can't be seen.
fn is_new(sides: Sides<'_>, etcd: &Etcd, name: &NodeName) -> Option<bool> {
    let main = sides.spec.nodes.get(name)?;
    let member = etcd.members.get(&peer_url(main));
    match sides.observed.hosts.get(name) {
        Some(Fact::Known(host)) if host.etcd_data && !member.is_some_and(|member| member.learner) => None,
        Some(Fact::Known(_) | Fact::Absent) => Some(member.is_none()),
        Some(Fact::Unknown(_)) | None => None,
    }
}

/// Peer URL of every member that etcd has when `node` has joined.
pub(super) fn when_joined(sides: Sides<'_>, etcd: &Etcd, node: &NodeName) -> BTreeMap<NodeName, String> {
    let known = etcd.members.iter().map(|(url, member)| (name(sides.spec, url, member), url.clone()));
    let is_there = |name: &NodeName| name <= node && is_new(sides, etcd, name) == Some(true);
    let new = sides.spec.mains().filter(|(name, _)| is_there(name)).map(|(name, main)| (name.clone(), peer_url(main)));
    known.chain(new).collect()
}

/// What a member is called in a list: by its main; one that belongs to no main by what it calls itself.
fn name(spec: &Spec, url: &str, member: &EtcdMember) -> NodeName {
    let own = || member.name.parse().ok().filter(|name| !spec.nodes.contains_key(name));
    let made =
        || format!("member-{}", Digest::of(url).short()).parse().expect("hexadecimal digits are letters of names");
    owner(spec, url).cloned().or_else(own).unwrap_or_else(made)
}

/// The first members: all mains.
pub(super) fn first(spec: &Spec) -> BTreeMap<NodeName, String> {
    spec.mains().map(|(name, main)| (name.clone(), peer_url(main))).collect()
}

/// Whether etcd's members may be its first ones. With any other list a late first member would be born into another
/// cluster.
pub(super) fn is_the_first(spec: &Spec, etcd: &Etcd) -> bool {
    let urls: BTreeSet<&String> = etcd.members.keys().collect();
    let voters_only = etcd.members.values().all(|member| !member.learner);
    voters_only && first(spec).values().collect::<BTreeSet<_>>() == urls
}

/// A learner besides the member known by `url`.
pub(super) fn other_learner<'a>(etcd: &'a Etcd, url: &str) -> Option<&'a str> {
    let mut learners = etcd.members.iter().filter(|(_, member)| member.learner);
    learners.find(|(other, _)| *other != url).map(|(other, _)| other.as_str())
}

//! One node that leaves: what is left to be done about it, in which order, and what that rests on.

use std::{collections::BTreeSet, sync::Arc};

use fmp_core::{
    NodeName,
    observed::{EtcdMember, Fact, NodeSeen},
    resource::Check,
    spec::{Node, Spec},
};

use super::{machine::Machine, taken_away};
use crate::{
    Plan,
    action::{Action, Evict, MemberBefore},
    basis,
    diff::{self, Sides},
    fact::FactKey,
    safety,
    step::{Step, StepId},
};

/// A node that leaves.
#[derive(Clone, Copy)]
pub(super) struct Departure<'a> {
    pub(super) sides: Sides<'a>,
    pub(super) name: &'a NodeName,
    pub(super) node: &'a Node,
}

/// A step of a departure, with the last part of its name and its reason.
pub(super) struct Link {
    name: &'static str,
    pub(super) action: Action,
    reason: &'static str,
}

impl Link {
    const fn new(name: &'static str, action: Action, reason: &'static str) -> Self {
        Self { name, action, reason }
    }
}

/// A member of etcd with the URL that it is known by.
type Member<'a> = (String, &'a EtcdMember);

impl<'a> Departure<'a> {
    /// The steps that are left to be done, or what they wait for.
    pub(super) fn links(self) -> Result<Vec<Link>, String> {
        if let Some(link) = self.is_needed() {
            return Ok(vec![link]);
        }
        let (object, member) = (self.object()?, self.member()?);
        let units = match self.machine() {
            Ok(Machine::Runs(units)) => units,
            Ok(Machine::Gone) => {
                no_sign_of_life(object, member.as_ref())?;
                Vec::new()
            }
            // Long gone, switched off or somebody else's by now: nothing of it is left that the cluster could miss.
            Err(_) if object.is_none() && member.is_none() && !self.is_known_as_ours() => return Ok(Vec::new()),
            Err(until) => return Err(until),
        };
        if let Some((_, member)) = &member {
            self.may_be_removed(member)?;
        }
        let node = || self.name.clone();
        let mut links = match object {
            Some(object) if !units.is_empty() => self.pods_leave(object, &units)?,
            Some(_) | None => Vec::new(),
        };
        links.extend(stops(units, member));
        if object.is_some() {
            links.push(Link::new("delete", Action::DeleteNode { node: node() }, "no machine stands behind it"));
        }
        Ok(links)
    }

    /// What is done so that no pod is left. Without a kubelet no pod ever ends: then it has gone on from here already, or a
    /// person agrees to lose them.
    fn pods_leave(self, object: &NodeSeen, units: &[Arc<str>]) -> Result<Vec<Link>, String> {
        let evict = safety::evictable(self.sides.spec, self.name);
        let is_stopped = !units.iter().any(|unit| &**unit == "kubelet.service");
        let is_drained = is_stopped && object.unschedulable;
        match (object.ready, evict) {
            (false, Evict::Replaceable) if !is_drained => Err(format!(
                "its Node is Ready, so that its pods can go elsewhere; to lose them, agree in cluster.toml with \
                 `consent = [\"evict {}\"]`",
                self.name
            )),
            (false, _) => Ok(Vec::new()),
            (true, evict) => {
                let node = || self.name.clone();
                let cordon = Link::new("cordon", Action::CordonNode { node: node() }, "it leaves");
                let drain = Action::DrainNode { node: node(), evict };
                let drain = Link::new("drain", drain, "its pods go where they can stay");
                Ok((!object.unschedulable).then_some(cordon).into_iter().chain([drain]).collect())
            }
        }
    }

    /// The start of its member, where etcd has no quorum: with that vote it may have one again, and only then the member
    /// can be taken out.
    fn is_needed(self) -> Option<Link> {
        let is_lost = matches!(self.sides.observed.etcd, Fact::Unknown(_));
        let host = self.sides.observed.host(self.name).filter(|host| self.is_ours(host) && host.etcd_data)?;
        let unit = host.units.get(safety::ETCD).and_then(Fact::known)?;
        let action = Action::StartUnit { unit: safety::ETCD.into() };
        let reason = "etcd has no quorum, and this member has its data";
        (is_lost && unit.is_down()).then(|| Link::new("vote", action, reason))
    }

    fn object(self) -> Result<Option<&'a NodeSeen>, String> {
        match &self.sides.observed.api {
            Fact::Known(api) => Ok(api.nodes.get(self.name.as_str())),
            Fact::Absent => Ok(None),
            Fact::Unknown(why) => Err(format!("the API says which Nodes there are: {why}")),
        }
    }

    /// Its member of etcd, by the URL that a main at its address has, whatever its table says that it was.
    fn member(self) -> Result<Option<Member<'a>>, String> {
        let url = safety::peer_url(self.node);
        match &self.sides.observed.etcd {
            Fact::Known(etcd) => Ok(etcd.members.get(&url).map(|member| (url, member))),
            Fact::Absent => Ok(None),
            Fact::Unknown(why) => Err(format!("etcd says which members it has: {why}")),
        }
    }

    /// One change at a time, while the others have a quorum. A member that answers goes when all others are in.
    fn may_be_removed(self, own: &EtcdMember) -> Result<(), String> {
        let Fact::Known(etcd) = &self.sides.observed.etcd else { return Ok(()) };
        let votes = |member: &EtcdMember| member.started && !member.learner;
        let is_in = |main: &Node| etcd.members.get(&safety::peer_url(main)).is_some_and(votes);
        match self.sides.spec.mains().find(|(_, main)| !is_in(main)) {
            Some((main, _)) if own.healthy == Fact::Known(true) => Err(format!("{main} has its vote")),
            Some(_) | None => diff::removal_blocked(etcd, own, self.name).map_or(Ok(()), Err),
        }
    }

    /// The consents that let the steps through, or why they may not be done.
    pub(super) fn permitted(self, nodes: &safety::Nodes<'_>, links: &[Link]) -> Result<BTreeSet<String>, String> {
        let spec = self.sides.spec;
        let disrupts = links.iter().flat_map(|link| safety::disrupted(self.name, &link.action)).collect();
        let mut consents = match safety::permit_among(spec, self.sides.observed, nodes, &disrupts) {
            safety::Verdict::Safe(_) => BTreeSet::new(),
            safety::Verdict::Consented { consents, .. } => consents,
            safety::Verdict::Unsafe(refusal) => return Err(refusal.to_string()),
        };
        if spec.is_destroyed(self.name) {
            consents.insert(Spec::word_that_destroyed(self.name));
        }
        Ok(consents)
    }

    /// What the departure rests on: whose machine it is, what runs there, who votes, whether there is a Node.
    pub(super) fn facts(self, links: &[Link]) -> BTreeSet<FactKey> {
        let node = || self.name.clone();
        let of_object = FactKey::Node { node: node(), labels: BTreeSet::new(), taints: BTreeSet::new() };
        let mut facts = BTreeSet::from([of_object, FactKey::Machine { node: node() }, FactKey::Host { node: node() }]);
        // Also units that were stopped: what runs again must not be taken for gone.
        let units = self.sides.observed.host(self.name).into_iter().flat_map(|host| host.units.keys());
        facts.extend(units.map(|unit| FactKey::Unit { node: node(), unit: unit.as_str().into() }));
        for link in links {
            if let Action::RemoveEtcdMember { .. } = &link.action {
                facts.extend(basis::members(self.sides.observed));
            }
        }
        facts
    }

    /// Adds the steps, one after the other.
    pub(super) fn add(self, plan: &mut Plan, links: Vec<Link>) {
        let mut after: Vec<StepId> = Vec::new();
        for Link { name, action, reason } in links {
            let id = StepId::new(format!("{}/retire/{name}", self.name));
            let is_started = matches!(action, Action::StartUnit { .. });
            let step = Step {
                after: std::mem::replace(&mut after, vec![id.clone()]),
                watch: is_started.then(|| Check::EtcdHealthy { node: self.name.clone() }),
                ..taken_away(plan, self.name, id, action, reason)
            };
            plan.steps.push(step);
        }
    }
}

/// How what runs is stopped and its vote ends, in this order.
///
/// A member that answers is taken out of etcd before it is stopped: stopped first, it would be a voter that is down, and of
/// four none more could be. It hears of its removal, ends by itself and is never heard again: no quorum knows it. It is
/// stopped for good right after, and its apiserver, which needs it, before. One that does not answer may not hear of it, so
/// it is stopped first.
fn stops(units: Vec<Arc<str>>, member: Option<Member<'_>>) -> Vec<Link> {
    let stop = |name, units: Vec<Arc<str>>| {
        let reason = "what leaves takes part in nothing any more";
        (!units.is_empty()).then(|| Link::new(name, Action::StopUnits { units }, reason))
    };
    let Some((peer_url, member)) = member else { return stop("stop", units).into_iter().collect() };
    let answers = member.healthy == Fact::Known(true);
    let before = if answers { MemberBefore::Answering } else { MemberBefore::Silent };
    let action = Action::RemoveEtcdMember { peer_url, id: member.id.clone(), before };
    let remove = Link::new("member", action, "its vote is missed in every quorum");
    let (last, first): (Vec<_>, Vec<_>) = units.into_iter().partition(|unit| answers && &**unit == safety::ETCD);
    stop("stop", first).into_iter().chain([remove]).chain(stop("etcd", last)).collect()
}

/// What is said to be gone and is heard of lives.
fn no_sign_of_life(object: Option<&NodeSeen>, member: Option<&Member<'_>>) -> Result<(), String> {
    let answers = member.is_some_and(|(_, member)| member.healthy == Fact::Known(true));
    let is_ready = object.is_some_and(|object| object.ready);
    match (answers, is_ready) {
        (true, _) => Err("its machine is really gone: its member of etcd answers".to_owned()),
        (false, true) => Err("its machine is really gone: its Node is Ready".to_owned()),
        (false, false) => Ok(()),
    }
}

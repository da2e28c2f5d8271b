//! Leaving: how a node goes out of the cluster that cluster.toml names under `[retired]`.
//!
//! Owns the order: no pods any more, nothing of ours that runs, no member of etcd, no Node. What stands for a machine is
//! taken away only when the machine can do nothing any more: we have stopped our units there, or it is known to be off,
//! wiped, or by a person's word destroyed. Only a member of etcd that answers goes while it runs: it hears of
//! that. What left the file without a word is left as it is, and told.

mod departure;
mod machine;
pub(crate) mod outlived;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use fmp_core::{
    NodeName,
    observed::{Etcd, EtcdMember, Fact, Observed, UnitSeen},
    spec::Spec,
};

use self::departure::Departure;
use crate::{
    Action, Plan, basis,
    diff::Sides,
    plan::{Change, Note, Verb, Waiting},
    safety,
    step::{Budget, Disruption, Step, StepId, Subject},
};

/// Adds to a plan what is done about every node that leaves; of mains one at a time, and none beside another change of
/// etcd's members.
pub(crate) fn all(sides: Sides<'_>, plan: &mut Plan) {
    if sides.spec.retired.is_empty() {
        return;
    }
    let nodes = safety::Nodes::new(sides.spec, sides.observed);
    // Whose member this plan changes.
    let change = plan.steps.iter().find(|step| changes_members(&step.action));
    let mut changing = change.and_then(|step| step.subject.node().cloned());
    let (mut facts, mut departs) = (BTreeSet::new(), false);
    for (name, node) in &sides.spec.retired {
        let departure = Departure { sides, name, node };
        let decided = departure.links().and_then(|links| {
            let changes = links.iter().any(|link| changes_members(&link.action));
            match changing.as_ref().filter(|_| changes) {
                Some(other) => Err(format!("etcd's change of {other} is over")),
                None => Ok((departure.permitted(&nodes, &links)?, changes, links)),
            }
        });
        match decided {
            Ok((_, _, links)) if links.is_empty() => continue,
            Ok((consents, changes, links)) => {
                changing = changing.or_else(|| changes.then(|| name.clone()));
                plan.consents.extend(consents);
                facts.extend(departure.facts(&links));
                departure.add(plan, links);
            }
            Err(until) => plan.waiting.push(Waiting { what: name.to_string(), until, node: Some(name.clone()) }),
        }
        departs = true;
    }
    if departs {
        basis::add(&mut plan.basis.facts, sides.observed, facts);
        plan.put_in_order();
    }
}

/// A step that takes something of a node away; its change is added to the plan.
fn taken_away(plan: &mut Plan, node: &NodeName, id: StepId, action: Action, reason: &str) -> Step {
    let disrupts = safety::disrupted(node, &action);
    let unit = Budget::of(&disrupts).map(|budget| Disruption { node: node.clone(), budget });
    let subject = Subject::of(Some(node), &action);
    let why = vec![reason.to_owned()];
    plan.changes.push(Change { id: id.to_string(), verb: Verb::Remove, why, diff: None });
    let reason = reason.to_owned();
    Step { id, subject, action, after: Vec::new(), unit, disrupts, watch: None, reason }
}

/// Whether a unit runs on `node`, or would after a boot.
fn goes_on(node: &NodeName, unit: &str, seen: &Fact<UnitSeen>) -> Result<bool, String> {
    match seen {
        Fact::Known(seen) => Ok(seen.enabled == "enabled" || !seen.is_down()),
        Fact::Absent => Ok(false),
        Fact::Unknown(why) => Err(format!("{node} says whether {unit} runs: {why}")),
    }
}

const fn changes_members(action: &Action) -> bool {
    matches!(
        action,
        Action::RemoveEtcdMember { .. }
            | Action::AddEtcdLearner { .. }
            | Action::StartEtcdLearner { .. }
            | Action::PromoteEtcdLearner { .. }
    )
}

/// Why nothing is planned at all: nodes leave a cluster of which no main stays. What the others hold would be taken for
/// somebody else's, or for nothing.
pub(crate) fn without_an_heir(spec: &Spec, observed: &Observed) -> Option<Waiting> {
    let holds = |(main, _): (&NodeName, _)| observed.host(main).is_some_and(|host| host.cluster_id.known().is_some());
    if spec.retired.is_empty() || spec.mains().any(holds) {
        return None;
    }
    let until = "a main under [nodes] answers and holds the cluster that they leave: let one of its mains stay until others \
                 have their vote, and remove the tables under [retired] where there is no cluster yet";
    let what = spec.retired.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    Some(Waiting { what, until: until.to_owned(), node: None })
}

/// A main that leaves and whose member of etcd does not answer: it goes before another one comes.
pub(crate) fn dead_member<'a>(sides: Sides<'a>, etcd: &Etcd) -> Option<&'a NodeName> {
    let member = |node| etcd.members.get(&safety::peer_url(node));
    let is_dead = |member: &EtcdMember| member.healthy != Fact::Known(true);
    sides.spec.retired.iter().find(|(_, node)| member(node).is_some_and(is_dead)).map(|(name, _)| name)
}

/// What belongs to no node of the file: it stays, and is told.
pub(crate) fn forgotten(spec: &Spec, observed: &Observed) -> Vec<Note> {
    let is_named = |name: &str| spec.nodes.contains_key(name) || spec.retired.contains_key(name);
    let note = |about: String, name: &str| Note {
        about,
        what: format!(
            "cluster.toml names no such node, so it stays as it is; write its table back, or call the table \
             [retired.{name}] and it is taken out"
        ),
    };
    let nodes = observed.api.known().into_iter().flat_map(|api| api.nodes.keys()).filter(|name| !is_named(name));
    let members = observed.etcd.known().into_iter().flat_map(|etcd| &etcd.members);
    let members = members.filter(|(url, _)| safety::owner(spec, url).is_none());
    let of_member = |(url, member): (&String, &EtcdMember)| {
        note(format!("etcd member {url}"), if member.name.is_empty() { "NAME" } else { &member.name })
    };
    nodes.map(|name| note(format!("Node {name}"), name)).chain(members.map(of_member)).collect()
}

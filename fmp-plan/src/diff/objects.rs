//! Node objects and other objects of the API.

use std::collections::BTreeSet;

use fmp_core::{
    NodeName,
    observed::{Api, Fact, NodeSeen, ObjectSeen, Observed},
    platform::INSTALLATION,
    resource::{CORDONED, NodeObject, Object, ResourceId},
    role::paths::key,
    tree::Tree,
};

use super::{
    Delta, Pods, Sides, Task, Work,
    fields::{self, Applied, Difference},
};
use crate::{action::Action, fact::FactKey, plan::Verb};

pub(super) fn node(observed: &Observed, name: &NodeName, wanted: &NodeObject) -> Delta {
    let seen = match known_api(observed) {
        Ok(api) => api.and_then(|api| api.nodes.get(name.as_str())),
        Err(until) => return Delta::Blocked { until },
    };
    let (verb, why) = match seen {
        None => (Verb::Create, Vec::new()),
        Some(seen) => (Verb::Update, node_differences(seen, wanted)),
    };
    if verb == Verb::Update && why.is_empty() {
        return Delta::InSync;
    }
    let labels = wanted.labels.keys().cloned().collect();
    let facts = vec![FactKey::Node { node: name.clone(), labels, taints: wanted.taints.clone() }];
    Delta::from(
        Work::new(verb, Task::One(Action::ApplyNode { node: name.clone(), object: wanted.clone() }), facts)
            .because(why),
    )
}

/// Lets pods come again where FMP kept them away and broke off: nothing in this plan does it otherwise.
pub(super) fn give_back(sides: Sides<'_>, deltas: &mut [Delta]) {
    let Fact::Known(api) = &sides.observed.api else { return };
    for (name, _) in api.nodes.iter().filter(|(_, seen)| seen.labels.contains_key(CORDONED)) {
        let Ok(node) = name.parse::<NodeName>() else { continue };
        let find = |key: &str| sides.desired.find(&ResourceId::node(&node, key));
        let Some(object) = find(key::NODE_OBJECT) else { continue };
        let kubelet = find(&key::unit("kubelet.service")).and_then(|kubelet| deltas[kubelet.index()].work());
        if !matches!(kubelet.map(|work| &work.task), Some(Task::Unit { pods: Pods::Leave(_), .. })) {
            uncordon(&node, &mut deltas[object.index()]);
        }
    }
}

fn uncordon(node: &NodeName, delta: &mut Delta) {
    let link = ("uncordon", Action::UncordonNode { node: node.clone() });
    let why = "FMP kept pods away, and what that was for is over";
    match delta {
        Delta::Blocked { .. } => {}
        Delta::Work(work) => {
            if let Task::One(apply) = &work.task {
                work.task = Task::Chain(vec![("apply", apply.clone()), link]);
                work.why.push(why.to_owned());
            }
        }
        Delta::InSync => {
            let labels = BTreeSet::from([CORDONED.to_owned()]);
            let facts = vec![FactKey::Node { node: node.clone(), labels, taints: BTreeSet::new() }];
            *delta = Work::new(Verb::Update, Task::Chain(vec![link]), facts).because([why]).into();
        }
    }
}

fn node_differences(seen: &NodeSeen, wanted: &NodeObject) -> Vec<String> {
    let mut why = Vec::new();
    if wanted.pod_cidr.is_some() && seen.pod_cidr != wanted.pod_cidr {
        let words =
            |range: Option<_>| range.map_or_else(|| "none".to_owned(), |range: fmp_core::net::Cidr| range.to_string());
        why.push(format!("pod range is {}, wanted {}", words(seen.pod_cidr), words(wanted.pod_cidr)));
    }
    for (key, value) in &wanted.labels {
        match seen.labels.get(key) {
            Some(found) if found == value => {}
            Some(found) => why.push(format!("label {key} is `{found}`, wanted `{value}`")),
            None => why.push(format!("label {key} is missing")),
        }
    }
    let missing: BTreeSet<_> = wanted.taints.difference(&seen.taints).collect();
    why.extend(missing.into_iter().map(|taint| format!("taint {taint} is missing")));
    why
}

pub(super) fn object(observed: &Observed, wanted: &Object) -> Delta {
    let seen = match known_api(observed) {
        Ok(api) => api.and_then(|api| api.objects.get(&wanted.key)),
        Err(until) => return Delta::Blocked { until },
    };
    let digest = wanted.manifest.digest;
    let (verb, differences) = match seen {
        None | Some(Fact::Absent) => (Verb::Create, Vec::new()),
        Some(Fact::Known(seen)) => {
            if let Some(until) = another_installation(wanted, seen) {
                return Delta::blocked(until);
            }
            let applied = if seen.digest == digest.to_string() { Applied::Wanted } else { Applied::Other };
            let differences = seen.fields.iter().flat_map(|seen| fields::differences(&wanted.tree(), seen, applied));
            let differences: Vec<Difference> = differences.collect();
            if applied == Applied::Wanted && differences.is_empty() {
                return Delta::InSync;
            }
            (Verb::Update, differences)
        }
        Some(Fact::Unknown(why)) => return Delta::blocked(format!("the API says what {} is: {why}", wanted.key)),
    };
    let taken = differences.iter().filter(|field| field.taken).map(|field| field.path.clone());
    let taking = wanted.takes.iter().map(|field| (*field).to_owned()).chain(taken).collect();
    let action = Action::ApplyObject { key: wanted.key.clone(), manifest: digest, taking };
    let facts = vec![FactKey::Object { key: wanted.key.clone() }];
    let mut work = Work::new(verb, Task::One(action), facts);
    if verb == Verb::Update {
        work = work.because(told(&differences));
        let diffs: Vec<String> = differences.iter().filter_map(Difference::diff).collect();
        work.diff = (!diffs.is_empty()).then(|| diffs.concat());
    }
    Delta::from(work)
}

/// Who else the platform in this cluster is, if it is: a licence is bound to its identifier, and data to both.
fn another_installation(wanted: &Object, seen: &ObjectSeen) -> Option<String> {
    if wanted.kind() != "ConfigMap" || wanted.name() != INSTALLATION {
        return None;
    }
    let identifier = |tree: &Tree| tree.at(["data", "identifier"]).and_then(Tree::text).map(str::to_owned);
    let (own, found) = (identifier(&wanted.tree())?, identifier(&seen.fields.as_ref()?.live)?);
    (own != found).then(|| {
        format!(
            "cluster.toml says `installation = \"{found}\"` under [platform], which is who the platform in this cluster is and \
             what its licence is bound to; it says {own}"
        )
    })
}

/// More lines than a review takes in are counted: the manifest stands among the plan's texts.
const MOST_LINES: usize = 24;

fn told(differences: &[Difference]) -> Vec<String> {
    if differences.is_empty() {
        return vec!["it was applied with another content".to_owned()];
    }
    let mut lines: Vec<String> = differences.iter().take(MOST_LINES).map(Difference::line).collect();
    if let Some(more) = differences.len().checked_sub(MOST_LINES).filter(|more| *more > 0) {
        lines.push(format!("{more} fields more"));
    }
    lines
}

/// The API, `None` where there is none yet, or what to wait for.
pub(crate) fn known_api(observed: &Observed) -> Result<Option<&Api>, String> {
    match &observed.api {
        Fact::Known(api) => Ok(Some(api)),
        Fact::Absent => Ok(None),
        Fact::Unknown(why) => Err(format!("the API answers: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use fmp_core::{
        observed::{Fact, FieldsSeen, ObjectSeen},
        platform::INSTALLATION,
        resource::Object,
        tree::Tree,
    };

    use super::another_installation;
    use crate::{
        Action,
        testing::{Lab, step},
    };

    const KEY: &str = "Deployment/kube-system/coredns";

    /// A settled cluster in which the API shows all of an object, after somebody changed it.
    fn changed(change: impl Fn(&mut Tree), gives_up: &str) -> Lab {
        let mut lab = Lab::settled(3, 2);
        let wanted = lab.object(KEY);
        let mut live = wanted.tree();
        change(&mut live);
        let owned = r#"{"f:spec":{"f:replicas":{},"f:strategy":{},"f:selector":{},"f:template":{}}}"#;
        let owned = serde_json::from_str(&owned.replace(gives_up, "")).unwrap();
        let seen = ObjectSeen {
            digest: wanted.manifest.digest.to_string(),
            fields: Some(FieldsSeen { live, owned, others: [].into() }),
        };
        lab.api().objects.insert(KEY.to_owned(), Fact::Known(seen));
        lab
    }

    fn replicas(tree: &mut Tree, count: i64) {
        let Tree::Map(object) = tree else { panic!("an object is a map") };
        let Some(Tree::Map(spec)) = object.get_mut("spec") else { panic!("it has a spec") };
        spec.insert("replicas".to_owned(), Tree::Whole(count));
    }

    #[test]
    fn what_somebody_changed_by_hand_is_named_and_taken_back() {
        let lab = changed(|live| replicas(live, 5), r#""f:replicas":{},"#);
        let plan = lab.plan();
        assert_eq!(plan.changes[0].why, ["spec.replicas is 5, wanted 2, and is somebody else's by now"]);
        let Action::ApplyObject { taking, .. } = &step(&plan, &format!("cluster/object/{KEY}")).action else {
            panic!()
        };
        assert_eq!(taking, &["spec.replicas"]);
        assert_eq!(plan.steps.len(), 1);
    }

    #[test]
    fn a_platform_of_another_identifier_is_somebody_elses() {
        let object = |identifier: &str| {
            let manifest = format!(r#"{{"data":{{"identifier":"{identifier}"}}}}"#);
            Object::new("ConfigMap", "fmp", INSTALLATION, manifest)
        };
        let wanted = object("a");
        let found = |found: &Object| {
            let seen = ObjectSeen {
                digest: found.manifest.digest.to_string(),
                fields: Some(FieldsSeen { live: found.tree(), owned: Tree::Map([].into()), others: [].into() }),
            };
            another_installation(&wanted, &seen)
        };
        assert_eq!(found(&wanted), None);
        let until = found(&object("b")).unwrap();
        assert!(until.contains("`installation = \"b\"`") && until.ends_with("it says a"), "{until}");
    }

    #[test]
    fn what_is_as_it_was_applied_is_in_sync() {
        assert_eq!(changed(|_| (), "no such field").plan().steps, []);
    }
}

//! Node objects, other objects of the API, images.

use std::collections::BTreeSet;

use fmp_core::{
    NodeName,
    observed::{Api, Fact, NodeSeen, Observed},
    resource::{CORDONED, Image, NodeObject, Object, ResourceId},
    role::paths::key,
};

use super::{Delta, HostView, Pods, Sides, Task, Work};
use crate::{
    action::Action,
    fact::FactKey,
    plan::{Note, Verb},
};

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
    let (verb, why) = match seen {
        None | Some(Fact::Absent) => (Verb::Create, Vec::new()),
        Some(Fact::Known(found)) if *found == digest.to_string() => return Delta::InSync,
        Some(Fact::Known(_)) => (Verb::Update, vec!["it was applied with another content".to_owned()]),
        Some(Fact::Unknown(why)) => return Delta::blocked(format!("the API says what {} is: {why}", wanted.key)),
    };
    let action = Action::ApplyObject { key: wanted.key.clone(), manifest: digest };
    let facts = vec![FactKey::Object { key: wanted.key.clone() }];
    Delta::from(Work::new(verb, Task::One(action), facts).because(why))
}

/// Objects that FMP applied and nothing wants any more: they stay, and are told.
pub(crate) fn unwanted(sides: Sides<'_>) -> Vec<Note> {
    let Fact::Known(api) = &sides.observed.api else { return Vec::new() };
    let is_wanted = |object: &str| sides.desired.find(&ResourceId::cluster(key::object(object))).is_some();
    let told = |object: &String| Note {
        about: object.clone(),
        what:
            "it carries FMP's label, and nothing in cluster.toml wants it any more; it stays until somebody deletes it \
               with `fmp kubectl`"
                .to_owned(),
    };
    api.objects.keys().filter(|object| !is_wanted(object)).map(told).collect()
}

/// The API, `None` where there is none yet, or what to wait for.
fn known_api(observed: &Observed) -> Result<Option<&Api>, String> {
    match &observed.api {
        Fact::Known(api) => Ok(Some(api)),
        Fact::Absent => Ok(None),
        Fact::Unknown(why) => Err(format!("the API answers: {why}")),
    }
}

pub(super) fn image(host: &HostView<'_>, wanted: &Image) -> Delta {
    let why = match host.ask(|host| Some(&host.images)) {
        Fact::Known(images) if images.contains(&*wanted.reference) => return Delta::InSync,
        Fact::Known(_) | Fact::Absent => Vec::new(),
        // Importing what is there changes nothing, so a runtime that is down does not hold anything up.
        Fact::Unknown(why) => vec![format!("which images there are is not known: {why}")],
    };
    let action =
        Action::ImportImage { reference: wanted.reference.clone(), archive: wanted.archive, bytes: wanted.bytes };
    let facts = host.premises(|| FactKey::Image { node: host.name.clone(), reference: wanted.reference.clone() });
    Delta::from(Work::new(Verb::Create, Task::One(action), facts).because(why))
}

#[cfg(test)]
mod tests {
    use fmp_core::observed::Fact;

    use crate::{Standing, testing::Lab};

    #[test]
    fn an_object_that_nothing_wants_any_more_stays_and_is_told() {
        let mut lab = Lab::settled(1, 1);
        assert_eq!(lab.plan().notes, []);
        lab.api().objects.insert("ConfigMap/kube-system/old".to_owned(), Fact::Known("sha256:0".to_owned()));
        let plan = lab.plan();
        assert_eq!(plan.standing(), Standing::InSync);
        assert_eq!(plan.notes[0].about, "ConfigMap/kube-system/old");
    }
}

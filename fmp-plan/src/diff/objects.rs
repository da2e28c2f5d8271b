//! Node objects, other objects of the API, images.

use std::collections::BTreeSet;

use fmp_core::{
    NodeName,
    observed::{Api, Fact, NodeSeen, Observed},
    resource::{Image, NodeObject, Object},
};

use super::{Delta, HostView, Task, Work};
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

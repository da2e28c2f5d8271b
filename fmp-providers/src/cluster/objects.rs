//! What the API shows of objects that FMP applied.

use std::collections::{BTreeMap, BTreeSet};

use fmp_core::{
    manifest::{SECRET, SLICE, is_foreign, word},
    observed::{Fact, FieldsSeen, ObjectSeen},
    role::paths::{INVENTORY, inventory},
    tree::Tree,
};

use super::{
    Answers, Unanswered,
    api::{DIGEST, List, MANAGED_BY, list},
};
use crate::transport::quote;

/// The section of Secrets: what they hold is hidden on the main that is asked.
const SECRETS: &str = "secrets";

/// Our own field manager.
const MANAGER: &str = "fmp";

/// What the API notes on an object for itself.
const NOTED: [&str; 6] = ["creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];

/// What kubectl says of a kind that the API does not have
/// (<https://github.com/kubernetes/cli-runtime/blob/v0.29.15/pkg/resource/builder.go>).
const NO_KIND: &str = "the server doesn't have a resource type";

/// Lines for the probe: Kubernetes' own kinds in one go, others one by one, for one that is missing fails the whole question.
pub(super) fn questions(kinds: &BTreeSet<String>) -> String {
    let open = kinds.iter().map(String::as_str).filter(|kind| *kind != SECRET);
    let (foreign, own): (Vec<&str>, Vec<&str>) = open.partition(|kind| is_foreign(kind));
    let own = (!own.is_empty()).then(|| question("api", "objects", &own.join(",")));
    let secrets = kinds.contains(SECRET).then(|| question("hidden", SECRETS, SECRET));
    let foreign = foreign.into_iter().map(|kind| question("api", &section(kind), kind));
    own.into_iter().chain(secrets).chain(foreign).collect()
}

fn question(ask: &str, section: &str, kinds: &str) -> String {
    format!(
        "{ask} {} 127.0.0.1:6443 get {} --all-namespaces -l {MANAGED_BY}=fmp -o json --show-managed-fields\n",
        quote(section),
        quote(kinds)
    )
}

fn section(kind: &str) -> String {
    format!("objects-{kind}")
}

/// Every object that carries the label, by key.
pub(super) fn read(answers: &Answers, kinds: &BTreeSet<String>) -> Result<BTreeMap<String, Fact<ObjectSeen>>, String> {
    let mut objects = BTreeMap::new();
    let mut take = |found: List<Tree>| objects.extend(found.items.into_iter().filter_map(seen));
    if kinds.iter().any(|kind| !is_foreign(kind) && kind != SECRET) {
        take(list(answers, "objects")?);
    }
    if kinds.contains(SECRET) {
        take(list(answers, SECRETS)?);
    }
    for kind in kinds.iter().filter(|kind| is_foreign(kind)) {
        match list(answers, &section(kind)) {
            Ok(found) => take(found),
            Err(why) if is_missing(answers, kind, &why) => {}
            Err(why) => return Err(why),
        }
    }
    Ok(objects)
}

/// The kinds that FMP noted in the API, but for those that were asked for anyway.
pub(super) fn noted(objects: &BTreeMap<String, Fact<ObjectSeen>>, asked: &BTreeSet<String>) -> BTreeSet<String> {
    let notes = objects.range(INVENTORY.to_owned()..).take_while(|(key, _)| key.starts_with(INVENTORY));
    let kinds = notes.filter_map(|(key, seen)| {
        let live = &seen.known()?.fields.as_ref()?.live;
        let kind = live.at(["data", "kind"])?.text()?;
        // What else somebody wrote there is no kind of ours.
        (*key == inventory(kind) && is_foreign(kind) && !asked.contains(kind)).then(|| kind.to_owned())
    });
    kinds.collect()
}

/// Whether the API answered that it has no such kind: then it has no such object.
fn is_missing(answers: &Answers, kind: &str, why: &str) -> bool {
    matches!(answers.get(&section(kind)), Err(Unanswered { status: Some(1), .. })) && why.contains(NO_KIND)
}

fn seen(object: Tree) -> Option<(String, Fact<ObjectSeen>)> {
    let text = |keys: &[&str]| object.at(keys.iter().copied()).and_then(Tree::text).unwrap_or("");
    let (kind, name) = (word(text(&["apiVersion"]), text(&["kind"])), text(&["metadata", "name"]));
    let key = format!("{kind}/{}/{name}", text(&["metadata", "namespace"]));
    let digest = text(&["metadata", "annotations", DIGEST]).to_owned();
    // The API makes slices of our Services with the labels of these.
    if name.is_empty() || kind == SLICE && digest.is_empty() {
        return None;
    }
    if digest.is_empty() {
        return Some((key, Fact::Unknown(format!("it lacks the annotation {DIGEST}"))));
    }
    Some((key, Fact::Known(ObjectSeen { digest, fields: Some(fields(object)) })))
}

/// What the object says, what of it is ours, and who else wrote a part of it.
fn fields(mut object: Tree) -> FieldsSeen {
    let managers = object.at(["metadata", "managedFields"]).and_then(Tree::list).unwrap_or_default();
    let text = |entry: &Tree, key: &str| entry.get(key).and_then(Tree::text).unwrap_or("").to_owned();
    let is_ours = |entry: &&Tree| {
        text(entry, "manager") == MANAGER
            && text(entry, "operation") == "Apply"
            && text(entry, "subresource").is_empty()
    };
    let set = |entry: &Tree| entry.get("fieldsV1").cloned().unwrap_or(Tree::Map(BTreeMap::new()));
    let owned = managers.iter().find(is_ours).map_or(Tree::Map(BTreeMap::new()), set);
    let writes = |entry: &&Tree| {
        let fields = set(entry);
        let parts = fields.map().into_iter().flat_map(BTreeMap::keys);
        !is_ours(entry) && parts.into_iter().any(|part| !["f:metadata", "f:status"].contains(&part.as_str()))
    };
    let others: BTreeSet<String> = managers.iter().filter(writes).map(|entry| text(entry, "manager")).collect();
    if let Tree::Map(parts) = &mut object {
        parts.remove("status");
        if let Some(Tree::Map(metadata)) = parts.get_mut("metadata") {
            metadata.retain(|key, _| !NOTED.contains(&key.as_str()));
        }
    }
    FieldsSeen { live: object, owned, others }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECT: &str = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a","namespace":"n","uid":"u",
        "annotations":{"fmp.io/digest":"sha256:1"},"managedFields":[
        {"manager":"fmp","operation":"Apply","fieldsV1":{"f:spec":{"f:replicas":{}}}},
        {"manager":"kubectl-edit","operation":"Update","fieldsV1":{"f:spec":{"f:paused":{}}}},
        {"manager":"kube-controller-manager","operation":"Update","subresource":"status","fieldsV1":{"f:metadata":{},"f:status":{}}}
        ]},"spec":{"replicas":2,"paused":true},"status":{"replicas":2}}"#;

    #[test]
    fn an_object_says_what_it_is_whose_it_is_and_who_else_wrote_it() {
        let (key, seen) = seen(serde_json::from_str(OBJECT).unwrap()).unwrap();
        assert_eq!(key, "Deployment/n/a");
        let Fact::Known(ObjectSeen { digest, fields: Some(fields) }) = seen else { panic!("{seen:?}") };
        assert_eq!(digest, "sha256:1");
        assert_eq!(fields.owned.line(), r#"{"f:spec":{"f:replicas":{}}}"#);
        assert_eq!(fields.others, ["kubectl-edit".to_owned()].into());
        let live = fields.live.line();
        assert!(live.contains("\"paused\":true") && !live.contains("status") && !live.contains("uid"), "{live}");
    }

    #[test]
    fn an_object_without_our_digest_is_somebodys_copy() {
        let copy = OBJECT.replace("\"fmp.io/digest\":\"sha256:1\"", "");
        assert!(matches!(seen(serde_json::from_str(&copy).unwrap()), Some((_, Fact::Unknown(_)))));
    }

    #[test]
    fn kinds_of_others_are_asked_for_alone() {
        let kinds = ["ConfigMap", "Service", "Backup.example.com"].map(str::to_owned).into();
        let lines = questions(&kinds);
        let lines: Vec<&str> = lines.lines().collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].contains("ConfigMap,Service"), "{lines:?}");
        assert!(lines[1].contains("objects-Backup.example.com"), "{lines:?}");
    }
}

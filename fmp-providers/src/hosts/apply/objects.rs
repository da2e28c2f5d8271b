//! Node objects and other objects of the API, applied by way of any main whose apiserver answers.

use std::collections::BTreeMap;

use fmp_core::{Digest, NodeName, Secret, resource::NodeObject, role::paths::IDENTITY};
use fmp_exec::{Applied, Effect, Failure};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Work,
    content::{self, Filled},
    nothing, nothing_because, text,
};
use crate::cluster::{CLUSTER_ID, DIGEST, MANAGED_BY};

const SCRIPT: &str = include_str!("scripts/object.sh");

/// What the host that applies an object writes its cluster's id for.
const ID_OF_THE_HOST: &str = "@cluster-id@";

/// What FMP owns of a Node object, as the server merges it with what others own.
#[derive(Serialize)]
struct Node<'a> {
    #[serde(rename = "apiVersion")]
    api_version: &'a str,
    kind: &'a str,
    metadata: Metadata<'a>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    spec: BTreeMap<&'a str, Value>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    name: &'a str,
    labels: &'a BTreeMap<String, String>,
}

/// Makes a Node object or brings it up to date. Taints are a list that is owned as a whole, so ours are added one by one.
pub(super) async fn node(work: Work<'_>, name: &NodeName, object: &NodeObject) -> Result<Applied, Failure> {
    let name = name.as_str();
    let range = object.pod_cidr.map(|range| range.to_string());
    let spec = range.iter().flat_map(|range| [("podCIDR", json!(range)), ("podCIDRs", json!([range]))]).collect();
    let metadata = Metadata { name, labels: &object.labels };
    let node = Node { api_version: "v1", kind: "Node", metadata, spec };
    let manifest = serde_json::to_vec(&node).map_err(|error| nothing_because("a Node can't be written", error))?;
    let mut words = vec!["node", name];
    words.extend(object.taints.iter().map(String::as_str));
    through_any_main(work, SCRIPT, &words, &Secret::new(manifest)).await
}

/// Applies one object. Of what others hold, only the fields in `taking` are taken.
pub(super) async fn object(work: Work<'_>, key: &str, digest: Digest, taking: &[String]) -> Result<Applied, Failure> {
    let manifest = text(work.cx, &digest)?;
    let broken = |error| nothing_because(&format!("the manifest of {key} is no object"), error);
    let mut object: Value = serde_json::from_str(manifest).map_err(broken)?;
    mark(&mut object, key, &digest).ok_or_else(|| nothing(format!("the manifest of {key} is no object")))?;
    let manifest = serde_json::to_vec(&object).map_err(broken)?;
    let how = if taking.is_empty() { "apply" } else { "take" };
    // Elsewhere a mark is a text like any other.
    let files = if key.starts_with("Secret/") {
        content::filled(&manifest, work.files)?
    } else {
        Filled::Whole(Secret::new(manifest))
    };
    match files {
        Filled::Whole(manifest) => through_any_main(work, SCRIPT, &[how, key], &manifest).await,
        Filled::Changed(mismatch) => Ok(Applied::Stale(mismatch)),
    }
}

/// Deletes one object that was made from the manifest `before`.
pub(super) async fn delete(work: Work<'_>, key: &str, before: &str) -> Result<Applied, Failure> {
    let mut parts = key.splitn(3, '/');
    let (Some(kind), Some(namespace), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(nothing(format!("{key} names no object")));
    };
    through_any_main(work, SCRIPT, &["delete", key, kind, namespace, name, before], &Secret::new([])).await
}

/// Says on the object that it is ours and which manifest it was made from, and on the one that is there for it, whose the
/// cluster is.
fn mark(object: &mut Value, key: &str, digest: &Digest) -> Option<()> {
    let metadata = object.as_object_mut()?.entry("metadata").or_insert_with(|| json!({})).as_object_mut()?;
    let mut set = |part: &str, key: &str, value: String| {
        let map = metadata.entry(part).or_insert_with(|| json!({})).as_object_mut()?;
        map.insert(key.to_owned(), Value::String(value));
        Some(())
    };
    set("annotations", DIGEST, digest.to_string())?;
    if key == IDENTITY {
        set("annotations", CLUSTER_ID, ID_OF_THE_HOST.to_owned())?;
    }
    set("labels", MANAGED_BY, "fmp".to_owned())
}

/// Applying twice is applying once: a main that failed is no reason not to ask the next one.
pub(super) async fn through_any_main(
    work: Work<'_>,
    script: &str,
    words: &[&str],
    manifest: &Secret,
) -> Result<Applied, Failure> {
    let mut failure = nothing("there is no main to ask");
    for main in work.mains() {
        match work.run(main, script, words, manifest.clone().into()).await {
            Err(error) if error.effect == Effect::None => failure = error,
            answer => return answer,
        }
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_marked_with_its_manifest() {
        let digest = Digest::of("x");
        let mut object = json!({"kind": "ClusterRole", "metadata": {"name": "a", "labels": {"b": "c"}}});
        mark(&mut object, "ClusterRole//a", &digest).unwrap();
        assert_eq!(object["metadata"]["annotations"], json!({DIGEST: digest.to_string()}));
        assert_eq!(object["metadata"]["labels"], json!({"b": "c", MANAGED_BY: "fmp"}));
        mark(&mut object, IDENTITY, &digest).unwrap();
        assert_eq!(object["metadata"]["annotations"][CLUSTER_ID], ID_OF_THE_HOST);
        assert!(SCRIPT.contains(ID_OF_THE_HOST), "the host puts its id there");
    }
}

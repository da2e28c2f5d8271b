//! Fields of an object: what it says beside what is wanted.
//!
//! Owns the comparison field by field. A field that FMP owns holds what FMP applied, however the API writes it (`100m` for
//! `0.1`), so only a new manifest can make it differ; a field that somebody else took over is compared with what it says now.
//! Knows nothing of kinds: which lists are maps by some key is what the API's own set of fields says.

use std::collections::BTreeMap;

use fmp_core::{
    observed::{FieldsSeen, field},
    tree::Tree,
};
use similar::TextDiff;

use super::quantity;

/// One field that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// Where: `spec.template.spec.containers[name=coredns].image`.
    pub(super) path: String,
    found: Option<Tree>,
    wanted: Option<Tree>,
    /// Whether somebody else holds it.
    pub(super) taken: bool,
}

/// Which manifest an object was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Applied {
    /// The one that is wanted: what FMP owns is as it should be.
    Wanted,
    /// Another one.
    Other,
}

/// Every field that differs, in order of names.
pub(super) fn differences(wanted: &Tree, seen: &FieldsSeen, applied: Applied) -> Vec<Difference> {
    let mut walk = Walk { applied, found: Vec::new() };
    walk.go(&[], Some(wanted), Some(&seen.live), Some(&seen.owned));
    walk.found
}

struct Walk {
    applied: Applied,
    found: Vec<Difference>,
}

/// The way down: keys, and items of lists.
type Path = [String];

impl Walk {
    /// Compares what is wanted with what is there, where FMP owns what `owned` says.
    fn go(&mut self, path: &Path, wanted: Option<&Tree>, live: Option<&Tree>, owned: Option<&Tree>) {
        let parts = owned.and_then(Tree::map).filter(|fields| fields.keys().any(|field| field != "."));
        match (wanted, parts) {
            (Some(Tree::Map(map)), _) if !map.is_empty() && !is_whole(owned, parts) => self.map(path, map, live, parts),
            (Some(Tree::List(list)), Some(parts)) => self.items(path, list, live, parts),
            (None, Some(parts)) => self.gone(path, live, parts),
            (wanted, _) => self.leaf(path, wanted, live, owned.is_some()),
        }
    }

    fn map(
        &mut self,
        path: &Path,
        wanted: &BTreeMap<String, Tree>,
        live: Option<&Tree>,
        owned: Option<&BTreeMap<String, Tree>>,
    ) {
        for (key, value) in wanted.iter().filter(|(key, _)| !names_itself(path, key)) {
            let below = owned.and_then(|fields| fields.get(&format!("f:{key}")));
            self.go(&under(path, key), Some(value), live.and_then(|live| live.get(key)), below);
        }
        let keys = owned.into_iter().flatten().filter_map(|(field, below)| Some((field.strip_prefix("f:")?, below)));
        for (key, below) in keys.filter(|(key, _)| !wanted.contains_key(*key) && !is_mark(path, key)) {
            self.go(&under(path, key), None, live.and_then(|live| live.get(key)), Some(below));
        }
    }

    /// A list whose items are known by keys or values: the order is of no meaning.
    fn items(&mut self, path: &Path, wanted: &[Tree], live: Option<&Tree>, owned: &BTreeMap<String, Tree>) {
        let mut rest: Vec<&Tree> = wanted.iter().collect();
        for (field, below) in owned.iter().filter(|(field, _)| *field != ".") {
            let item = wanted.iter().find(|item| field::is(item, field));
            rest.retain(|other| item != Some(*other));
            let there = live.and_then(|live| field::find(live, field));
            self.go(&under(path, &item_name(field)), item, there, Some(below));
        }
        let keys: Vec<String> = owned.keys().find_map(|field| keys_of(field)).unwrap_or_default();
        for item in rest {
            let own: BTreeMap<&String, &Tree> = keys.iter().filter_map(|key| Some((key, item.get(key)?))).collect();
            let is_it = |other: &&Tree| own.iter().all(|(key, value)| other.get(key) == Some(value)) && !own.is_empty();
            let there = live.and_then(Tree::list).and_then(|list| list.iter().find(is_it));
            let name = named(own.iter().map(|(key, value)| (key.as_str(), *value)), item);
            self.go(&under(path, &name), Some(item), there, None);
        }
    }

    /// What FMP applied once and nobody wants any more: field by field, for beside it others have theirs.
    fn gone(&mut self, path: &Path, live: Option<&Tree>, owned: &BTreeMap<String, Tree>) {
        for (field, below) in owned.iter().filter(|(field, _)| *field != ".") {
            let name = field.strip_prefix("f:").map_or_else(|| item_name(field), str::to_owned);
            self.go(&under(path, &name), None, live.and_then(|live| field::find(live, field)), Some(below));
        }
    }

    fn leaf(&mut self, path: &Path, wanted: Option<&Tree>, live: Option<&Tree>, owned: bool) {
        if owned && self.applied == Applied::Wanted {
            return;
        }
        let differs = match (wanted, live) {
            (Some(wanted), live) => !is_as_wanted(wanted, live),
            (None, live) => live.is_some(),
        };
        if differs {
            let taken = !owned && live.is_some();
            self.found.push(Difference { path: written(path), found: live.cloned(), wanted: wanted.cloned(), taken });
        }
    }
}

fn under(path: &Path, part: &str) -> Vec<String> {
    path.iter().cloned().chain([part.to_owned()]).collect()
}

/// Whether a set of fields names a value as one, not by its parts.
fn is_whole(owned: Option<&Tree>, parts: Option<&BTreeMap<String, Tree>>) -> bool {
    owned.is_some() && parts.is_none()
}

/// What every object says of itself and nobody can change.
fn names_itself(path: &Path, key: &str) -> bool {
    match path {
        [] => ["apiVersion", "kind"].contains(&key),
        [metadata] => metadata == "metadata" && ["name", "namespace"].contains(&key),
        _ => false,
    }
}

/// FMP's own marks, which no manifest holds.
fn is_mark(path: &Path, key: &str) -> bool {
    match path {
        [metadata] => metadata == "metadata" && ["annotations", "labels"].contains(&key),
        [metadata, _] => {
            metadata == "metadata"
                && ["fmp.io/digest", "fmp.io/cluster-id", "app.kubernetes.io/managed-by"].contains(&key)
        }
        _ => false,
    }
}

/// Whether a value that is there says what is wanted: more beside it is the API's or others', nothing is what says nothing.
fn is_as_wanted(wanted: &Tree, live: Option<&Tree>) -> bool {
    match (wanted, live) {
        (wanted, None) => wanted.is_void(),
        (Tree::Map(wanted), Some(Tree::Map(live))) => {
            wanted.iter().all(|(key, value)| is_as_wanted(value, live.get(key)))
        }
        (Tree::List(wanted), Some(Tree::List(live))) => {
            wanted.len() == live.len() && wanted.iter().zip(live).all(|(wanted, live)| is_as_wanted(wanted, Some(live)))
        }
        (wanted, Some(live)) => wanted == live || quantity::same(wanted, live),
    }
}

/// The keys by which an item is known: those of `k:{"name":"a"}`.
fn keys_of(field: &str) -> Option<Vec<String>> {
    let keys: BTreeMap<String, Tree> = serde_json::from_str(field.strip_prefix("k:")?).ok()?;
    Some(keys.into_keys().collect())
}

/// An item of a list, as a path names it: `[name=a]`.
fn item_name(field: &str) -> String {
    let keys = field.strip_prefix("k:").and_then(|keys| serde_json::from_str::<BTreeMap<String, Tree>>(keys).ok());
    match keys {
        Some(keys) => named(keys.iter().map(|(key, value)| (key.as_str(), value)), &Tree::Null),
        None => format!("[{}]", field.strip_prefix("v:").unwrap_or(field)),
    }
}

fn named<'a>(keys: impl Iterator<Item = (&'a str, &'a Tree)>, item: &Tree) -> String {
    let keys: Vec<String> = keys.map(|(key, value)| format!("{key}={}", word(value))).collect();
    if keys.is_empty() { format!("[{}]", word(item)) } else { format!("[{}]", keys.join(",")) }
}

/// `spec.containers[name=a].image`.
fn written(path: &Path) -> String {
    let mut text = String::new();
    for part in path {
        if !text.is_empty() && !part.starts_with('[') {
            text.push('.');
        }
        // A key with a dot of its own stands in quotation marks.
        if part.contains('.') && !part.starts_with('[') {
            text.extend(["\"", part, "\""]);
        } else {
            text += part;
        }
    }
    text
}

/// A value in a sentence.
fn word(value: &Tree) -> String {
    match value {
        Tree::Text(text) => text.clone(),
        other => other.line(),
    }
}

/// As long as a line of a plan may be; the whole of it stands among the plan's texts.
const LONGEST: usize = 100;

impl Difference {
    /// It in one line.
    pub(super) fn line(&self) -> String {
        let holder = if self.taken { ", and is somebody else's by now" } else { "" };
        match (&self.found, &self.wanted) {
            (Some(found), Some(wanted)) if is_long(found) || is_long(wanted) => {
                format!("{} differs{holder}", self.path)
            }
            (Some(found), Some(wanted)) => format!("{} is {}, wanted {}{holder}", self.path, word(found), word(wanted)),
            (None, Some(wanted)) if is_long(wanted) => format!("{} is missing", self.path),
            (None, Some(wanted)) => format!("{} is missing, wanted {}", self.path, word(wanted)),
            (Some(found), None) if is_long(found) => format!("{} goes away", self.path),
            (Some(found), None) => format!("{} goes away, which is {}", self.path, word(found)),
            (None, None) => format!("{} is missing", self.path),
        }
    }

    /// A diff of two texts of several lines.
    pub(super) fn diff(&self) -> Option<String> {
        let (found, wanted) = (self.found.as_ref()?.text()?, self.wanted.as_ref()?.text()?);
        let is_text = found.contains('\n') || wanted.contains('\n');
        is_text.then(|| TextDiff::from_lines(found, wanted).unified_diff().context_radius(2).to_string())
    }
}

fn is_long(value: &Tree) -> bool {
    let text = word(value);
    text.len() > LONGEST || text.contains('\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(json: &str) -> Tree {
        serde_json::from_str(json).unwrap()
    }

    const MANIFEST: &str = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a","namespace":"n"},"spec":{
        "replicas":2,"template":{"spec":{"nodeSelector":{"os":"linux"},"hostNetwork":false,"containers":[
        {"name":"a","image":"x:1","args":["-v"],"resources":{"requests":{"cpu":0.1}}}]}}}}"#;

    const LIVE: &str = r#"{"metadata":{"name":"a","namespace":"n","annotations":{"fmp.io/digest":"d","other":"1"}},"spec":{
        "replicas":2,"paused":true,"template":{"spec":{"nodeSelector":{"os":"linux"},"containers":[
        {"name":"a","image":"x:1","args":["-v"],"resources":{"requests":{"cpu":"100m"}},"tty":true}]}}}}"#;

    const OWNED: &str = r#"{"f:metadata":{"f:annotations":{"f:fmp.io/digest":{}},"f:labels":{"f:app.kubernetes.io/managed-by":{}}},
        "f:spec":{"f:replicas":{},"f:template":{"f:spec":{"f:nodeSelector":{},"f:containers":{"k:{\"name\":\"a\"}":{".":{},
        "f:name":{},"f:image":{},"f:args":{},"f:resources":{"f:requests":{"f:cpu":{}}}}}}}}}"#;

    fn lines(wanted: &str, live: &str, owned: &str, applied: Applied) -> Vec<String> {
        let seen = FieldsSeen { live: tree(live), owned: tree(owned), others: [].into() };
        differences(&tree(wanted), &seen, applied).iter().map(Difference::line).collect()
    }

    #[test]
    fn what_was_applied_and_is_untouched_differs_in_nothing() {
        assert_eq!(lines(MANIFEST, LIVE, OWNED, Applied::Wanted), [""; 0]);
        // Read without that knowledge: the API's way to write a quantity is the same quantity.
        assert_eq!(lines(MANIFEST, LIVE, OWNED, Applied::Other), [""; 0]);
    }

    #[test]
    fn a_field_that_somebody_changed_is_named_with_both_values() {
        let (live, owned) = (LIVE.replace("\"replicas\":2", "\"replicas\":5"), OWNED.replace("\"f:replicas\":{},", ""));
        let expected = ["spec.replicas is 5, wanted 2, and is somebody else's by now"];
        assert_eq!(lines(MANIFEST, &live, &owned, Applied::Wanted), expected);
    }

    #[test]
    fn a_field_that_somebody_else_holds_with_the_same_value_differs_in_nothing() {
        let owned = OWNED.replace("\"f:replicas\":{},", "");
        assert_eq!(lines(MANIFEST, LIVE, &owned, Applied::Wanted), [""; 0]);
    }

    #[test]
    fn a_field_that_somebody_removed_is_missing() {
        let (live, owned) = (LIVE.replace(",\"args\":[\"-v\"]", ""), OWNED.replace("\"f:args\":{},", ""));
        let expected = ["spec.template.spec.containers[name=a].args is missing, wanted [\"-v\"]"];
        assert_eq!(lines(MANIFEST, &live, &owned, Applied::Wanted), expected);
    }

    #[test]
    fn a_new_manifest_differs_field_by_field() {
        let wanted = MANIFEST
            .replace("x:1", "x:2")
            .replace("\"args\":[\"-v\"],", "")
            .replace("\"containers\":[", "\"containers\":[{\"name\":\"b\",\"image\":\"y\"},");
        let mut found = lines(&wanted, LIVE, OWNED, Applied::Other);
        found.sort();
        let at = "spec.template.spec.containers";
        let expected = [
            format!("{at}[name=a].args goes away, which is [\"-v\"]"),
            format!("{at}[name=a].image is x:1, wanted x:2"),
            format!("{at}[name=b].image is missing, wanted y"),
            format!("{at}[name=b].name is missing, wanted b"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn texts_of_several_lines_differ_by_lines() {
        let wanted = r#"{"kind":"ConfigMap","data":{"Core.file":"a\nb\n"}}"#;
        let seen = FieldsSeen {
            live: tree(r#"{"data":{"Core.file":"a\nc\n"}}"#),
            owned: tree(r#"{"f:data":{"f:Core.file":{}}}"#),
            others: [].into(),
        };
        let found = differences(&tree(wanted), &seen, Applied::Other);
        assert_eq!(found[0].line(), "data.\"Core.file\" differs");
        assert!(found[0].diff().unwrap().contains("-c\n+b\n"));
    }

    #[test]
    fn an_item_that_nobody_wants_any_more_goes_away() {
        let wanted = r#"{"kind":"Role","finalizers":["a"],"ports":[{"port":1}]}"#;
        let live = r#"{"finalizers":["a","b"],"ports":[{"port":1},{"port":2,"name":"x"}]}"#;
        let owned = r#"{"f:finalizers":{"v:\"a\"":{},"v:\"b\"":{}},"f:ports":{"k:{\"port\":1}":{".":{},"f:port":{}},
            "k:{\"port\":2}":{".":{},"f:port":{},"f:name":{}}}}"#;
        let expected = [
            "finalizers[\"b\"] goes away, which is b",
            "ports[port=2].name goes away, which is x",
            "ports[port=2].port goes away, which is 2",
        ];
        assert_eq!(lines(wanted, live, owned, Applied::Other), expected);
    }
}

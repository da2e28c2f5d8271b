//! An object of the API that FMP applied, as the API shows it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Digest, tree::Tree};

/// An object that carries FMP's label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectSeen {
    /// Digest of the manifest that FMP last applied, from its annotation.
    pub digest: String,
    /// What it says now. None: whoever looked sees digests only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<FieldsSeen>,
}

/// What an object says, and which of it is FMP's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldsSeen {
    /// All that is specified: without status and without what the API notes for itself.
    pub live: Tree,
    /// The fields that FMP's field manager owns, as the API writes such sets
    /// ([`fieldsV1`](https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management)).
    pub owned: Tree,
    /// Other field managers that wrote more of it than its metadata and its status.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub others: BTreeSet<String>,
}

impl ObjectSeen {
    /// An object of which only the digest is known.
    pub fn of(digest: impl Into<String>) -> Self {
        Self { digest: digest.into(), fields: None }
    }

    /// What FMP owns of it, in a few characters: they differ when somebody changed one of these fields, or took it over, and
    /// never by what others do beside them.
    pub fn value(&self) -> String {
        let owned = self
            .fields
            .as_ref()
            .map(|FieldsSeen { live, owned, others: _ }| Digest::of(part(live, owned).line()).short());
        owned.map_or_else(|| self.digest.clone(), |owned| format!("{} fields {owned}", self.digest))
    }
}

/// The part of `live` that a set of fields names.
fn part(live: &Tree, owned: &Tree) -> Tree {
    let Some(fields) = owned.map().filter(|fields| !fields.is_empty()) else { return live.clone() };
    let inner = |(field, below): (&String, &Tree)| {
        let found = find(live, field)?;
        Some((field.clone(), part(found, below)))
    };
    Tree::Map(fields.iter().filter_map(inner).collect())
}

/// What one word of a set of fields stands for: `f:` a key, `k:` an item known by some of its keys, `v:` an item known by its
/// value, `.` the thing itself.
pub fn find<'a>(live: &'a Tree, field: &str) -> Option<&'a Tree> {
    match field.strip_prefix("f:") {
        Some(key) => live.get(key),
        None => live.list()?.iter().find(|item| is(item, field)),
    }
}

/// Whether an item of a list is the one that a word stands for.
pub fn is(item: &Tree, field: &str) -> bool {
    match field.split_once(':') {
        Some(("k", keys)) => {
            let keys: BTreeMap<String, Tree> = serde_json::from_str(keys).unwrap_or_default();
            !keys.is_empty() && keys.iter().all(|(key, value)| item.get(key) == Some(value))
        }
        Some(("v", value)) => serde_json::from_str::<Tree>(value).is_ok_and(|value| *item == value),
        Some(_) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(json: &str) -> Tree {
        serde_json::from_str(json).unwrap()
    }

    fn seen(live: &str) -> ObjectSeen {
        let owned = r#"{"f:spec":{"f:replicas":{},"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:image":{}}}}}"#;
        ObjectSeen {
            digest: "d".into(),
            fields: Some(FieldsSeen { live: tree(live), owned: tree(owned), others: BTreeSet::new() }),
        }
    }

    #[test]
    fn what_others_write_beside_our_fields_changes_nothing() {
        let before = seen(r#"{"spec":{"replicas":2,"containers":[{"name":"a","image":"x"}]}}"#);
        let beside = r#"{"metadata":{"annotations":{"k":"1"}},"spec":{"replicas":2,"paused":true,
            "containers":[{"name":"b"},{"name":"a","image":"x","tty":true}]}}"#;
        assert_eq!(before.value(), seen(beside).value());
        let ours = r#"{"spec":{"replicas":2,"containers":[{"name":"a","image":"y"}]}}"#;
        assert_ne!(before.value(), seen(ours).value());
    }
}

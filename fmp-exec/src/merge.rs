//! One observation out of what several providers saw.
//!
//! Each provider answers what it can and leaves the rest unknown. Two that know different things make the fact unknown.

use std::collections::BTreeMap;

use fmp_core::observed::{Fact, Observed};

/// Joins two observations. The order does not matter, except that the words of one reason are kept for two.
#[must_use]
pub fn merge(one: Observed, other: Observed) -> Observed {
    Observed {
        now: one.now.max(other.now),
        machines: fact(one.machines, other.machines, "the machines"),
        hosts: hosts(one.hosts, other.hosts),
        other_keys: one.other_keys.into_iter().chain(other.other_keys).collect(),
        etcd: fact(one.etcd, other.etcd, "etcd"),
        api: fact(one.api, other.api, "the API"),
    }
}

/// An observation that knows nothing: the start of a merge.
pub fn nothing() -> Observed {
    let unseen = || "nobody was asked".to_owned();
    Observed {
        now: 0,
        machines: Fact::Unknown(unseen()),
        hosts: BTreeMap::new(),
        other_keys: BTreeMap::new(),
        etcd: Fact::Unknown(unseen()),
        api: Fact::Unknown(unseen()),
    }
}

fn hosts<K: Ord + std::fmt::Display, T: PartialEq>(
    mut one: BTreeMap<K, Fact<T>>,
    other: BTreeMap<K, Fact<T>>,
) -> BTreeMap<K, Fact<T>> {
    for (node, seen) in other {
        let joined = match one.remove(&node) {
            Some(before) => fact(before, seen, &node.to_string()),
            None => seen,
        };
        one.insert(node, joined);
    }
    one
}

fn fact<T: PartialEq>(one: Fact<T>, other: Fact<T>, what: &str) -> Fact<T> {
    match (one, other) {
        (Fact::Unknown(_), known) | (known, Fact::Unknown(_)) => known,
        (one, other) if one == other => one,
        _ => Fact::Unknown(format!("two sources say different things about {what}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_source_knows_is_known() {
        assert_eq!(fact(Fact::Unknown("not asked".into()), Fact::Known(1), "x"), Fact::Known(1));
        assert_eq!(fact(Fact::<u8>::Absent, Fact::Unknown("not asked".into()), "x"), Fact::Absent);
    }

    #[test]
    fn sources_that_disagree_make_a_fact_unknown() {
        assert!(matches!(fact(Fact::Known(1), Fact::Known(2), "x"), Fact::Unknown(_)));
        assert!(matches!(fact(Fact::Known(1), Fact::Absent, "x"), Fact::Unknown(_)));
    }
}

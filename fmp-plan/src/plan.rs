//! The plan: immutable, complete data.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use fmp_core::{Digest, NodeName, spec::Environment};
use serde::{Deserialize, Serialize};

use crate::{
    fact::FactKey,
    step::{Budget, Step, StepId},
};

/// The one format of a plan that this version reads and writes.
pub const FORMAT: u32 = 1;

/// What will be done, why, and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`FORMAT`].
    pub format: u32,
    /// The cluster's name.
    pub cluster: String,
    /// Where the machines come from.
    pub environment: Environment,
    /// What the plan rests on.
    pub basis: Basis,
    /// What changes, in id order.
    pub changes: Vec<Change>,
    /// How, in id order.
    pub steps: Vec<Step>,
    /// What is wanted and can't be done now, and what it waits for.
    pub waiting: Vec<Waiting>,
    /// What was seen that nobody asked for, and that stays as it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// Consents that were given and used.
    pub consents: BTreeSet<String>,
    /// How many units of disruption may be down at once.
    pub budgets: BTreeMap<Budget, u32>,
    /// Texts that the steps write, by digest.
    pub texts: BTreeMap<Digest, Arc<str>>,
}

impl Plan {
    /// Puts back in order what was added to a plan: whole hosts first; then what the cluster has, then node by node.
    pub(crate) fn put_in_order(&mut self) {
        let place = |id: &str| {
            let (scope, own) = id.split_once('/').unwrap_or((id, ""));
            (id.contains('/'), scope != "cluster", scope.to_owned(), own.to_owned())
        };
        self.waiting.sort_by_cached_key(|item| place(&item.what));
        self.changes.sort_by_cached_key(|change| place(&change.id));
        self.steps.sort_by(|a, b| a.id.cmp(&b.id));
    }
}

/// What a plan rests on. Where any of it differs, the plan is stale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basis {
    /// The meaning of cluster.toml.
    pub spec: Digest,
    /// The bundle's lock.
    pub bundle: Digest,
    /// Facts as they were seen, by what they are about.
    pub facts: Vec<Premise>,
}

/// One fact as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Premise {
    /// The question.
    #[serde(flatten)]
    pub key: FactKey,
    /// The answer, in words.
    pub value: String,
}

/// One resource that changes, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The resource's id: `main-2/unit/kube-apiserver.service`.
    pub id: String,
    /// What happens to it.
    pub verb: Verb,
    /// What differs and why, a fact a line.
    pub why: Vec<String>,
    /// A unified diff, for a text file that was there before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
}

/// What happens to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// It is made.
    Create,
    /// It is brought up to date.
    Update,
    /// It is taken away.
    Remove,
    /// It is started again with the inputs that are wanted.
    Restart,
}

/// Something that stays as it is, and that a person may want to know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// About what: `Node work-9`.
    pub about: String,
    /// What there is to know, and what can be done.
    pub what: String,
}

/// Something wanted that can't be done now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiting {
    /// What is wanted: a resource's or a node's name.
    pub what: String,
    /// What it waits for: a fact, or a consent and how to give it.
    pub until: String,
    /// The node concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeName>,
}

impl Waiting {
    /// Whether a step is about what waits, or a part of it.
    pub fn concerns(&self, step: &StepId) -> bool {
        step.as_str().strip_prefix(&*self.what).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_concerns_itself_and_its_parts() {
        let waits = |what: &str| Waiting { what: what.to_owned(), until: String::new(), node: None };
        let step = StepId::new("work-10/files");
        assert!(waits("work-10").concerns(&step) && waits("work-10/files").concerns(&step));
        assert!(!waits("work-1").concerns(&step) && !waits("work-10/file").concerns(&step));
    }
}

//! Steps: an action, what it waits for, what it takes away meanwhile.

use std::{borrow::Borrow, collections::BTreeSet, fmt, sync::Arc};

use fmp_core::{
    NodeName,
    resource::{Capability, Check},
};
use serde::{Deserialize, Serialize};

use crate::action::Action;

/// The name of a step: `main-3/etcd-member/promote`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(Arc<str>);

impl StepId {
    /// A step's name from its text.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for StepId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its name.
    pub id: StepId,
    /// Whom it is done to.
    pub subject: Subject,
    /// What is done.
    pub action: Action,
    /// Steps that are finished, watched ones after their watch, before it begins. In order of names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<StepId>,
    /// The unit of disruption that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Disruption>,
    /// What is gone between its begin and the end of its watch.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub disrupts: BTreeSet<Capability>,
    /// What must hold before it counts as finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<Check>,
    /// Why, for people.
    pub reason: String,
}

/// Whom a step is done to: which provider is asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// A machine, by way of its environment.
    Machine(NodeName),
    /// A host, by way of its own programs.
    Host(NodeName),
    /// The cluster, by way of any main.
    Cluster,
}

impl Subject {
    /// The node concerned, if it is one.
    pub const fn node(&self) -> Option<&NodeName> {
        match self {
            Self::Machine(node) | Self::Host(node) => Some(node),
            Self::Cluster => None,
        }
    }
}

/// Everything that is disrupted as one: all steps of it share one slot of its budget.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disruption {
    /// Which node.
    pub node: NodeName,
    /// Which budget the slot comes from.
    pub budget: Budget,
}

/// How many units may be disrupted at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Budget {
    /// What a main is to the cluster (its voter, its apiserver, its controllers): one main.
    Mains,
    /// What runs on nodes of either role: `max-unavailable` of them.
    Works,
}

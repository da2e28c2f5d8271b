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

impl Step {
    /// The node that it is about, be it by way of the API.
    pub fn node(&self) -> Option<&NodeName> {
        self.subject.node().or_else(|| self.action.api_node())
    }
}

impl Subject {
    /// Whom an action is done to, where it is about `node`.
    pub(crate) fn of(node: Option<&NodeName>, action: &Action) -> Self {
        match (action, node) {
            (Action::CreateMachine { .. } | Action::StartMachine, Some(node)) => Self::Machine(node.clone()),
            // A Node object is a matter of the API, not of the host that it stands for.
            (action, _) if action.api_node().is_some() => Self::Cluster,
            (Action::ApplyObject { .. } | Action::DeleteObject { .. }, _) | (_, None) => Self::Cluster,
            (_, Some(node)) => Self::Host(node.clone()),
        }
    }

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

impl Budget {
    /// The budget of what a step takes away, if it takes something away.
    pub(crate) fn of(disrupts: &BTreeSet<Capability>) -> Option<Self> {
        let of_node = |capability: &Capability| matches!(capability, Capability::Pods(_));
        match (disrupts.is_empty(), disrupts.iter().all(of_node)) {
            (true, _) => None,
            (false, true) => Some(Self::Works),
            (false, false) => Some(Self::Mains),
        }
    }
}

//! How a step can fail, told so that the executor knows what to do next.

use std::{error::Error, iter::successors};

use serde::{Deserialize, Serialize};

/// A step that failed.
#[derive(Debug, thiserror::Error)]
#[error("{kind}")]
pub struct Failure {
    /// Whether the change may have happened all the same.
    pub effect: Effect,
    /// Whether trying again may help.
    pub retry: Retry,
    /// What went wrong, as a fragment that reads after "failed at:", with what a person can do.
    pub kind: FailureKind,
    /// What caused it.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

/// Whether the change may have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Nothing was changed.
    None,
    /// It may have happened, wholly or in part.
    MayHaveHappened,
}

/// Whether trying again may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retry {
    /// It may: the cause can pass by itself.
    Later,
    /// It can't: a person must mend something first.
    Never,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum FailureKind {
    /// The host can't be reached.
    #[error("{0} can't be reached")]
    Unreachable(String),
    /// The connection was lost while the change was made.
    #[error("the connection to {0} was lost")]
    Lost(String),
    /// A program on the host ended with an error.
    #[error("`{program}` on {host} ended with status {status}: {stderr}")]
    Program {
        /// Where.
        host: String,
        /// Which, in words.
        program: String,
        /// Its exit status.
        status: i32,
        /// The end of what it said.
        stderr: String,
    },
    /// The file system has no room.
    #[error("{host} has no room for {path}: {needed} bytes are needed; free some, then run `fmp apply` again")]
    NoRoom {
        /// Where.
        host: String,
        /// For what.
        path: String,
        /// With a fifth to spare.
        needed: u64,
    },
    /// What was watched did not come true in time.
    #[error("{what} was not seen within {seconds} s; last seen: {last}")]
    Deadline {
        /// What was awaited.
        what: String,
        /// How long.
        seconds: u64,
        /// The last state.
        last: String,
    },
    /// Another run with a newer epoch took over.
    #[error("a newer run of fmp (epoch {newer}) has taken over {host}; this run stops")]
    Fenced {
        /// Where.
        host: String,
        /// The newer epoch.
        newer: u64,
    },
    /// Pods stay on a node that is to be drained.
    #[error("{node} is not drained: {by}: {pods}; {}", by.remedy(node))]
    Undrained {
        /// Which node.
        node: String,
        /// What keeps them.
        by: Holdup,
        /// Which pods, as `kubectl` names them.
        pods: String,
    },
    /// What was sent came to the host cut short, or as something else.
    #[error("what was sent did not reach {0} whole")]
    Torn(String),
    /// A blob of the bundle is missing or damaged.
    #[error("{0}")]
    Bundle(String),
    /// Anything else that a provider has to say, as a fragment with its remedy.
    #[error("{0}")]
    Other(String),
}

/// What keeps pods on a node that is to be drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Holdup {
    /// They hold data in an `emptyDir`, which goes with them.
    #[error("pods keep data in an emptyDir, which goes with them")]
    LocalData,
    /// No controller would make them again.
    #[error("nobody makes these pods again")]
    Unmanaged,
    /// A `PodDisruptionBudget` allows no eviction now.
    #[error("a PodDisruptionBudget allows no eviction now")]
    Budget,
    /// They take longer to end than was waited for.
    #[error("pods have not ended in time")]
    Slow,
}

impl Holdup {
    /// What a person can do.
    pub fn remedy(self, node: &str) -> String {
        match self {
            Self::LocalData | Self::Unmanaged => {
                format!("save what they hold, then agree in cluster.toml with `consent = [\"evict {node}\"]`")
            }
            Self::Budget => "run more replicas, or loosen the budget, then run `fmp apply` again".to_owned(),
            Self::Slow => "run `fmp apply` again once they are gone".to_owned(),
        }
    }
}

/// What the executor keeps of a [`Failure`]: data that can be compared and written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailureSummary {
    /// Whether the change may have happened all the same.
    pub effect: Effect,
    /// Whether trying again may help.
    pub retry: Retry,
    /// What went wrong.
    pub what: String,
    /// What caused it, the nearest cause first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
}

impl From<&Failure> for FailureSummary {
    fn from(failure: &Failure) -> Self {
        let first: Option<&dyn Error> = failure.source.as_deref().map(|source| source as _);
        let causes = successors(first, |&error| error.source()).map(ToString::to_string).collect();
        Self { effect: failure.effect, retry: failure.retry, what: failure.kind.to_string(), causes }
    }
}

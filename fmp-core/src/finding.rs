//! Findings: what `fmp check` and the planner tell a person about a host.

use serde::{Deserialize, Serialize};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Work can go on; a person should know.
    Warning,
    /// Nothing may be deployed until it is mended.
    Error,
}

/// One thing that a person should know or mend, with figures and a way out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// Where: a node's name, or `cluster`.
    pub subject: String,
    /// Which check: a stable word, such as `memory`.
    pub check: String,
    /// How much it matters.
    pub severity: Severity,
    /// What was found and what is wanted, with figures and units.
    pub message: String,
    /// What to do, as one line.
    pub fix: String,
}

//! Requirement profiles: what a host must bring, as data.

use serde::{Deserialize, Serialize};

/// Placeholder replaced by the profile's author.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The profile's name, such as `fmp-23.12`.
    pub name: String,
}

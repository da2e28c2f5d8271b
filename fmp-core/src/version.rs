//! Versions of Kubernetes.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A released version of Kubernetes, such as `1.29.15`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KubeVersion {
    /// The minor version: 29 in `1.29.15`.
    pub minor: u16,
    /// The patch version: 15 in `1.29.15`.
    pub patch: u16,
}

/// Why a text is no version of Kubernetes.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a version of Kubernetes: write it as 1.29.15, with all three numbers")]
pub struct BadVersion(String);

impl FromStr for KubeVersion {
    type Err = BadVersion;

    fn from_str(text: &str) -> Result<Self, BadVersion> {
        let bad = || BadVersion(text.to_owned());
        let version = semver::Version::parse(text.strip_prefix('v').unwrap_or(text)).map_err(|_| bad())?;
        let plain = version.major == 1 && version.pre.is_empty() && version.build.is_empty();
        match (plain, u16::try_from(version.minor), u16::try_from(version.patch)) {
            (true, Ok(minor), Ok(patch)) => Ok(Self { minor, patch }),
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for KubeVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}.{}", self.minor, self.patch)
    }
}

impl Serialize for KubeVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KubeVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions_with_and_without_v() {
        let version = KubeVersion { minor: 29, patch: 15 };
        assert_eq!("1.29.15".parse(), Ok(version));
        assert_eq!("v1.29.15".parse(), Ok(version));
        assert_eq!(version.to_string(), "1.29.15");
    }

    #[test]
    fn refuses_other_versions() {
        for bad in ["1.29", "2.0.0", "1.29.0-rc.1", "1.29.x", ""] {
            assert!(bad.parse::<KubeVersion>().is_err(), "{bad}");
        }
    }
}

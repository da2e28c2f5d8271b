//! Typed names: nodes, and what belongs to whom.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The name of a node: a DNS label, as Kubernetes asks of a host name.
///
/// At most 63 of `a-z`, `0-9` and `-`, not beginning or ending with `-`
/// ([RFC 1123](https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names)).
/// Cloning is cheap. Names sort as text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(Arc<str>);

/// Why a text is no node name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a DNS label: at most 63 of a-z, 0-9 and `-`, beginning and ending with a letter or a digit")]
pub struct BadNodeName(String);

impl NodeName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeName {
    type Err = BadNodeName;

    fn from_str(text: &str) -> Result<Self, BadNodeName> {
        let edge = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let bytes = text.as_bytes();
        let inner = bytes.iter().all(|&c| c == b'-' || edge(Some(c)));
        if inner && bytes.len() <= 63 && edge(bytes.first().copied()) && edge(bytes.last().copied()) {
            Ok(Self(text.into()))
        } else {
            Err(BadNodeName(text.to_owned()))
        }
    }
}

impl Borrow<str> for NodeName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for NodeName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for NodeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_name_is_a_dns_label() {
        for good in ["a", "main-1", "0x", &"a".repeat(63)] {
            assert_eq!(good.parse::<NodeName>().unwrap().as_str(), good);
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", "ä", &"a".repeat(64)] {
            assert!(bad.parse::<NodeName>().is_err(), "{bad}");
        }
    }
}

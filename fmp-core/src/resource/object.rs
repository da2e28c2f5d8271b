//! Objects of the API.

use super::Text;
use crate::tree::Tree;

/// An object that FMP owns, applied by the server with FMP's field manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// `Kind/namespace/name`; the namespace is empty for objects of the whole cluster.
    pub key: String,
    /// The manifest as JSON: one object.
    pub manifest: Text,
    /// Fields that Kubernetes itself holds from its start and that FMP takes over.
    pub takes: &'static [&'static str],
}

impl Object {
    /// An object of a namespace, or of the whole cluster where that is empty.
    pub fn new(kind: &str, namespace: &str, name: &str, manifest: impl Into<std::sync::Arc<str>>) -> Self {
        Self { key: format!("{kind}/{namespace}/{name}"), manifest: Text::new(manifest), takes: &[] }
    }

    /// The same, with fields that Kubernetes itself holds from its start.
    #[must_use]
    pub fn taking(self, takes: &'static [&'static str]) -> Self {
        Self { takes, ..self }
    }

    /// What it says, `Null` where that is no JSON.
    pub fn tree(&self) -> Tree {
        serde_json::from_str(&self.manifest.text).unwrap_or(Tree::Null)
    }

    /// Its kind: the first part of its key.
    pub fn kind(&self) -> &str {
        self.key.split_once('/').map_or(&*self.key, |(kind, _)| kind)
    }

    /// The namespace that it is in, if it is in one.
    pub fn namespace(&self) -> Option<&str> {
        self.key.split('/').nth(1).filter(|namespace| !namespace.is_empty())
    }

    /// Its name: the last part of its key.
    pub fn name(&self) -> &str {
        self.key.splitn(3, '/').nth(2).unwrap_or("")
    }
}

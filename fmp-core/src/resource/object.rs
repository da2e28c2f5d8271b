//! Objects of the API.

use super::Text;

/// An object that FMP owns, applied by the server with FMP's field manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// `Kind/namespace/name`; the namespace is empty for objects of the whole cluster.
    pub key: String,
    /// The manifest as JSON: one object.
    pub manifest: Text,
}

impl Object {
    /// An object of a namespace, or of the whole cluster where that is empty.
    pub fn new(kind: &str, namespace: &str, name: &str, manifest: impl Into<std::sync::Arc<str>>) -> Self {
        Self { key: format!("{kind}/{namespace}/{name}"), manifest: Text::new(manifest) }
    }

    /// Its kind: the first part of its key.
    pub fn kind(&self) -> &str {
        self.key.split_once('/').map_or(&*self.key, |(kind, _)| kind)
    }
}

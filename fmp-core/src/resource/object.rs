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
    /// Its kind: the first part of its key.
    pub fn kind(&self) -> &str {
        self.key.split_once('/').map_or(&*self.key, |(kind, _)| kind)
    }
}

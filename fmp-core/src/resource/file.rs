//! Text files.

use std::{fmt, sync::Arc};

use crate::Digest;

/// A text, shared by everything that holds it, with its digest.
#[derive(Clone, PartialEq, Eq)]
pub struct Text {
    /// SHA-256 of the text.
    pub digest: Digest,
    /// The text.
    pub text: Arc<str>,
}

impl Text {
    /// Takes a text and its digest.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        Self { digest: Digest::of(text.as_bytes()), text }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({:?}, {} bytes)", self.digest, self.text.len())
    }
}

/// A text file on one host, owned by root. Never a secret: its content stands in the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Absolute path.
    pub path: Arc<str>,
    /// Permission bits, such as 0o644.
    pub mode: u32,
    /// What it must hold.
    pub content: Text,
}

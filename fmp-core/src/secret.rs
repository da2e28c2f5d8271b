//! Values that must not be seen.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// A secret in memory: overwritten when dropped, never shown, never serialised.
///
/// It implements neither `Serialize` nor `Display`, so it can't get into a plan, a log or an error by accident.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes ownership of the bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes themselves. The caller promises not to keep a copy.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_a_secret() {
        assert!(!format!("{:?}", Secret::new("canary")).contains("canary"));
    }
}

//! Keys and certificates: made, signed and read, all in memory.
//!
//! Owns everything that touches a private key on this side. Keys are ECDSA P-256. Every private part is a
//! [`Secret`](fmp_core::Secret), overwritten when dropped; nothing here writes to a disk.

mod authority;
mod client;
mod inspect;
mod issue;
mod shared;

pub use authority::Authority;
pub use client::{ClientCredential, client_credential};
pub use inspect::inspect;
pub use issue::{Issued, issue};
pub use shared::{Made, cluster_id, encryption_config, service_account_key};

/// Why a key or a certificate can't be made or read. Never holds any part of a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PkiError {
    /// What should be a certificate is none.
    #[error("it is no certificate in PEM form")]
    NoCertificate,
    /// The authority's certificate or key can't be used. The cause is left out: it could quote the key.
    #[error("the authority's certificate and key can't be used to sign")]
    Authority,
    /// A subject alternative name that is neither `DNS:…` nor `IP:…`.
    #[error("`{0}` is neither `DNS:NAME` nor `IP:ADDRESS`")]
    Name(String),
    /// More organisations than the signing library writes.
    #[error("`{0}` is to belong to more than one organisation")]
    Organizations(String),
    /// Making a key or signing failed.
    #[error("making a key or signing with it")]
    Sign(#[source] rcgen::Error),
    /// The system gives no randomness.
    #[error("the system gives no random numbers")]
    Random,
    /// A date that no certificate can hold.
    #[error("a validity of {0} s from now ends at no date")]
    Validity(i64),
}

/// Random bytes from the system.
///
/// # Errors
/// [`PkiError::Random`].
pub(crate) fn random<const N: usize>() -> Result<[u8; N], PkiError> {
    let bytes = ring::rand::generate(&ring::rand::SystemRandom::new()).map_err(|_| PkiError::Random)?;
    Ok(bytes.expose())
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

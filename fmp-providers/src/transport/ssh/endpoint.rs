//! Where a host is and how one gets in.

use std::{path::PathBuf, sync::Arc};

use fmp_core::spec::SshTarget;
use russh::keys::PublicKey;

use crate::transport::{Dialer, TcpDialer};

/// Where a host is, how it proves who it is, and how we prove who we are.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Makes the connection.
    pub dialer: Arc<dyn Dialer>,
    /// Name or address, as the dialer understands it.
    pub host: String,
    /// The port of its SSH server.
    pub port: u16,
    /// The user to log in as. Any but `root` needs `sudo`.
    pub user: String,
    /// The keys that it may show.
    pub host_keys: HostKeys,
    /// A private key to try first.
    pub identity: Option<PathBuf>,
}

/// The host keys that are trusted. No key is ever learned from the network.
#[derive(Debug, Clone)]
pub enum HostKeys {
    /// This one.
    Pinned(Box<PublicKey>),
    /// Those that the user's and the computer's `known_hosts` have for this host.
    Known,
}

/// Why a host's description can't be used.
#[derive(Debug, thiserror::Error)]
pub enum BadTarget {
    /// The pinned host key is no public key.
    #[error("`{text}` is no host key such as `ssh-ed25519 AAAA…`")]
    HostKey {
        /// What stands in the file.
        text: String,
        /// What is wrong with it.
        #[source]
        source: russh::keys::ssh_key::Error,
    },
    /// The private key is named in a way that names no file.
    #[error("`{0}` names no private key file: `file:PATH` or a path")]
    Identity(String),
}

impl HostKeys {
    /// The key that `text` gives, as in `known_hosts` without the host: `ssh-ed25519 AAAA…`.
    ///
    /// # Errors
    /// The text is no public key.
    pub fn pinned(text: &str) -> Result<Self, BadTarget> {
        PublicKey::from_openssh(text)
            .map(|key| Self::Pinned(Box::new(key)))
            .map_err(|source| BadTarget::HostKey { text: text.to_owned(), source })
    }
}

impl Endpoint {
    /// The host that a cluster's file describes, reached from this computer's own network.
    ///
    /// # Errors
    /// The host key or the private key is not written as it should be.
    pub fn of(target: &SshTarget) -> Result<Self, BadTarget> {
        let host_keys = target.host_key.as_deref().map_or(Ok(HostKeys::Known), HostKeys::pinned)?;
        Ok(Self {
            dialer: Arc::new(TcpDialer),
            host: target.host.clone(),
            port: target.port,
            user: target.user.clone(),
            host_keys,
            identity: target.identity.as_deref().map(identity).transpose()?,
        })
    }
}

/// The file that a reference names; `~/` is the home directory.
fn identity(reference: &str) -> Result<PathBuf, BadTarget> {
    let path = reference.strip_prefix("file:").unwrap_or(reference);
    let bad = || BadTarget::Identity(reference.to_owned());
    if path.is_empty() || reference.starts_with("env:") {
        return Err(bad());
    }
    match path.strip_prefix("~/") {
        Some(rest) => Ok(std::env::home_dir().ok_or_else(bad)?.join(rest)),
        None => Ok(path.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_a_reference_or_a_path() {
        assert_eq!(identity("file:/k").unwrap(), PathBuf::from("/k"));
        assert_eq!(identity("/k").unwrap(), PathBuf::from("/k"));
        assert!(identity("~/k").unwrap().is_absolute());
        for bad in ["", "file:", "env:KEY"] {
            assert!(identity(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_pinned_key_is_checked_when_it_is_read() {
        assert!(HostKeys::pinned("ssh-ed25519 nonsense").is_err());
    }
}

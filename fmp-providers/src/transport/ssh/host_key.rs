//! Whether a server is the one that it should be.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use russh::keys::{Algorithm, HashAlg, PublicKey, PublicKeyOrCertificate, known_hosts::known_host_keys_path};

use super::{Endpoint, HostKeys};
use crate::transport::TransportError;

/// The keys that one host may show.
#[derive(Debug)]
pub(super) struct Trusted {
    host: String,
    keys: Vec<PublicKey>,
    revoked: Vec<PublicKey>,
}

impl Trusted {
    /// What is known about the host at `endpoint`.
    pub(super) fn of(endpoint: &Endpoint) -> Result<Self, TransportError> {
        match &endpoint.host_keys {
            HostKeys::Pinned(key) => {
                Ok(Self { host: endpoint.host.clone(), keys: vec![(**key).clone()], revoked: Vec::new() })
            }
            HostKeys::Known => Self::known(&endpoint.host, endpoint.port, &known_hosts()),
        }
    }

    /// What the files at `paths` say about `host`. A file that does not exist says nothing.
    fn known(host: &str, port: u16, paths: &[PathBuf]) -> Result<Self, TransportError> {
        let (mut keys, mut revoked) = (Vec::new(), Vec::new());
        for path in paths {
            let known = known_host_keys_path(host, port, path);
            let known =
                known.map_err(|source| TransportError::KnownHosts { path: path.clone(), source: Arc::new(source) })?;
            keys.extend(known.into_iter().map(|(_, key)| key));
            revoked.extend(revoked_keys(path));
        }
        Ok(Self { host: host.to_owned(), keys, revoked })
    }

    /// Says yes to the key that `seen` is, or why not.
    pub(super) fn check(&self, seen: &PublicKeyOrCertificate) -> Result<(), TransportError> {
        let (key, fingerprint) = match seen {
            PublicKeyOrCertificate::PublicKey { key, .. } => (key.key_data().clone(), fingerprint(key)),
            // We offer no certificate algorithm, so no server has a reason to show one.
            PublicKeyOrCertificate::Certificate(certificate) => {
                let key = PublicKey::from(certificate.public_key().clone());
                (key.key_data().clone(), fingerprint(&key))
            }
        };
        let host = self.host.clone();
        if self.revoked.iter().any(|revoked| *revoked.key_data() == key) {
            Err(TransportError::HostKeyRevoked { host, seen: fingerprint })
        } else if self.keys.iter().any(|trusted| *trusted.key_data() == key) {
            Ok(())
        } else if self.keys.is_empty() {
            Err(TransportError::HostKeyUnknown { host, seen: fingerprint })
        } else {
            let expected: Vec<String> = self.keys.iter().map(self::fingerprint).collect();
            Err(TransportError::HostKeyChanged { host, expected: expected.join(" or "), seen: fingerprint })
        }
    }

    /// `all` with the algorithms of our keys first: the server then shows a key that we can compare.
    pub(super) fn preferred(&self, all: &[Algorithm]) -> Vec<Algorithm> {
        let ours = |algorithm: &Algorithm| self.keys.iter().any(|key| same_kind(&key.algorithm(), algorithm));
        let (mut first, rest): (Vec<_>, Vec<_>) = all.iter().cloned().partition(ours);
        first.extend(rest);
        first
    }
}

/// One RSA key signs with several algorithms; of all others the kind is the algorithm.
fn same_kind(key: &Algorithm, algorithm: &Algorithm) -> bool {
    key == algorithm || (is_rsa(key) && is_rsa(algorithm))
}

/// Whether this is RSA, with whatever hash.
pub(super) fn is_rsa(algorithm: &Algorithm) -> bool {
    matches!(algorithm, Algorithm::Rsa { .. })
}

fn fingerprint(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256))
}

/// Where OpenSSH looks, in its order.
fn known_hosts() -> Vec<PathBuf> {
    let own = std::env::home_dir().map(|home| home.join(".ssh/known_hosts"));
    own.into_iter().chain([PathBuf::from("/etc/ssh/ssh_known_hosts")]).collect()
}

/// Every key on a `@revoked` line, whatever host it names: nobody should show one of these.
fn revoked_keys(path: &Path) -> Vec<PublicKey> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines = text.lines().filter_map(|line| line.strip_prefix("@revoked "));
    lines
        .filter_map(|line| line.trim_start().split_once(' '))
        .filter_map(|(_, key)| PublicKey::from_openssh(key).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAOZ0eKKPVXLxKlMfDhGwCRT8g0BDBAWJrNaRNL8DBVS";

    /// What a `known_hosts` of `text` says about `ONE` shown by `work-1`.
    fn check(text: &str) -> Result<(), TransportError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known_hosts");
        fs::write(&path, text).unwrap();
        let trusted = Trusted::known("work-1", 22, &[path, folder.path().join("missing")])?;
        trusted.check(&PublicKey::from_openssh(ONE).unwrap().into())
    }

    #[test]
    fn a_known_key_is_trusted() {
        check(&format!("work-1,198.18.0.21 {ONE}\n")).unwrap();
        check(&format!("work-1 {OTHER}\nwork-1 {ONE}\n")).unwrap();
    }

    #[test]
    fn an_unknown_host_is_never_trusted() {
        assert!(matches!(check(""), Err(TransportError::HostKeyUnknown { .. })));
        assert!(matches!(check(&format!("work-2 {ONE}\n")), Err(TransportError::HostKeyUnknown { .. })));
    }

    #[test]
    fn another_key_shows_both_fingerprints() {
        let Err(TransportError::HostKeyChanged { expected, seen, .. }) = check(&format!("work-1 {OTHER}\n")) else {
            panic!("accepted");
        };
        assert!(expected.starts_with("ssh-ed25519 SHA256:") && expected != seen, "{expected} {seen}");
    }

    #[test]
    fn a_revoked_key_is_refused_even_where_it_is_known() {
        let text = format!("work-1 {ONE}\n@revoked * {ONE}\n");
        assert!(matches!(check(&text), Err(TransportError::HostKeyRevoked { .. })));
    }

    #[test]
    fn asks_first_for_the_kind_of_key_that_is_known() {
        let trusted =
            Trusted { host: String::new(), keys: vec![PublicKey::from_openssh(ONE).unwrap()], revoked: vec![] };
        let rsa = Algorithm::Rsa { hash: Some(HashAlg::Sha512) };
        assert_eq!(trusted.preferred(&[rsa.clone(), Algorithm::Ed25519]), [Algorithm::Ed25519, rsa]);
    }
}

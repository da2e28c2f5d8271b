//! What all holders share beside authorities: the cluster's id, the key for tokens, the key for Secrets.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use fmp_core::Secret;
use rcgen::KeyPair;
use zeroize::Zeroizing;

use super::{PkiError, hex, random};

/// Something that was made: what anybody may read, and what only holders may.
#[derive(Debug)]
pub struct Made {
    /// What anybody may read.
    pub public: Option<String>,
    /// What only holders may read.
    pub private: Option<Secret>,
}

/// A new cluster id: 128 random bits, so that no two clusters ever share one.
///
/// # Errors
/// [`PkiError::Random`].
pub fn cluster_id() -> Result<Made, PkiError> {
    Ok(Made { public: Some(format!("{}\n", hex(&random::<16>()?))), private: None })
}

/// A new key pair that signs tokens of service accounts.
///
/// # Errors
/// [`PkiError::Sign`].
pub fn service_account_key() -> Result<Made, PkiError> {
    let key = KeyPair::generate().map_err(PkiError::Sign)?;
    Ok(Made { public: Some(key.public_key_pem()), private: Some(Secret::new(key.serialize_pem())) })
}

/// A new configuration that encrypts Secrets in etcd; what was written before it can still be read.
///
/// `secretbox` is the strongest of the providers that need no service of their own
/// (<https://kubernetes.io/docs/tasks/administer-cluster/encrypt-data/#providers>).
///
/// # Errors
/// [`PkiError::Random`].
pub fn encryption_config() -> Result<Made, PkiError> {
    let key = Zeroizing::new(BASE64_STANDARD.encode(Zeroizing::new(random::<32>()?)));
    let text = format!(
        "apiVersion: apiserver.config.k8s.io/v1\n\
         kind: EncryptionConfiguration\n\
         resources:\n\
         - resources: [secrets]\n\
         \x20 providers:\n\
         \x20 - secretbox:\n\
         \x20     keys:\n\
         \x20     - name: key-1\n\
         \x20       secret: {}\n\
         \x20 - identity: {{}}\n",
        *key
    );
    Ok(Made { public: None, private: Some(Secret::new(text)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_made_shows_its_private_part() {
        for made in [cluster_id(), service_account_key(), encryption_config()] {
            let shown = format!("{:?}", made.unwrap());
            assert!(!shown.contains("PRIVATE") && !shown.contains("secretbox"), "{shown}");
        }
    }

    #[test]
    fn no_two_clusters_share_an_id() {
        assert_ne!(cluster_id().unwrap().public, cluster_id().unwrap().public);
    }
}

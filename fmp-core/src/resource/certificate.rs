//! Key pairs with a certificate.

use std::{collections::BTreeSet, sync::Arc};

use serde::{Deserialize, Serialize};

use super::Authority;

/// A key pair and its certificate on one host. The key is made when the certificate is issued, and never leaves memory
/// but for its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Path of the certificate.
    pub path: Arc<str>,
    /// Path of the private key, mode 0600.
    pub key_path: Arc<str>,
    /// What is asked of the authority.
    pub request: CertificateRequest,
}

/// Seconds before its making from which a certificate is valid: a host whose clock is behind by less accepts it at once.
pub const BACKDATED_S: i64 = 60 * 60;

/// What a certificate must say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateRequest {
    /// Who signs it.
    pub signer: Authority,
    /// Common name of the subject.
    pub common_name: String,
    /// Organisations of the subject.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub organizations: BTreeSet<String>,
    /// Subject alternative names: `DNS:…`, `IP:…`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub names: BTreeSet<String>,
    /// Who may show it.
    pub usage: Usage,
    /// Validity in days, counted from an hour before it is issued.
    pub days: u32,
    /// Reissued when fewer days than this are left.
    pub renew_days: u32,
}

/// Who may show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Usage {
    /// A server.
    Server,
    /// A client.
    Client,
    /// Both: etcd's peers and its gateway to itself.
    ServerAndClient,
}

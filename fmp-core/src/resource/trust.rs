//! What all holders share: the cluster's id, authorities, keys.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One shared thing, on one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trust {
    /// Which.
    pub what: Holding,
    /// Whether this host holds the private part too. Work nodes hold certificates only.
    pub private: bool,
}

/// The shared things. Made once in a cluster's life, on one main, and copied from any holder to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holding {
    /// The cluster's random id: which cluster a host belongs to.
    ClusterId,
    /// A certificate authority.
    Authority(Authority),
    /// The key pair that signs tokens of service accounts.
    ServiceAccountKey,
    /// The configuration that encrypts Secrets in etcd, with its key.
    EncryptionConfig,
}

/// The authorities of a cluster, as kubeadm has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Authority {
    /// Signs apiservers, kubelets and clients of the API.
    Cluster,
    /// Signs etcd's members and clients.
    Etcd,
    /// Signs the front proxy's client certificate.
    FrontProxy,
}

impl Authority {
    /// Path of the certificate.
    pub const fn certificate(self) -> &'static str {
        match self {
            Self::Cluster => "/etc/kubernetes/pki/ca.crt",
            Self::Etcd => "/etc/kubernetes/pki/etcd/ca.crt",
            Self::FrontProxy => "/etc/kubernetes/pki/front-proxy-ca.crt",
        }
    }

    /// Path of the private key.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Cluster => "/etc/kubernetes/pki/ca.key",
            Self::Etcd => "/etc/kubernetes/pki/etcd/ca.key",
            Self::FrontProxy => "/etc/kubernetes/pki/front-proxy-ca.key",
        }
    }

    /// Common name of the certificate, as kubeadm names it.
    pub const fn common_name(self) -> &'static str {
        match self {
            Self::Cluster => "kubernetes",
            Self::Etcd => "etcd-ca",
            Self::FrontProxy => "front-proxy-ca",
        }
    }
}

impl Holding {
    /// All of them, in order.
    pub const ALL: [Self; 6] = [
        Self::ClusterId,
        Self::Authority(Authority::Cluster),
        Self::Authority(Authority::Etcd),
        Self::Authority(Authority::FrontProxy),
        Self::ServiceAccountKey,
        Self::EncryptionConfig,
    ];

    /// Path of the part that anybody may read, where there is one.
    pub const fn public_path(self) -> Option<&'static str> {
        match self {
            Self::ClusterId => Some("/var/lib/fmp/cluster-id"),
            Self::Authority(authority) => Some(authority.certificate()),
            Self::ServiceAccountKey => Some("/etc/kubernetes/pki/sa.pub"),
            Self::EncryptionConfig => None,
        }
    }

    /// Path of the secret part, where there is one.
    pub const fn private_path(self) -> Option<&'static str> {
        match self {
            Self::ClusterId => None,
            Self::Authority(authority) => Some(authority.key()),
            Self::ServiceAccountKey => Some("/etc/kubernetes/pki/sa.key"),
            Self::EncryptionConfig => Some("/etc/kubernetes/encryption.yaml"),
        }
    }
}

impl fmt::Display for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClusterId => "cluster-id",
            Self::Authority(Authority::Cluster) => "ca",
            Self::Authority(Authority::Etcd) => "etcd-ca",
            Self::Authority(Authority::FrontProxy) => "front-proxy-ca",
            Self::ServiceAccountKey => "service-account-key",
            Self::EncryptionConfig => "encryption-config",
        })
    }
}

//! Members of etcd.

/// A voting member of etcd on this main.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EtcdMember {
    /// `https://ADDRESS:2380`: how a member is known before it has a name.
    pub peer_url: String,
}

//! Certificates: what each must say, with kubeadm's names and places.

use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc};

use super::recipe::ThisNode;
use crate::{
    resource::{Authority, CertificateRequest, Usage},
    spec::Spec,
};

/// kubeadm's life of a leaf: a year.
const DAYS: u32 = 365;

/// Two months are left to notice that nobody ran FMP, and a yearly routine still meets every certificate in time.
const RENEW_DAYS: u32 = 60;

/// A certificate and its key on disk.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) certificate: Arc<str>,
    pub(super) key: Arc<str>,
}

impl Pair {
    /// `STEM.crt` and `STEM.key`.
    pub(super) fn at(stem: &str) -> Self {
        Self { certificate: format!("{stem}.crt").into(), key: format!("{stem}.key").into() }
    }

    /// The pair `name` in kubeadm's directory.
    pub(super) fn kubernetes(name: &str) -> Self {
        Self::at(&format!("/etc/kubernetes/pki/{name}"))
    }
}

/// Who a certificate speaks for.
#[derive(Debug)]
pub(super) struct Subject {
    common_name: String,
    organizations: BTreeSet<String>,
    names: BTreeSet<String>,
    usage: Usage,
}

impl Subject {
    /// A client known by its common name.
    pub(super) fn client(common_name: impl Into<String>) -> Self {
        let common_name = common_name.into();
        Self { common_name, organizations: BTreeSet::new(), names: BTreeSet::new(), usage: Usage::Client }
    }

    /// A server known by its names.
    pub(super) fn server(common_name: impl Into<String>, names: BTreeSet<String>) -> Self {
        Self { names, usage: Usage::Server, ..Self::client(common_name) }
    }

    /// Both: etcd's gateway is a client of its own server, and each peer is both to the others.
    pub(super) fn both(common_name: impl Into<String>, names: BTreeSet<String>) -> Self {
        Self { usage: Usage::ServerAndClient, ..Self::server(common_name, names) }
    }

    /// The same as a member of a group.
    pub(super) fn of(mut self, group: &str) -> Self {
        self.organizations.insert(group.to_owned());
        self
    }

    /// What is asked of the authority.
    pub(super) fn signed_by(self, signer: Authority) -> CertificateRequest {
        let Self { common_name, organizations, names, usage } = self;
        CertificateRequest { signer, common_name, organizations, names, usage, days: DAYS, renew_days: RENEW_DAYS }
    }
}

/// A name as certificates write it.
pub(super) fn dns(name: impl AsRef<str>) -> String {
    format!("DNS:{}", name.as_ref())
}

/// An address as certificates write it.
pub(super) fn ip(address: Ipv4Addr) -> String {
    format!("IP:{address}")
}

/// How a node is called on the network.
pub(super) fn node_names(node: &ThisNode<'_>) -> BTreeSet<String> {
    BTreeSet::from([dns(node.name.as_str()), ip(node.node.address)])
}

/// How a node is called on the network and by itself.
pub(super) fn local_names(node: &ThisNode<'_>) -> BTreeSet<String> {
    let mut names = node_names(node);
    names.extend([dns("localhost"), ip(Ipv4Addr::LOCALHOST)]);
    names
}

/// Every name under which clients may ask for an apiserver. The entrance's stand here before it is used: a certificate
/// that learns a name later refuses clients until then.
pub(super) fn apiserver_names(spec: &Spec) -> BTreeSet<String> {
    let domain = &spec.network.domain;
    let mut names = BTreeSet::from([
        dns("kubernetes"),
        dns("kubernetes.default"),
        dns("kubernetes.default.svc"),
        dns(format!("kubernetes.default.svc.{domain}")),
        ip(spec.network.kubernetes_service()),
    ]);
    if let Some((host, _)) = spec.api_entrance.server() {
        names.insert(host.parse().map_or_else(|_| dns(host), ip));
    }
    names
}

//! One observation by several providers.

use std::net::SocketAddrV4;

use fmp_core::{
    bundle::Lock,
    check,
    role::{self, paths},
    spec::{Dns, Role, Spec},
};
use fmp_exec::{
    Besides, Questions, ask,
    provider::{HealthQuestion, NameQuestion},
};
pub use fmp_providers::driver::observe;

/// Where everybody asks for names.
const DNS_PORT: u16 = 53;

/// What must be asked to plan for `spec`.
///
/// # Errors
/// The bundle lacks something that the cluster is made of.
pub fn questions(spec: &Spec, lock: &Lock) -> Result<Questions, role::LowerError> {
    Ok(ask::questions(spec, &role::questions_graph(spec, lock)?))
}

/// What its profile requires besides: ports, programs, modules, sysctls. Asked before a host is first touched; a host
/// answers it in a tenth of a second, which is too much for every plan.
pub fn add_requirements(questions: &mut Questions, spec: &Spec) {
    questions.network_policies = !spec.network.mode.may_enforce_policies();
    for (name, node) in &spec.nodes {
        let wanted = check::questions(spec, spec.profile_of(node), node.role);
        if let Some(host) = questions.hosts.get_mut(name) {
            host.programs_wanted.extend(wanted.programs);
            host.modules = wanted.modules;
            host.sysctls = wanted.sysctls;
            host.ports = wanted.ports.into_iter().flat_map(|ports| ports.0).collect();
        }
    }
}

/// What only the doctor wants to know besides: how hosts feel, pods in trouble, leases, budgets, names.
pub fn add_ailments(questions: &mut Questions, spec: &Spec) {
    questions.besides = Besides::Ailments;
    let directories = &spec.profile.settings.directories;
    for (name, node) in &spec.nodes {
        let Some(host) = questions.hosts.get_mut(name) else { continue };
        let is_main = node.role == Role::Main;
        let (containerd, etcd, kubelet) = (&*directories.containerd, &*directories.etcd, &*directories.kubelet);
        let all = match node.role {
            Role::Main => vec![containerd, kubelet, etcd],
            Role::Work => vec![containerd, kubelet],
            Role::Images => vec![paths::IMAGE_STORAGE],
        };
        host.health = Some(HealthQuestion {
            directories: all.into_iter().map(Into::into).collect(),
            etcd_metrics: is_main.then_some(paths::ETCD_METRICS),
            // Services are reached from nodes.
            name: name_question(spec).filter(|_| node.role.is_of_kubernetes()),
            entrances: spec.entrances_asked(node.role),
        });
    }
}

/// The name that every cluster has, where somebody of ours is to answer for it.
fn name_question(spec: &Spec) -> Option<NameQuestion> {
    let network = &spec.network;
    match &spec.components.dns {
        Dns::None => None,
        Dns::Coredns { .. } => Some(NameQuestion {
            server: SocketAddrV4::new(network.cluster_dns(), DNS_PORT),
            name: format!("kubernetes.default.svc.{}", network.domain),
            address: network.kubernetes_service(),
        }),
    }
}

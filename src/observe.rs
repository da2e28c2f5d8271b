//! One observation by several providers.

use fmp_core::{bundle::Lock, check, role, spec::Spec};
use fmp_exec::{Questions, ask};
pub use fmp_providers::driver::observe;

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
        let wanted = check::questions(spec, node.role);
        if let Some(host) = questions.hosts.get_mut(name) {
            host.programs_wanted.extend(wanted.programs);
            host.modules = wanted.modules;
            host.sysctls = wanted.sysctls;
            host.ports = wanted.ports.into_iter().flat_map(|ports| ports.0).collect();
        }
    }
}

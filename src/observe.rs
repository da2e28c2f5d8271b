//! One observation by several providers.

use std::sync::Arc;

use fmp_core::{
    bundle::Lock,
    check,
    observed::{Fact, Observed},
    role,
    spec::Spec,
};
use fmp_exec::{Context, Provider, Questions, ask, merge};

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
    for (name, node) in &spec.nodes {
        let wanted = check::questions(&spec.profile, node.role);
        if let Some(host) = questions.hosts.get_mut(name) {
            host.programs_wanted = wanted.programs;
            host.modules = wanted.modules;
            host.sysctls = wanted.sysctls;
            host.ports = wanted.ports.into_iter().flat_map(|ports| ports.0).collect();
        }
    }
}

/// Asks all providers, one after the other: each asks its hosts all at once.
pub async fn observe(providers: &[Arc<dyn Provider>], cx: &Context, ask: &Questions) -> Observed {
    let mut observed = merge::nothing();
    for provider in providers {
        observed = merge::merge(observed, provider.observe(cx, ask).await);
    }
    unborn(observed, ask)
}

/// A cluster none of whose mains exists yet has neither etcd nor an API: nobody could say so, since nobody could be asked.
fn unborn(mut observed: Observed, ask: &Questions) -> Observed {
    let mut mains = ask.hosts.iter().filter(|(_, asked)| asked.main).peekable();
    let any = mains.peek().is_some();
    if any && mains.all(|(node, _)| observed.hosts.get(node) == Some(&Fact::Absent)) {
        observed.etcd = Fact::Absent;
        observed.api = Fact::Absent;
    }
    observed
}

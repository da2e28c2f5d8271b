//! The planner: difference, order, safety, rendering. Pure: no I/O, clock, randomness, environment or async.
//!
//! [`plan()`] compares what is wanted with what was seen. The same inputs give the same bytes, on any day, in any process.

pub mod action;
mod basis;
pub mod codec;
mod diff;
pub mod doctor;
mod expand;
pub mod fact;
mod leave;
pub mod lint;
#[cfg(test)]
mod oracle;
pub mod plan;
mod prune;
pub mod render;
pub mod safety;
pub mod step;
#[cfg(test)]
mod testing;

pub use action::Action;
pub use basis::{Changed, changed};
use fmp_core::{
    Digest, NodeName,
    graph::{Desired, Handle},
    observed::Observed,
    resource::{Resource, ResourceId, Scope},
    role::paths::{key, unit_file},
    spec::Spec,
};
pub use plan::Plan;
pub use step::{Step, StepId};

use crate::{
    diff::{Delta, Sides, TrustMap},
    plan::{Basis, Waiting},
    step::Budget,
};

/// Everything that a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// What a person wants.
    pub spec: &'a Spec,
    /// The digest of the bundle's lock.
    pub bundle: Digest,
    /// What was lowered from both.
    pub desired: &'a Desired,
    /// Hosts that were not lowered, and why: they did not answer.
    pub silent: &'a [(NodeName, String)],
    /// What was seen.
    pub observed: &'a Observed,
}

/// Compares what is wanted with what was seen.
pub fn plan(inputs: Inputs<'_>) -> Plan {
    let Inputs { spec, bundle, observed, .. } = inputs;
    let foreign = safety::foreign(spec, inputs.desired, observed);
    let mut plan = Plan {
        format: plan::FORMAT,
        cluster: spec.name.clone(),
        environment: spec.environment,
        basis: Basis { spec: spec.digest, bundle, facts: Vec::new() },
        changes: Vec::new(),
        steps: Vec::new(),
        waiting: foreign.waiting,
        notes: leave::forgotten(spec, observed),
        consents: foreign.adopted.into_iter().collect(),
        budgets: budgets(spec),
        texts: std::collections::BTreeMap::new(),
    };
    if plan.waiting.is_empty() {
        fill(&mut plan, inputs);
    }
    plan
}

fn fill(plan: &mut Plan, inputs: Inputs<'_>) {
    let Inputs { spec, desired, silent, observed, .. } = inputs;
    let trust = TrustMap::new(spec, desired, observed);
    let sides = Sides { spec, desired, observed, trust: &trust };
    if let Some(refused) = leave::without_an_heir(spec, observed) {
        plan.waiting.push(refused);
        return;
    }
    let mut deltas = diff::differences(sides);
    let versions = safety::Versions::new(spec, desired, observed);
    if let Some(refused) = versions.refused() {
        plan.waiting.push(refused);
        return;
    }
    let consents = restrain(sides, &mut deltas);
    // What is held back may hold up an apiserver, and with that others that may not be newer.
    while versions.changes() && restrain_versions(sides, &versions, &mut deltas) {
        expand::hold_back(sides, &mut deltas);
    }
    expand::hold_back(sides, &mut deltas);
    let expanded = expand::expand(sides, &deltas);
    let used = consents.into_iter().filter(|(handle, _)| expanded.changing.binary_search(handle).is_ok());
    plan.consents.extend(used.map(|(_, consent)| consent));
    plan.basis.facts = basis::premises(sides, &deltas, &expanded.changing);
    plan.changes = expanded.changes;
    plan.steps = expanded.steps;
    plan.texts = expanded.texts;
    plan.waiting = silent.iter().map(|(node, why)| silence(observed, node, why)).chain(expanded.waiting).collect();
    plan.notes.extend(diff::expiring(sides));
    if versions.changes() {
        basis::add(&mut plan.basis.facts, observed, safety::versions_used(spec));
    }
    leave::outlived::all(sides, plan);
    leave::all(sides, plan);
    prune::all(sides, plan);
    plan.consents.extend(plan.steps.iter().filter_map(|step| safety::eviction_agreed(&step.action)));
}

fn silence(observed: &Observed, node: &NodeName, why: &str) -> Waiting {
    // Whatever the way to a machine says of one that is off, this is why.
    let why = if observed.is_off(node) { "it is switched off" } else { why };
    Waiting { what: node.to_string(), until: format!("it answers: {why}"), node: Some(node.clone()) }
}

/// Holds back what may not be disrupted now. Returns the consents that let others through.
fn restrain(sides: Sides<'_>, deltas: &mut [Delta]) -> Vec<(Handle, String)> {
    let nodes = safety::Nodes::new(sides.spec, sides.observed);
    let mut consents = Vec::new();
    for (handle, ..) in sides.desired.iter() {
        let Some(disrupts) = deltas[handle.index()].work().map(|work| &work.disrupts) else { continue };
        match safety::permit_among(sides.spec, sides.observed, &nodes, disrupts) {
            safety::Verdict::Safe(_) => {}
            safety::Verdict::Consented { consents: used, .. } => {
                consents.extend(used.into_iter().map(|consent| (handle, consent)));
            }
            safety::Verdict::Unsafe(refusal) => deltas[handle.index()] = Delta::Blocked { until: refusal.to_string() },
        }
    }
    consents
}

/// Holds back units whose version would be too new for the others, and with each its file: after a power cut it would
/// start what stands there. Whether there was one.
fn restrain_versions(sides: Sides<'_>, versions: &safety::Versions, deltas: &mut [Delta]) -> bool {
    let raised = expand::free(sides, deltas, |unit| &*unit.name == "kube-apiserver.service");
    let mut found = false;
    for (handle, id, resource) in sides.desired.iter() {
        let (Resource::Unit(unit), Scope::Node(node)) = (resource, &id.scope) else { continue };
        if deltas[handle.index()].work().is_none() {
            continue;
        }
        if let Some(until) = versions.blocked(node, &unit.name, |apiserver| raised.contains(apiserver)) {
            found = true;
            let file = sides.desired.find(&ResourceId::node(node, key::file(&unit_file(&unit.name))));
            if let Some(file) = file.filter(|file| deltas[file.index()].work().is_some()) {
                deltas[file.index()] = Delta::Blocked { until: until.clone() };
            }
            deltas[handle.index()] = Delta::Blocked { until };
        }
    }
    found
}

/// One main at a time, and as many nodes as safety allows.
fn budgets(spec: &Spec) -> std::collections::BTreeMap<Budget, u32> {
    let nodes = u32::try_from(safety::max_unavailable(spec)).unwrap_or(u32::MAX);
    [(Budget::Mains, 1), (Budget::Works, nodes)].into_iter().collect()
}

/// What a plan comes to, as an exit code says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing differs.
    InSync,
    /// At least one step can be done.
    Steps,
    /// Something is wanted and nothing can be done.
    Blocked,
}

impl Plan {
    /// Whether there is something to do, and whether it can be done.
    pub fn standing(&self) -> Standing {
        match (self.steps.is_empty(), self.waiting.is_empty()) {
            (true, true) => Standing::InSync,
            (false, _) => Standing::Steps,
            (true, false) => Standing::Blocked,
        }
    }
}

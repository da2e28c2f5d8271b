//! Whether what a step says of itself fits its action.

use std::collections::BTreeSet;

use fmp_core::{
    NodeName,
    resource::{Capability, Check},
};

use super::{
    Findings, Rule,
    table::{self, Awaited, Whom},
};
use crate::{
    Plan, Step,
    action::Action,
    step::{Budget, Disruption},
};

pub(super) fn check(plan: &Plan, step: &Step, findings: &mut Findings) {
    subject(step, findings);
    disrupts(step, findings);
    unit(plan, step, findings);
    watch(step, findings);
}

fn subject(step: &Step, findings: &mut Findings) {
    let (is, should) = (Whom::of(&step.subject), table::whom(&step.action));
    if is != should {
        let what = format!("is done to {}, and can be done only to {}", is.word(), should.word());
        findings.add(Rule::Subject, &step.id, what);
    }
    let called_after = step.id.as_str().split('/').next().unwrap_or_default();
    if let Some(node) = step.node().filter(|node| node.as_str() != called_after) {
        findings.add(Rule::Subject, &step.id, format!("is done to {node}, and called after {called_after}"));
    }
}

fn disrupts(step: &Step, findings: &mut Findings) {
    let takes = match step.node() {
        Some(node) => table::takes_away(node, &step.action),
        None => BTreeSet::new(),
    };
    if step.disrupts != takes {
        let what = format!("says that it takes away {}; it takes away {}", told(&step.disrupts), told(&takes));
        findings.add(Rule::Disrupts, &step.id, what);
    }
}

fn told(capabilities: &BTreeSet<Capability>) -> String {
    let told: Vec<String> = capabilities.iter().map(|capability| format!("{capability:?}")).collect();
    if told.is_empty() { "nothing".to_owned() } else { told.join(", ") }
}

fn unit(plan: &Plan, step: &Step, findings: &mut Findings) {
    let Some(node) = step.node() else {
        if step.unit.is_some() {
            findings.add(Rule::Unit, &step.id, "belongs to a unit of disruption, and no node is disrupted");
        }
        return;
    };
    let gathered = matches!(step.action, Action::WriteFiles { .. } | Action::IssueCertificates { .. });
    // Pods are kept away from a node from before its unit's first disruption until after the last.
    let around = matches!(step.action, Action::UncordonNode { .. } | Action::DeleteNode { .. });
    // Certificates that are taken up without a restart are renewed host by host.
    let renewed = matches!(step.action, Action::IssueCertificates { .. });
    let has_part =
        |unit: &Disruption| renewed || gathered && restarts(plan, unit) || around && disrupts_something(plan, unit);
    let due = (!step.disrupts.is_empty()).then(|| table::budget(&step.disrupts));
    match (&step.unit, due) {
        // First members wait for each other, so none of their steps may wait for a slot.
        (None, Some(_)) if gives_birth(plan, node) => {}
        (None, Some(_)) => findings.add(Rule::Unit, &step.id, "takes something away and belongs to no unit"),
        (Some(unit), Some(budget)) if *unit != (Disruption { node: node.clone(), budget }) => {
            let what =
                format!("belongs to the unit of {} ({:?}), not to that of {node} ({budget:?})", unit.node, unit.budget);
            findings.add(Rule::Unit, &step.id, what);
        }
        (Some(unit), None) if unit.node != *node || !has_part(unit) => {
            findings.add(Rule::Unit, &step.id, "belongs to a unit that it has no part in");
        }
        (Some(_), Some(_) | None) | (None, None) => {}
    }
    if let Some(unit) = &step.unit
        && plan.budgets.get(&unit.budget).is_none_or(|slots| *slots == 0)
    {
        findings.add(Rule::Budget, &step.id, format!("needs a slot of {:?}, and the plan grants none", unit.budget));
    }
}

fn gives_birth(plan: &Plan, node: &NodeName) -> bool {
    let births = plan.steps.iter().filter(|step| matches!(step.action, Action::BootstrapEtcd { .. }));
    births.filter_map(|step| step.subject.node()).any(|born| born == node)
}

fn disrupts_something(plan: &Plan, unit: &Disruption) -> bool {
    plan.steps.iter().any(|step| step.unit.as_ref() == Some(unit) && !step.disrupts.is_empty())
}

/// Whether something of a unit is restarted.
fn restarts(plan: &Plan, unit: &Disruption) -> bool {
    let restarts = |step: &&Step| matches!(step.action, Action::RestartUnit { .. });
    plan.steps.iter().filter(restarts).any(|step| step.unit.as_ref() == Some(unit))
}

/// What the restarts of a main's unit take up is written within that unit: else a power cut in between would start it
/// everywhere at once. What only the node that it is as well takes up may be written with that one's restarts.
pub(super) fn check_gathered(plan: &Plan, findings: &mut Findings) {
    let is_restart = |step: &&Step| matches!(step.action, Action::RestartUnit { .. });
    let units = plan.steps.iter().filter(is_restart).filter_map(|step| step.unit.as_ref());
    let mains: BTreeSet<&Disruption> = units.filter(|unit| unit.budget == Budget::Mains).collect();
    for step in &plan.steps {
        let gathered = matches!(step.action, Action::WriteFiles { .. } | Action::IssueCertificates { .. });
        let unit = step.subject.node().map(|node| Disruption { node: node.clone(), budget: Budget::Mains });
        let of_node =
            step.id.as_str().ends_with("/node-files") && step.unit.as_ref().is_some_and(|of| restarts(plan, of));
        if gathered && !of_node && unit.is_some_and(|unit| mains.contains(&unit) && step.unit.as_ref() != Some(&unit)) {
            findings.add(Rule::Unit, &step.id, "is taken up by restarts of a unit that it does not belong to");
        }
    }
}

fn watch(step: &Step, findings: &mut Findings) {
    let node = step.subject.node();
    let right = match (table::awaited(&step.action), &step.watch) {
        (Awaited::Nothing, watch) => watch.is_none(),
        (_, None) => false,
        (Awaited::Machine, Some(check)) => matches!(check, Check::MachineUp { .. }),
        (Awaited::Voter, Some(check)) => matches!(check, Check::EtcdHealthy { .. }),
        (Awaited::Unit(unit), Some(check)) => table::tells_of(check, unit),
    };
    let there = step.watch.as_ref().is_none_or(|check| Some(table::place(check)) == node);
    if !right {
        findings.add(Rule::Watch, &step.id, "is not awaited by what tells that it is done");
    } else if !there {
        findings.add(Rule::Watch, &step.id, "is awaited on another node");
    }
}

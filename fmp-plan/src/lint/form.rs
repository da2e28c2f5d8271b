//! The plan's lists: in order, nothing twice, with words where words belong.

use super::{Findings, Rule};
use crate::{Plan, plan::FORMAT};

pub(super) fn check(plan: &Plan, findings: &mut Findings) {
    if plan.format != FORMAT {
        findings.add(Rule::Format, "format", format!("it is {}, this version carries out {FORMAT}", plan.format));
    }
    for pair in plan.steps.windows(2).filter(|pair| pair[0].id >= pair[1].id) {
        findings.add(Rule::StepOrder, &pair[1].id, format!("it stands after {}", pair[0].id));
    }
    for step in &plan.steps {
        for pair in step.after.windows(2).filter(|pair| pair[0] >= pair[1]) {
            findings.add(Rule::AfterOrder, &step.id, format!("waits for {} after {}", pair[1], pair[0]));
        }
        if step.reason.trim().is_empty() {
            findings.add(Rule::Reason, &step.id, "does not say why");
        }
    }
    let changes: Vec<&str> = plan.changes.iter().map(|change| change.id.as_str()).collect();
    in_order(&changes, Rule::Changes, findings);
    // A host that says nothing comes before what waits for it.
    let (waiting, hosts): (Vec<&str>, Vec<&str>) =
        plan.waiting.iter().map(|item| item.what.as_str()).partition(|what| what.contains('/'));
    in_order(&hosts, Rule::Waiting, findings);
    in_order(&waiting, Rule::Waiting, findings);
    if plan.waiting.iter().skip(hosts.len()).any(|item| !item.what.contains('/')) {
        findings.add(Rule::Waiting, "waiting", "a whole host stands after what is on hosts");
    }
    for item in plan.waiting.iter().filter(|item| item.until.trim().is_empty()) {
        findings.add(Rule::Waiting, &item.what, "does not say what it waits for");
    }
    for pair in plan.basis.facts.windows(2).filter(|pair| pair[0].key >= pair[1].key) {
        findings.add(Rule::Basis, &pair[1].key, format!("it stands after {}", pair[0].key));
    }
}

fn in_order(ids: &[&str], rule: Rule, findings: &mut Findings) {
    for pair in ids.windows(2).filter(|pair| place(pair[0]) >= place(pair[1])) {
        findings.add(rule, pair[1], format!("it stands after {}", pair[0]));
    }
}

/// Where an id stands among others: the cluster's first, then node by node.
fn place(id: &str) -> (bool, &str, &str) {
    let (scope, own) = id.split_once('/').unwrap_or((id, ""));
    (scope != "cluster", scope, own)
}

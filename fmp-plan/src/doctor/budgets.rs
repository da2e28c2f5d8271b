//! Disruption budgets that let no pod go: whoever empties a node waits for them.

use fmp_core::{
    Severity, check,
    observed::{BudgetSeen, Fact},
};

use super::{Ailment, Fix, Kind, Patient};

/// Budgets that are named.
const NAMED: usize = 5;

/// Those that never let one go, and those that don't because pods are not healthy.
pub(super) fn ailments(patient: &Patient<'_>) -> Vec<Ailment> {
    let health = patient.observed.api.known().and_then(|api| api.health.as_ref());
    let Some(Fact::Known(budgets)) = health.map(|health| &health.budgets) else { return Vec::new() };
    let (never, now): (Vec<&BudgetSeen>, Vec<&BudgetSeen>) =
        budgets.iter().partition(|budget| budget.healthy >= budget.pods);
    let never = (!never.is_empty()).then(|| {
        ailment(
            &never,
            "let no pod go, although all are healthy",
            "they ask for as many healthy pods as there are, so that no node with one of them can be emptied",
            "run one pod more, or ask for one less (`minAvailable`, `maxUnavailable`)",
        )
    });
    let now = (!now.is_empty()).then(|| {
        ailment(
            &now,
            "let no pod go, since too few are healthy",
            "pods that they protect do not run: the pods themselves say why",
            "`fmp kubectl -- get pods --all-namespaces` says which; nodes with the healthy ones can't be emptied until then",
        )
    });
    never.into_iter().chain(now).collect()
}

fn ailment(budgets: &[&BudgetSeen], what: &str, cause: &str, fix: &str) -> Ailment {
    let told = |budget: &&BudgetSeen| {
        let BudgetSeen { namespace, name, pods, healthy, needed } = budget;
        format!("{namespace}/{name}: {healthy} of {pods} pods are healthy, {needed} must be")
    };
    let mut evidence: Vec<String> = budgets.iter().take(NAMED).map(told).collect();
    evidence.extend((budgets.len() > NAMED).then(|| format!("and {} more", budgets.len() - NAMED)));
    Ailment {
        subject: check::CLUSTER.to_owned(),
        kind: Kind::EvictionBlocked,
        severity: Severity::Warning,
        what: format!("{} disruption budgets {what}", budgets.len()),
        evidence,
        cause: cause.to_owned(),
        fix: Fix::Hand(fix.to_owned()),
    }
}

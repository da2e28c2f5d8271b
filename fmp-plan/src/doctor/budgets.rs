//! Disruption budgets that let no pod go: whoever empties a node waits for them.

use fmp_core::{
    Severity, check,
    observed::{BudgetSeen, BudgetsSeen, Fact, TightBudgets},
};

use super::{Ailment, Fix, Kind, Patient};

/// Those that never let one go, and those that don't because pods are not healthy.
pub(super) fn ailments(patient: &Patient<'_>) -> Vec<Ailment> {
    let health = patient.observed.api.known().and_then(|api| api.health.as_ref());
    let Some(Fact::Known(TightBudgets { never, now })) = health.map(|health| &health.budgets) else {
        return Vec::new();
    };
    let never = (never.count > 0).then(|| {
        ailment(
            never,
            "no pod go, although all are healthy",
            "they ask for as many healthy pods as there are, so that no node with one of them can be emptied",
            "run one pod more, or ask for one less (`minAvailable`, `maxUnavailable`)",
        )
    });
    let now = (now.count > 0).then(|| {
        ailment(
            now,
            "no pod go, since too few are healthy",
            "pods that they protect do not run: the pods themselves say why",
            "`fmp kubectl -- get pods --all-namespaces` says which; nodes with the healthy ones can't be emptied until then",
        )
    });
    never.into_iter().chain(now).collect()
}

fn ailment(budgets: &BudgetsSeen, what: &str, cause: &str, fix: &str) -> Ailment {
    let told = |budget: &BudgetSeen| {
        let BudgetSeen { namespace, name, pods, healthy, needed } = budget;
        format!("{namespace}/{name}: {healthy} of {pods} pods are healthy, {needed} must be")
    };
    let BudgetsSeen { count, first } = budgets;
    let mut evidence: Vec<String> = first.iter().map(told).collect();
    evidence.extend((*count > first.len()).then(|| format!("and {} more", count - first.len())));
    let who =
        if *count == 1 { "1 disruption budget lets".to_owned() } else { format!("{count} disruption budgets let") };
    Ailment {
        subject: check::CLUSTER.to_owned(),
        kind: Kind::EvictionBlocked,
        severity: Severity::Warning,
        what: format!("{who} {what}"),
        evidence,
        cause: cause.to_owned(),
        fix: Fix::Hand(fix.to_owned()),
    }
}

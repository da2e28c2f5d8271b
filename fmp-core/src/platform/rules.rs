//! What must stand in a database's objects so that the loss of one node takes one copy at most.
//!
//! A workload of Kubernetes' own kinds is read. Of one that an operator makes pods for (a cluster of `StackGres`, say) only the
//! operator knows what its pods will say, so that is told instead.

use super::DatabaseSet;
use crate::{manifest, resource::Object, tree::Tree};

/// Labels of nodes that differ from node to node.
const HOSTNAME: &str = "kubernetes.io/hostname";

/// What is weak about a database, and what to do about it.
pub(super) fn weaknesses(name: &str, set: &DatabaseSet) -> Vec<(String, String)> {
    let Some(workload) = set.objects.iter().find(|object| object.key == set.workload) else { return Vec::new() };
    let key = &set.workload;
    if manifest::is_foreign(workload.kind()) {
        let what =
            format!("database {name}: whether copies of {key} stand on different nodes is its operator's to say");
        let fix = format!("`fmp kubectl -- get pods -o wide -n {}` shows it once they run", space(workload));
        return vec![(what, fix)];
    }
    let tree = workload.tree();
    let mut found = Vec::new();
    let replicas = tree.at(["spec", "replicas"]).and_then(whole).unwrap_or(1);
    if replicas < i64::from(set.copies) {
        let copies = set.copies;
        found.push((
            format!("database {name}: {key} has {replicas} replicas, and the archive speaks of {copies} copies"),
            "ask whoever made the archive".to_owned(),
        ));
    }
    if !is_apart(&tree) {
        found.push((
            format!("database {name}: two pods of {key} may stand on one node, and both be lost with it"),
            format!("ask whoever made the archive for a required podAntiAffinity by {HOSTNAME} in {key}"),
        ));
    }
    found.extend(budget(name, set, &tree));
    found
}

/// Whether a budget keeps evictions from taking the quorum of the workload's pods.
fn budget(name: &str, set: &DatabaseSet, workload: &Tree) -> Option<(String, String)> {
    let labels = workload.at(["spec", "template", "metadata", "labels"]);
    let budgets = set.objects.iter().filter(|object| object.kind() == "PodDisruptionBudget").map(Object::tree);
    let mut covering = budgets.filter(|budget| selects(budget.at(["spec", "selector"]), labels)).peekable();
    let fix = |what: &str| format!("ask whoever made the archive for {what}");
    if covering.peek().is_none() {
        let message = format!(
            "database {name}: no PodDisruptionBudget covers the pods of {}, so evictions may take all of them at once",
            set.workload
        );
        return Some((message, fix("a PodDisruptionBudget with `maxUnavailable: 1`")));
    }
    let quorum = set.voters / 2 + 1;
    let keeps = |budget: &Tree| {
        let figure = |key: &str| budget.at(["spec", key]).and_then(whole);
        figure("maxUnavailable").is_some_and(|most| most <= i64::from(set.copies.saturating_sub(quorum)))
            || figure("minAvailable").is_some_and(|least| least >= i64::from(quorum))
    };
    if covering.any(|budget| keeps(&budget)) {
        return None;
    }
    let message = format!(
        "database {name}: its PodDisruptionBudget lets evictions take so many pods that fewer than {quorum} of {} voters stay",
        set.voters
    );
    Some((message, fix("a PodDisruptionBudget with `maxUnavailable: 1`")))
}

/// Whether no two pods of a workload can stand on one node.
fn is_apart(workload: &Tree) -> bool {
    let pod = |keys: &[&'static str]| {
        let path = ["spec", "template", "spec"].into_iter().chain(keys.iter().copied());
        workload.at(path).and_then(Tree::list).unwrap_or_default()
    };
    let labels = workload.at(["spec", "template", "metadata", "labels"]);
    let is_of = |term: &Tree, key: &str| term.get(key).and_then(Tree::text) == Some(HOSTNAME);
    let required = pod(&["affinity", "podAntiAffinity", "requiredDuringSchedulingIgnoredDuringExecution"]);
    let anti = required.iter().any(|term| is_of(term, "topologyKey") && selects(term.get("labelSelector"), labels));
    let spread = pod(&["topologySpreadConstraints"]).iter().any(|term| {
        is_of(term, "topologyKey")
            && selects(term.get("labelSelector"), labels)
            && term.get("whenUnsatisfiable").and_then(Tree::text) == Some("DoNotSchedule")
            && term.get("maxSkew").and_then(whole) == Some(1)
    });
    anti || spread
}

/// Whether a selector by labels (its `matchLabels`) takes what carries `labels`. One with expressions is not understood, and
/// so takes nothing: better a finding too many.
fn selects(selector: Option<&Tree>, labels: Option<&Tree>) -> bool {
    let (Some(selector), Some(labels)) = (selector, labels) else { return false };
    let wanted = selector.get("matchLabels").and_then(Tree::map);
    let plain = selector.get("matchExpressions").and_then(Tree::list).is_none_or(<[Tree]>::is_empty);
    plain
        && wanted.is_some_and(|wanted| {
            !wanted.is_empty() && wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
        })
}

fn whole(tree: &Tree) -> Option<i64> {
    match tree {
        Tree::Whole(number) => Some(*number),
        Tree::Null | Tree::Bool(_) | Tree::Fraction(_) | Tree::Text(_) | Tree::List(_) | Tree::Map(_) => None,
    }
}

fn space(object: &Object) -> &str {
    object.namespace().unwrap_or("default")
}

//! Pods by the budget that protects them: which budget that is, its selector says.

use std::collections::BTreeMap;

use fmp_core::observed::{Fact, PodSet};
use serde::Deserialize;

use super::{Answers, Unanswered, api::PORT};
use crate::transport::quote;

/// Labels come last: they are JSON, without the sign that divides.
const PODS: &str = r#"jsonpath={range .items[*]}{.metadata.namespace}|{.spec.nodeName}|{.status.phase}|{.status.conditions[?(@.type=="Ready")].status}|{.metadata.ownerReferences[*].kind}|{.metadata.labels}{"\n"}{end}"#;

const BUDGETS: &str =
    r#"jsonpath={range .items[*]}{.metadata.namespace}|{.status.desiredHealthy}|{.spec.selector}{"\n"}{end}"#;

/// Owners whose pods end with their node, and are never evicted: a daemon set's, and static ones.
const OF_A_NODE: [&str; 2] = ["DaemonSet", "Node"];

/// Lines for the probe.
pub(super) fn questions() -> String {
    let get = |name: &str, what: &str, words: &str| {
        format!("api {name} 127.0.0.1:{PORT} get {what} --all-namespaces -o {}\n", quote(words))
    };
    get("workload-pods", "pods", PODS) + &get("workload-budgets", "poddisruptionbudgets.policy", BUDGETS)
}

/// Reads the answers: a set for each budget that protects any, in the API's order, then all that none does.
pub(super) fn read(answers: &Answers) -> Fact<Vec<PodSet>> {
    let (pods, budgets) = match (answers.get("workload-pods"), answers.get("workload-budgets")) {
        (Ok(pods), Ok(budgets)) => (pods, budgets),
        (Err(Unanswered { why, .. }), _) | (_, Err(Unanswered { why, .. })) => return Fact::Unknown(why),
    };
    Fact::Known(sets(pods, budgets))
}

fn sets(pods: &str, budgets: &str) -> Vec<PodSet> {
    let budgets: Vec<Budget> = budgets.lines().filter_map(Budget::read).collect();
    let of = |needed| PodSet { needed, ..PodSet::default() };
    let mut sets: Vec<PodSet> = budgets.iter().map(|budget| of(budget.needed)).chain([of(0)]).collect();
    for pod in pods.lines().filter_map(Pod::read) {
        let at = budgets.iter().position(|budget| budget.protects(&pod)).unwrap_or(budgets.len());
        pod.join(&mut sets[at]);
    }
    sets.retain(|set| set.unbound > 0 || !(set.ready.is_empty() && set.unready.is_empty()));
    sets
}

struct Pod<'a> {
    namespace: &'a str,
    node: &'a str,
    ready: bool,
    labels: BTreeMap<String, String>,
}

impl<'a> Pod<'a> {
    /// One that may be evicted: it has not ended, and is not a node's own.
    fn read(line: &'a str) -> Option<Self> {
        let [namespace, node, phase, ready, owners, labels] = line.splitn(6, '|').collect::<Vec<_>>()[..] else {
            return None;
        };
        let has_ended = matches!(phase, "Succeeded" | "Failed");
        let is_of_a_node = owners.split_whitespace().any(|owner| OF_A_NODE.contains(&owner));
        let labels = serde_json::from_str(labels).unwrap_or_default();
        (!has_ended && !is_of_a_node).then_some(Self { namespace, node, ready: ready == "True", labels })
    }

    fn join(&self, set: &mut PodSet) {
        let at = |counts: &mut BTreeMap<String, u32>| *counts.entry(self.node.to_owned()).or_default() += 1;
        match (self.node, self.ready) {
            ("", _) => set.unbound += 1,
            (_, true) => at(&mut set.ready),
            (_, false) => at(&mut set.unready),
        }
    }
}

struct Budget<'a> {
    namespace: &'a str,
    needed: u32,
    selector: Option<Selector>,
}

impl<'a> Budget<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let [namespace, needed, selector] = line.splitn(3, '|').collect::<Vec<_>>()[..] else { return None };
        // A figure of zero may be left out.
        Some(Self { namespace, needed: needed.parse().unwrap_or(0), selector: serde_json::from_str(selector).ok() })
    }

    fn protects(&self, pod: &Pod<'_>) -> bool {
        self.namespace == pod.namespace && self.selector.as_ref().is_some_and(|selector| selector.matches(&pod.labels))
    }
}

/// A label selector. An empty one matches every pod (policy/v1).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Selector {
    #[serde(default)]
    match_labels: BTreeMap<String, String>,
    #[serde(default)]
    match_expressions: Vec<Expression>,
}

#[derive(Deserialize)]
struct Expression {
    key: String,
    operator: Operator,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Deserialize)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

impl Selector {
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|expression| expression.matches(labels.get(&expression.key)))
    }
}

impl Expression {
    fn matches(&self, value: Option<&String>) -> bool {
        match self.operator {
            Operator::In => value.is_some_and(|value| self.values.contains(value)),
            Operator::NotIn => value.is_none_or(|value| !self.values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PODS: &str = "shop|work-1|Running|True|ReplicaSet|{\"app\":\"web\",\"tier\":\"front\"}\n\
                        shop|work-2|Running|False|ReplicaSet|{\"app\":\"web\"}\n\
                        shop||Pending||ReplicaSet|{\"app\":\"web\"}\n\
                        shop|work-2|Succeeded|False|Job|{\"app\":\"web\"}\n\
                        shop|work-2|Running|True|DaemonSet|{\"app\":\"web\"}\n\
                        other|work-2|Running|True|ReplicaSet|{\"app\":\"web\"}\n\
                        other|work-2|Running|True|StatefulSet|\n";

    fn on(node: &str, pods: u32) -> BTreeMap<String, u32> {
        [(node.to_owned(), pods)].into()
    }

    #[test]
    fn pods_are_counted_by_the_budget_that_protects_them() {
        let budgets = "shop|1|{\"matchLabels\":{\"app\":\"web\"}}\nshop|1|{\"matchLabels\":{\"app\":\"else\"}}\n";
        let found = sets(PODS, budgets);
        let web = PodSet { needed: 1, ready: on("work-1", 1), unready: on("work-2", 1), unbound: 1 };
        let rest = PodSet { ready: on("work-2", 2), ..PodSet::default() };
        assert_eq!(found, [web, rest]);
    }

    #[test]
    fn nothing_runs_where_no_pod_is() {
        assert_eq!(sets("", "shop|1|{}\n"), []);
    }

    /// How many pods of the namespace `shop` a selector matches.
    #[track_caller]
    fn check(selector: &str, matches: u32) {
        let set = sets(PODS, &format!("shop|7|{selector}\n")).into_iter().find(|set| set.needed == 7);
        let count = |set: PodSet| set.unbound + set.ready.values().chain(set.unready.values()).sum::<u32>();
        assert_eq!(set.map_or(0, count), matches, "{selector}");
    }

    #[test]
    fn a_selector_says_which_pods_are_meant() {
        let by = |expression: &str| format!("{{\"matchExpressions\":[{{\"key\":\"tier\",{expression}}}]}}");
        check("{}", 3);
        check("", 0);
        check(&by("\"operator\":\"In\",\"values\":[\"front\",\"back\"]"), 1);
        check(&by("\"operator\":\"NotIn\",\"values\":[\"front\"]"), 2);
        check(&by("\"operator\":\"Exists\""), 1);
        check(&by("\"operator\":\"DoesNotExist\""), 2);
    }
}

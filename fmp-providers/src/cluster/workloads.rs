//! Pods by the budget that protects them: which budget that is, its selector says.

use std::collections::BTreeMap;

use fmp_core::observed::{Fact, PodSet};
use serde::Deserialize;

use super::{Answers, Unanswered, api::get};

/// Labels come last: they are JSON, without the sign that divides.
const PODS: &str = r#"jsonpath={range .items[*]}{.metadata.namespace}|{.spec.nodeName}|{.status.phase}|{.status.conditions[?(@.type=="Ready")].status}|{.metadata.ownerReferences[*].kind}|{.metadata.labels}{"\n"}{end}"#;

const BUDGETS: &str =
    r#"jsonpath={range .items[*]}{.metadata.namespace}|{.status.desiredHealthy}|{.spec.selector}{"\n"}{end}"#;

/// Owners whose pods end with their node, and are never evicted: a daemon set's, and static ones.
const OF_A_NODE: [&str; 2] = ["DaemonSet", "Node"];

/// Lines for the probe.
pub(super) fn questions() -> String {
    get("workload-pods", "pods --all-namespaces", PODS)
        + &get("workload-budgets", "poddisruptionbudgets.policy --all-namespaces", BUDGETS)
}

/// Reads the answers: a set for each budget that protects any, then those that can't go, then all that no budget protects.
pub(super) fn read(answers: &Answers) -> Fact<Vec<PodSet>> {
    let (pods, budgets) = match (answers.get("workload-pods"), answers.get("workload-budgets")) {
        (Ok(pods), Ok(budgets)) => (pods, budgets),
        (Err(Unanswered { why, .. }), _) | (_, Err(Unanswered { why, .. })) => return Fact::Unknown(why),
    };
    match sets(pods, budgets) {
        Some(sets) => Fact::Known(sets),
        None => Fact::Unknown("pods and budgets were told in words that nobody understands".to_owned()),
    }
}

fn sets(pods: &str, budgets: &str) -> Option<Vec<PodSet>> {
    let budgets: Vec<Budget> = budgets.lines().map(Budget::read).collect::<Option<_>>()?;
    let of = |needed| PodSet { needed, ..PodSet::default() };
    let mut sets: Vec<PodSet> = budgets.iter().map(|budget| of(budget.needed.unwrap_or(0))).collect();
    let (mut stay, mut free) = (of(0), of(0));
    for pod in pods.lines().map(Pod::read).collect::<Option<Vec<_>>>()?.iter().filter(|pod| pod.may_be_evicted) {
        let mut own = budgets.iter().zip(&mut sets).filter(|(budget, _)| budget.protects(pod));
        match (own.next(), own.next()) {
            (None, _) => pod.join(&mut free),
            (Some((Budget { needed: Some(_), .. }, set)), None) => pod.join(set),
            // The API evicts nothing that two budgets protect, and nothing that one does which nobody counted yet.
            (Some(_), _) => pod.join(&mut stay),
        }
    }
    stay.needed = stay.unbound + stay.ready.values().chain(stay.unready.values()).sum::<u32>();
    sets.extend([stay, free]);
    sets.retain(|set| set.unbound > 0 || !(set.ready.is_empty() && set.unready.is_empty()));
    Some(sets)
}

struct Pod<'a> {
    namespace: &'a str,
    node: &'a str,
    ready: bool,
    /// It has not ended, and is not its node's own.
    may_be_evicted: bool,
    labels: BTreeMap<String, String>,
}

impl<'a> Pod<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let [namespace, node, phase, ready, owners, labels] = line.splitn(6, '|').collect::<Vec<_>>()[..] else {
            return None;
        };
        let has_ended = matches!(phase, "Succeeded" | "Failed");
        let is_of_a_node = owners.split_whitespace().any(|owner| OF_A_NODE.contains(&owner));
        let labels = if labels.is_empty() { BTreeMap::new() } else { serde_json::from_str(labels).ok()? };
        let may_be_evicted = !has_ended && !is_of_a_node;
        Some(Self { namespace, node, ready: ready == "True", may_be_evicted, labels })
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
    /// None: nobody counted its pods yet.
    needed: Option<u32>,
    selector: Option<Selector>,
}

impl<'a> Budget<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let [namespace, needed, selector] = line.splitn(3, '|').collect::<Vec<_>>()[..] else { return None };
        let needed = if needed.is_empty() { None } else { Some(needed.parse().ok()?) };
        let selector = if selector.is_empty() { None } else { Some(serde_json::from_str(selector).ok()?) };
        Some(Self { namespace, needed, selector })
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
        let found = sets(PODS, budgets).unwrap();
        let web = PodSet { needed: 1, ready: on("work-1", 1), unready: on("work-2", 1), unbound: 1 };
        let rest = PodSet { ready: on("work-2", 2), ..PodSet::default() };
        assert_eq!(found, [web, rest]);
    }

    #[test]
    fn nothing_runs_where_no_pod_is() {
        assert_eq!(sets("", "shop|1|{}\n").unwrap(), []);
    }

    #[test]
    fn what_two_budgets_protect_or_one_that_nobody_counted_stays() {
        let all = "{\"matchLabels\":{\"app\":\"web\"}}";
        for budgets in [format!("shop|1|{all}\nshop|1|{{}}\n"), format!("shop||{all}\n")] {
            let found = sets(PODS, &budgets).unwrap();
            assert_eq!((found[0].needed, found[0].unbound, &found[0].ready), (3, 1, &on("work-1", 1)), "{budgets}");
        }
    }

    #[test]
    fn what_nobody_understands_is_not_taken_for_nothing() {
        assert_eq!(sets("garbled\n", ""), None);
        assert_eq!(sets("shop|work-1|Running|True|ReplicaSet|map[app:web]\n", ""), None);
        assert_eq!(sets(PODS, "shop|1|map[matchLabels:map[app:web]]\n"), None);
    }

    /// How many pods of the namespace `shop` a selector matches.
    #[track_caller]
    fn check(selector: &str, matches: u32) {
        let set = sets(PODS, &format!("shop|7|{selector}\n")).unwrap().into_iter().find(|set| set.needed == 7);
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

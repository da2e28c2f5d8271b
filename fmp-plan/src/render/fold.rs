//! Nodes that do the same are told once.

use std::collections::{BTreeMap, BTreeSet};

use fmp_core::NodeName;

/// Three make a crowd: below that, each node tells its own.
const CROWD: usize = 3;

/// Stands for the node's name in lines that are compared.
pub(super) const NODE: &str = "<node>";

/// Some nodes and what each of them does: the lines of each item, with the node's own name written as [`NODE`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) nodes: Vec<NodeName>,
    items: Vec<Vec<String>>,
}

/// Puts equal items of at least three nodes together; what is left stays with its node. In order of nodes, the larger
/// group first.
pub(super) fn fold(told: &BTreeMap<NodeName, Vec<Vec<String>>>) -> Vec<Group> {
    let mut who: BTreeMap<&Vec<String>, BTreeSet<&NodeName>> = BTreeMap::new();
    for (node, items) in told {
        for item in items {
            who.entry(item).or_default().insert(node);
        }
    }
    let mut groups: BTreeMap<Vec<NodeName>, Vec<Vec<String>>> = BTreeMap::new();
    for (node, items) in told {
        for item in items {
            let crowd = &who[item];
            if crowd.len() < CROWD {
                groups.entry(vec![node.clone()]).or_default().push(item.clone());
            } else if crowd.first() == Some(&node) {
                let nodes = crowd.iter().map(|node| (*node).clone()).collect();
                groups.entry(nodes).or_default().push(item.clone());
            }
        }
    }
    let mut groups: Vec<Group> = groups.into_iter().map(|(nodes, items)| Group { nodes, items }).collect();
    groups.sort_by(|a, b| (&a.nodes[0], b.nodes.len(), &a.nodes).cmp(&(&b.nodes[0], a.nodes.len(), &b.nodes)));
    groups
}

impl Group {
    /// Who this is about, as a line of its own: `work-1`, or `4 nodes alike: work-1 work-2 work-3 work-4`.
    pub(super) fn heading(&self) -> String {
        match self.nodes.as_slice() {
            [only] => only.to_string(),
            nodes => {
                let names: Vec<_> = nodes.iter().map(NodeName::as_str).collect();
                format!("{} nodes alike: {}", nodes.len(), names.join(" "))
            }
        }
    }

    /// The lines, with the name put back where there is only one.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        let name = match self.nodes.as_slice() {
            [only] => Some(only.as_str()),
            _ => None,
        };
        let lines = self.items.iter().flatten();
        lines.map(move |line| name.map_or_else(|| line.clone(), |name| line.replace(NODE, name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(told: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
        let items = |items: &[&str]| items.iter().map(|item| vec![(*item).to_owned()]).collect();
        let told = told.iter().map(|(node, lines)| (node.parse().unwrap(), items(lines))).collect();
        fold(&told).iter().map(|group| (group.heading(), group.lines().collect())).collect()
    }

    #[test]
    fn three_nodes_alike_are_told_once() {
        let all = folded(&[("a", &["x <node>"]), ("b", &["x <node>"]), ("c", &["x <node>"])]);
        assert_eq!(all, [("3 nodes alike: a b c".to_owned(), vec!["x <node>".to_owned()])]);
    }

    #[test]
    fn two_nodes_alike_tell_their_own() {
        let all = folded(&[("a", &["x <node>"]), ("b", &["x <node>"])]);
        assert_eq!(all, [("a".to_owned(), vec!["x a".to_owned()]), ("b".to_owned(), vec!["x b".to_owned()])]);
    }

    #[test]
    fn what_one_of_them_does_besides_stays_with_it() {
        let all = folded(&[("a", &["x", "y"]), ("b", &["x"]), ("c", &["x"])]);
        assert_eq!(all[0].0, "3 nodes alike: a b c");
        assert_eq!(all[1], ("a".to_owned(), vec!["y".to_owned()]));
    }
}

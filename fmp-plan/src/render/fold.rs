//! Nodes that do the same are told once.

use std::collections::BTreeMap;

use fmp_core::NodeName;

/// Three make a crowd: below that, each node tells its own.
const CROWD: usize = 3;

/// Some nodes and the lines that each of them has, with the node's own name written as [`NODE`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) nodes: Vec<NodeName>,
    pub(super) lines: Vec<String>,
}

/// Stands for the node's name in lines that are compared.
pub(super) const NODE: &str = "<node>";

/// Puts nodes with equal lines together, in order of their first node.
pub(super) fn fold(lines: BTreeMap<NodeName, Vec<String>>) -> Vec<Group> {
    let mut groups: BTreeMap<Vec<String>, Vec<NodeName>> = BTreeMap::new();
    for (node, lines) in lines {
        groups.entry(lines).or_default().push(node);
    }
    let mut folded = Vec::new();
    for (lines, nodes) in groups {
        if nodes.len() >= CROWD {
            folded.push(Group { nodes, lines });
        } else {
            folded.extend(nodes.into_iter().map(|node| Group { nodes: vec![node], lines: lines.clone() }));
        }
    }
    folded.sort_by(|a, b| a.nodes.cmp(&b.nodes));
    folded
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
        self.lines.iter().map(move |line| name.map_or_else(|| line.clone(), |name| line.replace(NODE, name)))
    }
}

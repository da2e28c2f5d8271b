//! The plan's steps as a picture for Graphviz.

use std::fmt::Write as _;

use crate::Plan;

/// A digraph: an arrow from each step to those that come after it.
pub fn dot(plan: &Plan) -> String {
    let mut out = String::from("digraph plan {\n  rankdir=LR;\n  node [shape=box, fontname=monospace];\n");
    for step in &plan.steps {
        let shape = if step.disrupts.is_empty() { "" } else { ", style=bold" };
        _ = writeln!(out, "  {:?} [label={:?}{shape}];", step.id.as_str(), step.id.as_str());
        for earlier in &step.after {
            _ = writeln!(out, "  {:?} -> {:?};", earlier.as_str(), step.id.as_str());
        }
    }
    out.push_str("}\n");
    out
}

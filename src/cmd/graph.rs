//! `fmp graph`: everything that is wanted, as a picture.

use std::fmt::Write as _;

use fmp_core::{graph::Desired, role};
use miette::miette;

use crate::{cli::Places, exit::Exit, output, session::Session};

/// Prints the graph for Graphviz.
pub(crate) fn run(places: &Places) -> miette::Result<Exit> {
    let session = Session::open(places)?;
    let desired = role::questions_graph(&session.spec, &session.lock).map_err(|error| miette!("{error}"))?;
    output::print(&dot(&desired));
    Ok(Exit::Fine)
}

/// An arrow from each resource to those that need it.
fn dot(desired: &Desired) -> String {
    let mut out = String::from("digraph cluster {\n  rankdir=LR;\n  node [shape=box, fontname=monospace];\n");
    for (handle, id, _) in desired.iter() {
        let id = id.to_string();
        _ = writeln!(out, "  {id:?};");
        for needed in desired.dependencies(handle) {
            _ = writeln!(out, "  {:?} -> {id:?};", desired.id(*needed).to_string());
        }
    }
    out.push_str("}\n");
    out
}

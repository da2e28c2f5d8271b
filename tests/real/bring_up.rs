//! From nothing to seven Ready nodes by one command; the second time there is nothing to do.

use crate::lab::{Lab, everyone};

pub(crate) fn run(lab: &Lab) {
    lab.fmp(&["plan"]).exits(2);
    lab.fmp(&["apply", "--yes"]).exits(0).says(&["in sync after"]);
    let nodes = lab.nodes_by_fmp();
    assert_eq!(nodes.keys().map(String::as_str).collect::<Vec<_>>(), everyone().collect::<Vec<_>>());
    for (name, node) in &nodes {
        assert!(node.ready && node.version == "v1.29.15", "{name}: {node:?}");
    }
    lab.fmp(&["apply", "--yes"]).exits(0).says(&["in sync: nothing to do"]);
    lab.fmp(&["plan"]).exits(0).says(&["in sync: nothing to do"]);
    lab.fmp(&["plan", "--format", "json"]).exits(0);
    lab.fmp(&["status"]).exits(0);
}

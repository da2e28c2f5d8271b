//! A plan's file: refused where a fact that it names has changed, and where it is not what was written.

use std::fs;

use crate::{
    drift::{EDIT, FILE, MAIN, invocation},
    lab::Lab,
};

/// A file of a work node that no unit reads.
const UNRELATED: &str = "/etc/crictl.yaml";

pub(crate) fn run(lab: &Lab) {
    let path = lab.place("plan.json");
    let file = path.to_str().expect("the target directory has a name of UTF-8");
    lab.sh(MAIN, EDIT);
    lab.fmp(&["plan", "--out", file]).exits(2);
    refuses_what_is_no_plan(lab, &fs::read_to_string(&path).expect("the plan was written"));
    refuses_a_changed_fact(lab, file);
    accepts_what_still_holds(lab, file);
}

fn digest(lab: &Lab, node: &str, path: &str) -> String {
    lab.sh(node, &format!("sha256sum {path}"))
}

fn refuses_what_is_no_plan(lab: &Lab, plan: &str) {
    let before = (digest(lab, MAIN, FILE), invocation(lab, MAIN));
    let damaged = [
        ("cut.json", plan[..plan.len() / 2].to_owned(), "cut off"),
        ("edited.json", plan.replacen("maxage=30", "maxage=3650", 1), "edited"),
        ("newer.json", plan.replacen("\"format\": 1", "\"format\": 99", 1), "format 99"),
    ];
    for (name, text, word) in damaged {
        assert!(text != plan, "{name} is damaged");
        let path = lab.place(name);
        fs::write(&path, text).expect("the target directory can be written");
        let file = path.to_str().expect("the target directory has a name of UTF-8");
        lab.fmp(&["apply", file, "--yes"]).exits(1).says(&[name, word, "fmp plan --out"]);
        lab.fmp(&["show", file]).exits(1).says(&[name, word]);
    }
    assert_eq!((digest(lab, MAIN, FILE), invocation(lab, MAIN)), before, "something was touched");
}

fn refuses_a_changed_fact(lab: &Lab, file: &str) {
    lab.sh(MAIN, &format!("sed -i 's/maxage=31/maxage=32/' {FILE}"));
    let before = (digest(lab, MAIN, FILE), invocation(lab, MAIN));
    let refused = lab.fmp(&["apply", file, "--yes"]).exits(3);
    refused.says(&["the plan is stale; nothing was touched", &format!("{MAIN}: file {FILE} was `sha256:")]);
    assert_eq!((digest(lab, MAIN, FILE), invocation(lab, MAIN)), before, "something was touched");
}

/// The fact is again what the plan names; something else is another.
fn accepts_what_still_holds(lab: &Lab, file: &str) {
    lab.sh(MAIN, &format!("sed -i 's/maxage=32/maxage=31/' {FILE}"));
    lab.sh("work-1", &format!("echo '# by hand' >> {UNRELATED}"));
    let (edited, unrelated) = (digest(lab, MAIN, FILE), digest(lab, "work-1", UNRELATED));
    lab.fmp(&["apply", file, "--yes"]).exits(2).says(&["something is left", "work-1", UNRELATED]);
    assert_ne!(digest(lab, MAIN, FILE), edited, "what the plan names was done");
    assert_eq!(digest(lab, "work-1", UNRELATED), unrelated, "what it does not name was left alone");
    lab.fmp(&["apply", file, "--yes"]).exits(3).says(&["the plan is stale"]);
    lab.fmp(&["apply", "--yes"]).exits(0);
}

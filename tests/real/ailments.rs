//! What the doctor says of real machines that are ill, and that its way out heals them.

use crate::lab::{Lab, SOON, until};

pub(crate) fn run(lab: &Lab) {
    is_told(lab, "nothing is wrong");
    lab.sh("work-1", "systemctl stop fmp-balancer.service");
    lab.sh("main-2", "systemctl stop etcd.service");
    lab.kubectl(&["cordon", "work-3"]);
    lab.fmp(&["doctor"]).exits(1).says(&[
        "work-1: error: unit-down: fmp-balancer.service does not run",
        "main-2: error: unit-down: etcd.service does not run",
        "main-2: error: etcd-member: its member of etcd does not answer",
        "`fmp apply` does it: main-2/unit/etcd.service",
        "work-3: warning: cordoned",
    ]);
    lab.fmp(&["apply", "--yes"]).exits(0);
    // An apiserver whose member of etcd was away needs a moment to be ready again.
    is_told(lab, "somebody cordoned it");
    lab.kubectl(&["uncordon", "work-3"]);
    is_told(lab, "nothing is wrong");
}

/// Nothing is wrong that matters, and these words are said.
fn is_told(lab: &Lab, words: &str) {
    until(words, SOON, || {
        let ran = lab.fmp(&["doctor"]);
        if ran.code == Some(0) && ran.out.contains(words) { Ok(()) } else { Err(ran.out) }
    });
}

/// A machine without power, and what is gone with it.
pub(crate) fn knows_who_is_off(lab: &Lab, off: &str) {
    let told = [format!("{off}: error: machine-off"), format!("{off}: error: node-not-ready")];
    until("the doctor says why a node is not Ready", SOON, || {
        let ran = lab.fmp(&["doctor"]);
        let knows = ran.code == Some(1) && told.iter().all(|line| ran.out.contains(line));
        if knows { Ok(()) } else { Err(format!("{}{}", ran.out, ran.err)) }
    });
}

//! A host whose ledger names another cluster: nothing is touched, there or anywhere else.

use crate::lab::Lab;

const HOST: &str = "work-4";

/// Something else to do, which must not be done meanwhile.
const DRIFT: (&str, &str) = ("work-1", "/etc/crictl.yaml");

/// All that could be touched, on the foreign host and where there is something to do.
fn state(lab: &Lab) -> [String; 2] {
    let ledger = "find /var/lib/fmp /etc/fmp /etc/kubernetes /etc/systemd/system -type f ! -name epoch -exec sha256sum {} + | sort";
    [lab.sh(HOST, ledger), lab.sh(DRIFT.0, &format!("sha256sum {}", DRIFT.1))]
}

pub(crate) fn run(lab: &Lab) {
    lab.sh(DRIFT.0, &format!("echo '# by hand' >> {}", DRIFT.1));
    lab.sh(HOST, "cp -p /var/lib/fmp/cluster-id /run/own-id; tr 0-9a-f 1-9a-f0 </run/own-id >/var/lib/fmp/cluster-id");
    let other = lab.sh(HOST, "cat /var/lib/fmp/cluster-id");
    let before = state(lab);
    let names = [HOST, other.trim(), &format!("adopt {HOST}")];
    lab.fmp(&["plan"]).exits(3).says(&names);
    lab.fmp(&["apply", "--yes"]).exits(3).says(&names);
    let (_, plan) = lab.plan();
    assert!(plan.steps.is_empty() && plan.changes.is_empty(), "{plan:#?}");
    assert_eq!(state(lab), before, "something was touched");
    lab.sh(HOST, "cp -p /run/own-id /var/lib/fmp/cluster-id");
    lab.fmp(&["apply", "--yes"]).exits(0);
}

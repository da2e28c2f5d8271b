//! The end of a cluster on hosts that somebody else made: everything of ours goes, and nothing else does.

use std::{env, path::Path};

use fmp::planner::{Action, codec};

use crate::{
    lab::{Lab, MAINS, OWN_PROCESSES, WORKS, cluster, everyone},
    runner::say,
};

/// A host that belongs to somebody else by the time.
const OTHER: &str = "work-4";

/// A file that is not FMP's, in a folder where FMP has files of its own.
const THEIRS: &str = "/etc/kubernetes/theirs.conf";

pub(crate) fn run(lab: &Lab) {
    let file = lab.by_ssh("destroy.toml", |_, way| way);
    everyone().for_each(|node| _ = lab.sh(node, &format!("echo theirs >{THEIRS}")));
    lab.sh(OTHER, "cp -p /var/lib/fmp/cluster-id /run/own-id; tr 0-9a-f 1-9a-f0 </run/own-id >/var/lib/fmp/cluster-id");
    let before = state(lab);
    let refused = lab.nearby_fmp(&file, &["destroy", "--name", "another"]).exits(1);
    refused.says(&["nothing was touched"]);
    let ended = lab.nearby_fmp(&file, &["destroy", "--name", cluster()]).exits(1);
    ended.says(&[&format!("{OTHER}: left as it is"), "1 hosts were not cleaned", "main-1: cleaned"]);
    assert_eq!(state(lab), before, "a host of another cluster was touched");
    say("  a host of another cluster: left as it is");
    lab.sh(OTHER, "cp -p /run/own-id /var/lib/fmp/cluster-id");
    // The mains are clean already, and the one that was left is done all the same.
    lab.nearby_fmp(&file, &["destroy", "--name", cluster()]).exits(0);
    everyone().for_each(|node| bare(lab, node));
    say("  nothing of ours is left on seven hosts");
    the_plan_is_that_of_bare_hosts(lab, &file);
    if env::var_os("FMP_FULL").is_some() {
        lab.nearby_fmp(&file, &["apply", "--yes"]).exits(0);
        lab.nearby_fmp(&file, &["plan"]).exits(0);
        say("  and a cluster stands on them again");
    }
}

/// All that destroying could touch on the host that is somebody else's.
fn state(lab: &Lab) -> String {
    let files =
        "find /etc/fmp /etc/kubernetes /etc/systemd/system /opt/fmp /var/lib/fmp/ledger /var/lib/kubelet/pki -type f";
    let units =
        "systemctl show --property=Id,ActiveState,InvocationID,UnitFileState kubelet containerd fmp-balancer flanneld";
    lab.sh(OTHER, &format!("{files} -exec sha256sum {{}} + | sort; {units}"))
}

/// No file, no process, no unit, no link of ours; what was somebody else's is there.
fn bare(lab: &Lab, node: &str) {
    let files = "find /etc/fmp /opt/fmp /var/lib/fmp /var/lib/etcd/member /var/lib/kubelet /var/lib/containerd \
                 /run/fmp/stamp /etc/kubernetes -type f ! -path /var/lib/fmp/epoch 2>/dev/null || true";
    // The newest epoch stays: an older run is refused even now.
    lab.sh(node, "test -s /var/lib/fmp/epoch");
    assert_eq!(lab.sh(node, files).trim(), THEIRS, "{node}");
    assert_eq!(lab.sh(node, &format!("cat {THEIRS}")), "theirs\n", "{node}");
    // The one by which a machine of this computer has its address belongs to the machine.
    let units = "ls /etc/systemd/system /etc/systemd/system/*.wants | grep -E 'etcd|kube|containerd|flannel|fmp' | \
                 grep -vx fmp-machine.service || true";
    assert_eq!(lab.sh(node, units), "", "{node}: a unit of ours");
    assert_eq!(lab.sh(node, OWN_PROCESSES), "", "{node}: a process of ours");
    let failed = "systemctl list-units --all --plain --no-legend --state=failed";
    assert_eq!(lab.sh(node, failed), "", "{node}: a unit that failed");
    let links = "ip -o link show | grep -E 'cni0|flannel|veth' || true";
    assert_eq!(lab.sh(node, links), "", "{node}: a link of ours");
}

fn the_plan_is_that_of_bare_hosts(lab: &Lab, file: &Path) {
    everyone().for_each(|node| _ = lab.sh(node, &format!("rm {THEIRS}; rmdir /etc/kubernetes")));
    let ran = lab.nearby_fmp(file, &["plan", "--format", "json"]).exits(2);
    let plan = codec::read(&ran.out).expect("it is a plan");
    assert!(plan.waiting.is_empty(), "{:#?}", plan.waiting);
    let births = plan.steps.iter().filter(|step| matches!(step.action, Action::BootstrapEtcd { .. })).count();
    let kubelets = plan
        .steps
        .iter()
        .filter(|step| matches!(&step.action, Action::StartUnit { unit } if &**unit == "kubelet.service"));
    assert_eq!((births, kubelets.count()), (MAINS.len(), MAINS.len() + WORKS.len()));
}

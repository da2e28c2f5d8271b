//! Reboots one after the other, and the power of all machines at once: everything comes back without `fmp`, or with one
//! `fmp apply` where nobody switches the machines on.

use crate::{
    lab::{Lab, MAINS, SOON, everyone, now, until},
    runner::say,
    workload,
};

/// Every host, mains first: each is back before the next one goes.
pub(crate) fn reboots(lab: &Lab) {
    workload::deploy(lab);
    for node in everyone() {
        lab.sh(node, "touch /run/before-the-reboot; systemctl --no-block reboot");
        until("it boots", SOON, || lab.try_sh(node, "test ! -e /run/before-the-reboot").map(drop));
        let since = now();
        lab.ready_since(&since, &[node], MAINS.into_iter().find(|main| *main != node).expect("there are three"));
        if MAINS.contains(&node) {
            until("its etcd and its apiserver are back", SOON, || {
                let server = format!("https://{}:6443", lab.address(node));
                lab.try_sh(node, &format!("etcdctl endpoint health && kubectl --server={server} get --raw /readyz"))
                    .map(drop)
            });
        }
        say(&format!("  {node}: back by itself"));
    }
    lab.in_sync_by_itself();
    workload::all_ways(lab);
    lab.fmp(&["plan"]).exits(0);
}

/// All at once, in the middle of whatever they do.
pub(crate) fn cut(lab: &Lab) {
    workload::deploy(lab);
    let all: Vec<&str> = everyone().collect();
    lab.cut_power(&all);
    let since = now();
    lab.switch_on(&all);
    lab.ready_since(&since, &all, MAINS[0]);
    workload::all_ways(lab);
    lab.in_sync_by_itself();
    // Nobody switches them on but `fmp`, which has no main to hold its lease on before they answer.
    lab.cut_power(&all);
    lab.fmp(&["plan"]).exits(2).says(&["switch the machine on"]);
    let since = now();
    let applied = lab.fmp(&["apply", "--yes"]);
    say(&format!("  machines that were off: `fmp apply` ended with {:?}", applied.code));
    let done: Vec<String> = all.iter().map(|name| format!("{name}/machine done")).collect();
    _ = applied.says(&done.iter().map(String::as_str).collect::<Vec<_>>());
    // How much has come up by itself when it looks is a matter of moments.
    lab.settle();
    lab.ready_since(&since, &all, MAINS[0]);
    workload::all_ways(lab);
}

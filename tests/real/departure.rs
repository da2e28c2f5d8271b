//! A main that lives is replaced by another one: the new one gets its vote, then the old one leaves, and nobody misses it.

use crate::{
    lab::{Lab, OWN_PROCESSES, SOON, until},
    runner::say,
};

/// Who leaves. It leads etcd at that time.
const LEAVES: &str = "main-3";

/// Writes to etcd without a pause, and notes when each was acknowledged, in milliseconds.
const WRITES: &str = "rm -f /run/writes; touch /run/writing; setsid sh -c 'while [ -e /run/writing ]; do etcdctl \
                      --command-timeout=2s put /fmp-test/written x >/dev/null 2>&1 && date +%s%3N >>/run/writes; \
                      sleep 0.1; done' >/dev/null 2>&1 </dev/null &";

/// How many there were, and the longest time between two of them.
const GAP: &str = "rm /run/writing; awk 'NR > 1 && $1 - last > gap { gap = $1 - last } { last = $1 } \
                   END { print NR, gap }' /run/writes";

pub(crate) fn run(lab: &Lab) {
    let file = lab.variant("replaced.toml", |text| {
        let moved = text.replace(&format!("[nodes.{LEAVES}]"), &format!("[retired.{LEAVES}]"));
        format!("{moved}\n[nodes.main-4]\nrole = \"main\"\naddress = \"198.18.0.14\"\n")
    });
    lab.fmp_for(&file, &["plan"]).exits(2).says(&[&format!("{LEAVES} waits until main-4 has its vote")]);
    lead(lab);
    lab.sh("main-1", WRITES);
    let applied = lab.fmp_for(&file, &["apply", "--yes"]).exits(0);
    let (out, err) = (applied.out.clone(), applied.err.clone());
    for line in out.lines().chain(err.lines()).filter(|line| line.contains(&format!("{LEAVES}/"))) {
        say(&format!("  {}", line.trim()));
    }
    let told = lab.sh("main-1", GAP);
    let (writes, gap) = told.trim().split_once(' ').expect("two figures");
    say(&format!("  {writes} writes meanwhile, the longest time without one {gap} ms"));
    lab.fmp_for(&file, &["plan"]).exits(0);
    let members = lab.sh("main-1", "etcdctl member list");
    let voters = members.lines().filter(|line| line.contains("started") && line.ends_with("false")).count();
    assert!(voters == 3 && members.contains("main-4") && !members.contains(LEAVES), "{members}");
    let nodes = lab.fmp_for(&file, &["kubectl", "--", "get", "nodes", "-o", "name"]).exits(0).out;
    assert!(nodes.contains("main-4") && !nodes.contains(LEAVES), "{nodes}");
    assert_eq!(lab.sh(LEAVES, OWN_PROCESSES), "", "a process of ours goes on");
    // The next check begins with the cluster that the lab's own file asks for.
    lab.destroy_for(&file);
}

/// Has the member that leaves lead.
fn lead(lab: &Lab) {
    let own = format!("etcdctl member list | awk -F ', ' '$3 == \"{LEAVES}\" {{ print $1 }}'");
    let leader = "etcdctl endpoint status --cluster | awk -F ', ' '$5 == \"true\" { print $1 }'";
    until("it leads", SOON, || {
        let script = format!(
            "leader=$({leader}); ETCDCTL_ENDPOINTS=$leader etcdctl move-leader $({own}) || true; \
             etcdctl endpoint status --cluster | grep -q {}.*true",
            lab.address(LEAVES)
        );
        lab.try_sh("main-1", &script).map(drop)
    });
}

//! One main is off: nobody else notices, new pods start, and the plan says what it waits for.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    ailments, image,
    lab::{Lab, SOON, everyone, now, throughout, until},
    workload,
};

const OFF: &str = "main-1";

/// A node is given up after 40 s without a sign (kube-controller-manager's `--node-monitor-grace-period`), so this is a
/// minute in which the others would have been given up too, had they been tied to that main.
const LONG: Duration = Duration::from_secs(100);

pub(crate) fn run(lab: &Lab) {
    workload::deploy(lab);
    lab.kubectl(&["delete", "pod", "late", "--ignore-not-found"]);
    lab.cut_power(&[OFF]);
    let began = Instant::now();
    let others: Vec<&str> = everyone().filter(|name| *name != OFF).collect();
    thread::scope(|scope| {
        scope.spawn(|| {
            throughout("the others stay Ready", LONG, || stay_ready(lab, &others, began));
        });
        scope.spawn(|| a_new_pod_starts(lab));
        scope.spawn(|| ailments::knows_who_is_off(lab, OFF));
        scope.spawn(|| {
            let (code, plan) = lab.plan();
            assert!(code == Some(2) || code == Some(3), "{code:?}: {plan:#?}");
            lab.fmp(&["plan"]).says(&[OFF]);
            assert_ne!(lab.fmp(&["status"]).code, Some(0), "status says that something is down");
        });
    });
    let since = now();
    lab.switch_on(&[OFF]);
    lab.ready_since(&since, &everyone().collect::<Vec<_>>(), OFF);
    lab.in_sync_by_itself();
    lab.kubectl(&["delete", "pod", "late"]);
}

/// In the first seconds requests that were under way to the lost main may fail.
fn stay_ready(lab: &Lab, others: &[&str], began: Instant) -> Result<(), String> {
    let seen = match lab.nodes("main-2") {
        Ok(seen) => seen,
        Err(_) if began.elapsed() < Duration::from_secs(30) => return Ok(()),
        Err(why) => return Err(why),
    };
    let lost: Vec<_> = others.iter().filter(|name| seen.get(**name).is_none_or(|node| !node.ready)).collect();
    if lost.is_empty() { Ok(()) } else { Err(format!("{lost:?} are not Ready: {seen:?}")) }
}

fn a_new_pod_starts(lab: &Lab) {
    until("a new pod is made", SOON, || {
        let run =
            format!("kubectl --request-timeout=20s run late --image={} --image-pull-policy=Never", image::REFERENCE);
        lab.try_sh("main-2", &run).map(drop)
    });
    until("it runs", SOON, || {
        let phase = lab.try_sh(
            "main-2",
            "kubectl --request-timeout=20s get pod late -o jsonpath='{.status.phase} {.spec.nodeName}'",
        )?;
        if phase.starts_with("Running work-") { Ok(()) } else { Err(phase) }
    });
}

//! A change of the whole control plane, rehearsed before it is made: the report holds, and its estimate stands beside
//! what `fmp apply` then took.

use std::{path::PathBuf, time::Duration};

use fmp::{
    exec::{Progress, critical, progress::News},
    planner::codec,
    sim::step_times::Tally,
};
use serde_json::Value;

use crate::{
    drift, entrance,
    lab::{Lab, MAINS},
    runner::say,
};

/// Runs of the rehearsal. Seeds are those from 1 on.
const RUNS: &str = "40";

pub(crate) fn run(lab: &Lab) {
    let file = changed(lab);
    MAINS.iter().for_each(|main| _ = lab.sh(main, drift::EDIT));
    let plan = codec::read(&lab.fmp_for(&file, &["plan", "--format", "json"]).exits(2).out).expect("it is a plan");
    let rehearsal = lab.fmp_for(&file, &["rehearse", "--runs", RUNS, "--json"]).exits(0);
    let report: Value = serde_json::from_str(&rehearsal.out).expect("it is JSON");
    assert_eq!(report["violations"], Value::Array(Vec::new()), "{report:#}");
    assert_eq!(report["runs"].to_string(), RUNS);
    assert!(report["faults"].as_u64().is_some_and(|faults| faults > 0), "nothing went wrong: {report:#}");
    // The cluster's own DNS, which a budget protects, at the least.
    let people = ["pods", "budgets"].map(|what| report["calm"][what].as_u64().unwrap_or_default());
    assert!(people[0] >= 2 && people[1] >= 1, "{report:#}");
    let applied = lab.fmp_for(&file, &["apply", "--yes", "--json"]).exits(0);
    let news: Vec<Progress> = applied.out.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let took = news.iter().find_map(|progress| match progress.news {
        News::RunFinished { millis, .. } => Some(millis),
        _ => None,
    });
    let durations = critical::durations(&news);
    assert_eq!(durations.len(), plan.steps.len(), "what was rehearsed is what was done");
    let path = critical::critical_path(&plan, &durations).expect("it was carried out");
    let seconds = |what: &str| report["calm"][what].as_f64().expect("a figure") / 1000.0;
    say(&format!(
        "  {} steps, rehearsed {RUNS} times under {} faults: estimated {:.1} s, took {:.1} s; critical path {:.1} s, took {:.1} s",
        plan.steps.len(),
        report["faults"],
        seconds("millis"),
        Duration::from_millis(took.expect("the run ended")).as_secs_f64(),
        seconds("critical-millis"),
        Duration::from_millis(path.millis).as_secs_f64(),
    ));
    let mut tally = Tally::default();
    tally.add(&plan, &news);
    say(&tally.table());
    lab.fmp_for(&file, &["plan"]).exits(0);
}

/// The API's entrance moves to another address: certificates and balancers. With the edited unit files, every apiserver
/// restarts as well, one after the other.
fn changed(lab: &Lab) -> PathBuf {
    lab.variant("moved.toml", |text| text.replace(entrance::ADDRESS, "198.18.0.9"))
}

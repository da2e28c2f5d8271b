//! `fmp rehearse`: what would become of the cluster if things went wrong while the plan is carried out.

use std::{fmt::Write as _, sync::Arc, thread};

use fmp_core::observed::{Fact, Observed};
use fmp_plan::{Plan, Standing};
use fmp_sim::{
    Case, World,
    rehearsal::{self, Report},
    world::Pace,
};
use miette::{IntoDiagnostic as _, miette};

use super::Depth;
use crate::{
    cli::{Places, RehearseArgs},
    exit::Exit,
    output,
    session::Session,
};

/// Observes, builds a world that looks the same, and carries the plan out in it again and again. Touches no host.
pub(crate) async fn run(places: &Places, args: &RehearseArgs) -> miette::Result<Exit> {
    let session = Session::open(places)?;
    let observed = super::look(&session, &session.reach()?, Depth::Workloads).await?;
    let case = Arc::new(Case::new(session.spec.clone(), Arc::new(session.lock.clone())).into_diagnostic()?);
    let plan = case.plan(&observed).map_err(|error| super::plan::unmade(&error))?;
    match plan.standing() {
        Standing::InSync => {
            output::print("in sync: there is nothing to rehearse\n");
            return Ok(Exit::Fine);
        }
        Standing::Blocked => {
            output::print(&fmp_plan::render::text(&plan));
            return Ok(Exit::Blocked);
        }
        Standing::Steps => {}
    }
    let world = case.mirror(&observed, Pace::Measured).into_diagnostic()?;
    faithful(&plan, &case, &world)?;
    let mut report = on_all_processors(&case, &world, args)?;
    if let Some(why) = unasked(&observed) {
        output::note(&format!("nobody said what runs there, so it was rehearsed without any pod: {why}"));
        (report.calm.pods, report.calm.budgets) = (None, None);
    }
    // Nobody can look at its disk.
    for node in observed.hosts.keys().filter(|node| observed.is_off(node)) {
        output::note(&format!("{node} is off: it was rehearsed as if nothing lay on it"));
    }
    if args.json {
        output::print(&format!("{}\n", serde_json::to_string_pretty(&report).into_diagnostic()?));
    } else {
        output::print(&told(&report));
    }
    Ok(if report.violations.is_empty() { Exit::Fine } else { Exit::Error })
}

/// Why it is not known which pods run. Where there is no API yet, none do.
fn unasked(observed: &Observed) -> Option<&str> {
    match &observed.api {
        Fact::Unknown(why) => Some(why),
        Fact::Known(api) => match &api.workloads {
            Some(Fact::Unknown(why)) => Some(why),
            Some(Fact::Known(_) | Fact::Absent) | None => None,
        },
        Fact::Absent => None,
    }
}

/// A world that would be given another plan proves nothing about this one.
fn faithful(plan: &Plan, case: &Case, world: &World) -> miette::Result<()> {
    let theirs = rehearsal::plan(case, world).into_diagnostic()?;
    if theirs.steps == plan.steps {
        return Ok(());
    }
    let differs = |other: &Plan| plan.steps.iter().find(|step| !other.steps.contains(step)).map(|step| step.id.clone());
    let first = differs(&theirs)
        .or_else(|| theirs.steps.iter().find(|step| !plan.steps.contains(step)).map(|step| step.id.clone()));
    Err(miette!(
        help = "this is a gap of the simulator: please report it with the output of `fmp observe`",
        "the world made of this observation would be given another plan, first at {}: nothing is proven",
        first.map_or_else(|| "its order".to_owned(), |id| id.to_string())
    ))
}

/// Each processor plays a part of the seeds.
fn on_all_processors(case: &Arc<Case>, world: &World, args: &RehearseArgs) -> miette::Result<Report> {
    let parts = thread::available_parallelism().map_or(1, |parts| parts.get() as u64).min(args.runs.max(1));
    let ends: Vec<u64> = (0..=parts).map(|part| args.first_seed + args.runs * part / parts).collect();
    let calm = &rehearsal::calm(case, world).into_diagnostic()?;
    let reports: Vec<Report> = thread::scope(|scope| {
        let play = |seeds: std::ops::Range<u64>| scope.spawn(move || rehearsal::rehearse(case, world, calm, seeds));
        let parts: Vec<_> = ends.windows(2).map(|ends| play(ends[0]..ends[1])).collect();
        parts.into_iter().map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    reports.into_iter().reduce(Report::and).ok_or_else(|| miette!("no run was asked for"))
}

fn told(report: &Report) -> String {
    let Report { calm, runs, faults, converged, lost, .. } = report;
    let mut out = format!("rehearsed {runs} times under {faults} faults, {} steps", report.steps);
    if let (Some(pods), Some(budgets)) = (calm.pods, calm.budgets) {
        _ = write!(out, "; {pods} pods, {budgets} disruption budgets");
    }
    out.push('\n');
    for found in &report.violations {
        _ = writeln!(out, "seed {}: {}", found.seed, found.what);
        found.events.iter().for_each(|event| _ = writeln!(out, "  {event}"));
    }
    if report.violations.is_empty() {
        out.push_str("no run broke what held before\n");
    }
    let end = if calm.left.is_empty() { "in sync" } else { "with nothing left but what waits anyway" };
    _ = writeln!(out, "{converged} runs ended {end}, after {} more rounds of apply at most", report.worst_rounds);
    calm.left.iter().for_each(|item| _ = writeln!(out, "  {} waits until {}", item.what, item.until));
    if *lost > 0 {
        _ = writeln!(
            out,
            "in {lost} runs the faults took a quorum of etcd's data: the plan then names the backup or consent"
        );
    }
    let seconds = |ms: u64| format!("{}.{} s", ms / 1000, ms % 1000 / 100);
    _ = writeln!(
        out,
        "with faults, in the worst run: {} below full membership, {} without an answering apiserver",
        seconds(report.longest_below_full_ms),
        seconds(report.longest_without_api_ms)
    );
    _ = writeln!(
        out,
        "without faults: {} below full membership, {} without an answering apiserver",
        seconds(calm.below_full_ms),
        seconds(calm.without_api_ms)
    );
    _ = writeln!(
        out,
        "without faults it takes about {}; its critical path of {} steps takes {}",
        seconds(calm.millis),
        calm.critical_path.len(),
        seconds(calm.critical_millis)
    );
    calm.critical_path.iter().for_each(|step| _ = writeln!(out, "  {step}"));
    out
}

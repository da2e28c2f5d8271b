//! `fmp apply`: carries a plan out.

mod judge;
pub(crate) mod lease;
pub(crate) mod others;
mod process;

use std::{
    collections::BTreeSet,
    io::{IsTerminal as _, Write as _},
    path::PathBuf,
};

use fmp_core::{
    NodeName, Severity, check,
    observed::{Fact, Observed},
};
use fmp_exec::{
    Context, Outcome,
    journal::Header,
    lease::LeaseRecord,
    outcome::WhyNot,
    remainder::{self, Uncovered},
};
use fmp_plan::{Action, Plan, Standing, Step, codec, render, step::Subject};
use fmp_providers::driver::{self, Options, Report};
use miette::{IntoDiagnostic, miette};
use tokio::sync::mpsc;

use super::Depth;
use crate::{
    cli::{ApplyArgs, Format, Places},
    exit::Exit,
    output::{self, progress::Show},
    session::{Reach, Session},
};

/// Makes a plan or takes the given one, asks, carries it out, observes again.
pub(crate) async fn run(places: &Places, args: &ApplyArgs) -> miette::Result<Exit> {
    let session = Session::open(places)?;
    let given = args.plan.as_deref().map(super::show::read).transpose()?;
    if given.as_ref().is_some_and(super::show::unsound) {
        return Ok(Exit::Error);
    }
    let reach = session.reach()?;
    let observed = super::look(&session, &reach, Depth::Requirements).await?;
    if let Some(exit) = unfit(&session, &observed) {
        return Ok(exit);
    }
    for (node, command) in others::still_running(&observed) {
        output::note(&format!("{node} still runs {command}, which another fmp began; it is waited for"));
    }
    let now = super::plan::make(&session, &observed)?;
    let plan = match given {
        Some(given) => match given_or_left(&session, given, now, &observed) {
            Ok(plan) => plan,
            Err(exit) => return Ok(exit),
        },
        None => now,
    };
    match plan.standing() {
        Standing::InSync => {
            output::print("in sync: nothing to do\n");
            return Ok(Exit::Fine);
        }
        Standing::Blocked => {
            output::print(&render::text(&plan));
            return Ok(Exit::Blocked);
        }
        Standing::Steps => {}
    }
    if !args.yes && !agreed(&plan)? {
        output::note("nothing was done");
        return Ok(Exit::Error);
    }
    in_rounds(&session, &reach, observed, plan, args).await
}

/// How many plans one run carries out at most: machines that were off, what comes up on them by itself while it is looked
/// at, etcd and the API behind them, and what stands there. Mains leave one by one, so each that leaves may ask for one more.
const ROUNDS: usize = 4;

/// Carries the plan out, and what comes to light by it: of a host that was off and of an API that was not there nothing
/// could be planned, and what boots changes under a plan. One that a person has read is never followed by one that nobody
/// has.
async fn in_rounds(
    session: &Session,
    reach: &Reach,
    mut observed: Observed,
    mut plan: Plan,
    args: &ApplyArgs,
) -> miette::Result<Exit> {
    let unread = args.yes && args.plan.is_none();
    let mut left = ROUNDS + session.spec.retired.len();
    loop {
        left -= 1;
        let report = carry_out(session, reach, &observed, &plan, args).await?;
        let looks_again = unread && left > 0 && is_only_stale(&report);
        if looks_again {
            tell(&report.outcome);
        } else if let Some(exit) = cut_short(&report) {
            return Ok(exit);
        }
        observed = super::look(session, reach, Depth::Plan).await?;
        plan = super::plan::make(session, &observed)?;
        if plan.standing() != Standing::Steps || !unread || left == 0 {
            return Ok(conclude(&plan, &report, args));
        }
        output::note(if looks_again {
            "something else changed meanwhile, so it was looked at again:"
        } else {
            "all steps were done, and now more can be planned:"
        });
    }
}

/// Whether a host that is about to be touched for the first time lacks what its profile requires. Better now than half-way.
fn unfit(session: &Session, observed: &Observed) -> Option<Exit> {
    let new = |node: &str| {
        let host = observed.hosts.get(node).and_then(Fact::known);
        host.is_some_and(|host| host.cluster_id == Fact::Absent)
    };
    let findings = check::all(&session.spec, observed);
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error && new(&finding.subject));
    let lines: Vec<String> = errors.map(super::check::paragraph).collect();
    lines.iter().for_each(|line| output::note(line.trim_end()));
    (!lines.is_empty()).then(|| {
        output::note(&format!("{} errors on hosts that are new; nothing was touched", lines.len()));
        Exit::Error
    })
}

/// The plan that is carried out where a person gave one: it, or what an earlier run left of it. Refused where it is another
/// cluster's file, another bundle's, or the hosts have changed.
fn given_or_left(session: &Session, given: Plan, now: Plan, observed: &Observed) -> Result<Plan, Exit> {
    let mut why = Vec::new();
    if given.basis.spec != session.spec.digest {
        why.push(format!("it was made from another cluster.toml: {}, now {}", given.basis.spec, session.spec.digest));
    }
    if given.basis.bundle != session.lock.digest() {
        why.push(format!("it was made for another bundle: {}, now {}", given.basis.bundle, session.lock.digest()));
    }
    if why.is_empty() {
        // A plan that is made again in the same words is the same plan, whatever was planned in between.
        if codec::digest(&given) == codec::digest(&now) {
            return Ok(given);
        }
        let is_blocked = now.standing() == Standing::Blocked;
        if !is_blocked && fmp_plan::changed(&given, observed).is_empty() {
            return Ok(given);
        }
        let uncovered = remainder::uncovered(&given, &now, observed);
        if !is_blocked && uncovered.is_empty() {
            output::note(&format!("{} of this plan's {} steps are left", now.steps.len(), given.steps.len()));
            return Ok(now);
        }
        // Changed facts say most; steps follow from them.
        let is_fact = |uncovered: &&Uncovered| matches!(uncovered, Uncovered::Fact(_));
        let only_facts = uncovered.iter().any(|uncovered| is_fact(&uncovered));
        why.extend(uncovered.iter().filter(|it| !only_facts || is_fact(it)).map(ToString::to_string));
    }
    why.extend(
        now.waiting
            .iter()
            .filter(|_| now.steps.is_empty())
            .map(|item| format!("{} waits until {}", item.what, item.until)),
    );
    output::note("the plan is stale; nothing was touched");
    why.iter().for_each(|line| output::note(&format!("  {line}")));
    output::note("make it again with `fmp plan --out`");
    Err(Exit::Blocked)
}

fn agreed(plan: &Plan) -> miette::Result<bool> {
    output::print(&super::plan::shown(plan, Format::Text)?);
    if !std::io::stdin().is_terminal() {
        return Err(miette!(help = "`--yes` agrees without being asked", "nobody is here to agree to this plan"));
    }
    output::print("carry this out? Only `yes` is taken for one: ");
    std::io::stdout().flush().into_diagnostic()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).into_diagnostic()?;
    Ok(answer.trim() == "yes")
}

async fn carry_out(
    session: &Session,
    reach: &Reach,
    observed: &Observed,
    plan: &Plan,
    args: &ApplyArgs,
) -> miette::Result<Report> {
    let lease = lease::acquire(session, reach, observed).await?;
    let LeaseRecord { epoch, instance, .. } = lease.record();
    let cx = Context { epoch, run: instance.as_str().into(), texts: std::sync::Arc::new(plan.texts.clone()) };
    // Without an epoch nobody can be fenced off: what such a run begins on a host waits for the host's own lock.
    if lease.is_taken()
        && let Err(report) = others::end(reach, &cx, observed).await
    {
        lease.release().await;
        return Err(report);
    }
    let mut options = Options::new(interrupts());
    options.lease = Some(lease.hold());
    options.journal = journal(session, plan, epoch, observed.now);
    let judge = judge::Fresh::new(session)?;
    let show = Show::new(args.json);
    let report = driver::run(plan, &reach.providers, cx, &judge, options, &mut |progress| show.tell(progress)).await;
    if let Err(failures) = reach.hosts.settle(touched(plan)).await {
        failures.iter().for_each(|failure| output::note(&failure.to_string()));
    }
    lease.release().await;
    let sent: u64 = reach.links.values().map(|link| link.traffic().sent_bytes).sum();
    output::note(&format!("{sent} bytes sent over SSH"));
    report.into_diagnostic()
}

/// Hosts on which the plan writes.
fn touched(plan: &Plan) -> BTreeSet<&NodeName> {
    let on_host = |step: &&Step| match (&step.subject, &step.action) {
        // Its machine may be gone: the others are asked.
        (_, Action::RemoveEtcdMember { .. }) | (Subject::Machine(_) | Subject::Cluster, _) => false,
        (Subject::Host(_), _) => true,
    };
    plan.steps.iter().filter(on_host).filter_map(|step| step.subject.node()).collect()
}

/// One message for each Ctrl-C or SIGTERM.
fn interrupts() -> mpsc::Receiver<()> {
    let (send, receive) = mpsc::channel(4);
    tokio::spawn(async move {
        let Ok(mut terminated) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else {
            return;
        };
        loop {
            tokio::select! {
                pressed = tokio::signal::ctrl_c() => if pressed.is_err() { return },
                _ = terminated.recv() => {}
            }
            if send.send(()).await.is_err() {
                return;
            }
        }
    });
    receive
}

/// Where the last run is noted down.
pub(crate) fn journal_path(session: &Session) -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let state = state.or_else(|| Some(std::env::home_dir()?.join(".local/state")))?;
    Some(state.join("fmp").join(&session.spec.name).join("journal.jsonl"))
}

/// Where this run is noted down: a hint for people, nothing is ever decided by it.
fn journal(session: &Session, plan: &Plan, epoch: u64, began: i64) -> Option<(PathBuf, Header)> {
    let path = journal_path(session)?;
    std::fs::create_dir_all(path.parent()?).ok()?;
    let header = Header {
        format: fmp_exec::journal::FORMAT,
        cluster: session.spec.name.clone(),
        plan: codec::digest(plan),
        epoch,
        began,
    };
    Some((path, header))
}

/// Why nothing follows: steps failed, were stale, or were never begun.
fn cut_short(report: &Report) -> Option<Exit> {
    tell(&report.outcome);
    if let Some(refused) = &report.lease_lost {
        output::note(&format!("the lease was lost: {refused}"));
    }
    if !report.outcome.stale.is_empty() {
        return Some(Exit::Blocked);
    }
    (report.outcome.interrupted || !report.outcome.complete()).then(|| {
        output::note("`fmp plan` shows what is left, `fmp apply` goes on from there");
        Exit::Error
    })
}

/// Nothing went wrong but that something had changed since it was looked at: those steps did nothing.
fn is_only_stale(report: &Report) -> bool {
    let Outcome { stale, failed, in_flight, interrupted, .. } = &report.outcome;
    !stale.is_empty() && failed.is_empty() && in_flight.is_empty() && !interrupted && report.lease_lost.is_none()
}

/// Says whether anything is left to do.
fn conclude(left: &Plan, report: &Report, args: &ApplyArgs) -> Exit {
    match left.standing() {
        Standing::InSync if args.json => {
            output::note("in sync: nothing is left to do");
            Exit::Fine
        }
        Standing::InSync => {
            output::print(&format!("in sync after {:.1} s: nothing is left to do\n", report.took.as_secs_f64()));
            Exit::Fine
        }
        standing => {
            let done = if report.outcome.complete() { "all steps were done, and " } else { "" };
            output::note(&format!("{done}something is left:"));
            output::print(&render::text(left));
            standing.into()
        }
    }
}

fn tell(outcome: &Outcome) {
    for failed in &outcome.failed {
        let causes: String = failed.why.causes.iter().map(|cause| format!(": {cause}")).collect();
        output::note(&format!("failed at {}: {}{causes}", failed.step, failed.why.what));
    }
    for stale in &outcome.stale {
        output::note(&format!("stale at {}: {}", stale.step, stale.fact));
    }
    for flight in &outcome.in_flight {
        output::note(&format!("left under way: {}; what it began on its host may still go on", flight.step));
    }
    let needs = |why: &WhyNot| matches!(why, WhyNot::Needs(_));
    let held_up = outcome.not_begun.iter().filter(|step| needs(&step.why)).count();
    if held_up > 0 {
        output::note(&format!("{held_up} steps were not begun: they need one that failed"));
    }
}

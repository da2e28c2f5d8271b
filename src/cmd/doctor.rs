//! `fmp doctor`: what ails the cluster, why, and the way out.

mod bundle;
mod journals;
mod scrub;

use std::fmt::Write as _;

use fmp_core::Severity;
use fmp_plan::{
    StepId,
    doctor::{self, Ailment, Fix},
};
use miette::IntoDiagnostic as _;

use super::Depth;
use crate::{
    cli::{DoctorArgs, Places},
    exit::Exit,
    output,
    session::Session,
};

/// Steps of a fix that are named; the plan has them all.
const NAMED: usize = 3;

/// Observes, plans, and tells what is wrong, what matters most first. Exit code 1 where something is. Touches no host.
pub(crate) async fn run(places: &Places, args: &DoctorArgs) -> miette::Result<Exit> {
    let session = Session::open(places)?;
    let reach = session.reach()?;
    let observed = super::look(&session, &reach, Depth::Ailments).await?;
    let plan = super::plan::make(&session, &observed)?;
    let ailments = doctor::diagnose(&session.spec, &observed, &plan);
    if args.json {
        output::print(&format!("{}\n", serde_json::to_string_pretty(&ailments).into_diagnostic()?));
    } else {
        output::print(&told(&ailments));
    }
    // After the diagnosis was told: a path that can't be written takes none of it away.
    if let Some(path) = &args.bundle {
        let seen = bundle::Seen { observed: &observed, plan: &plan, ailments: &ailments };
        bundle::collect(places, &session, &reach, &seen, path).await?;
    }
    let ill = ailments.iter().any(|ailment| ailment.severity == Severity::Error);
    Ok(if ill { Exit::Error } else { Exit::Fine })
}

fn told(ailments: &[Ailment]) -> String {
    if ailments.is_empty() {
        return "nothing is wrong that can be seen from here\n".to_owned();
    }
    let mut out = String::new();
    for Ailment { subject, kind, severity, what, evidence, cause, fix } in ailments {
        let word = match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        _ = writeln!(out, "{subject}: {word}: {}: {what}", kind.as_str());
        evidence.iter().for_each(|line| _ = writeln!(out, "  seen: {line}"));
        _ = writeln!(out, "  likely: {cause}\n  fix: {}", way_out(fix));
    }
    let errors = ailments.iter().filter(|ailment| ailment.severity == Severity::Error).count();
    _ = writeln!(out, "{errors} errors, {} warnings", ailments.len() - errors);
    out
}

fn way_out(fix: &Fix) -> String {
    match fix {
        Fix::Apply(steps) => {
            let named: Vec<&str> = steps.iter().take(NAMED).map(StepId::as_str).collect();
            let more = steps.len().saturating_sub(NAMED);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            format!("`fmp apply` does it: {}{more}", named.join(", "))
        }
        Fix::Waits(until) => format!("`fmp apply` does it once {until}"),
        Fix::Hand(what) => what.clone(),
    }
}

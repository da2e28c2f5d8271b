//! `fmp show`: a plan's file for people.

use fmp_plan::{Plan, codec, lint, render};
use miette::{WrapErr, miette};

use crate::{cli::ShowArgs, exit::Exit, output, session};

/// Shows the whole plan or one step.
pub(crate) fn run(args: &ShowArgs) -> miette::Result<Exit> {
    let plan = read(&args.plan)?;
    let Some(wanted) = &args.step else {
        output::print(&super::plan::shown(&plan, args.format)?);
        return Ok(if unsound(&plan) { Exit::Error } else { Exit::Fine });
    };
    let step = plan
        .steps
        .iter()
        .find(|step| step.id.as_str() == wanted)
        .ok_or_else(|| miette!(help = "`fmp show PLAN` lists the steps", "the plan has no step `{wanted}`"))?;
    output::print(&render::step(step));
    Ok(Exit::Fine)
}

/// Reads a plan's file.
pub(crate) fn read(path: &std::path::Path) -> miette::Result<Plan> {
    let text = session::read(path)?;
    codec::read(&text)
        .map_err(|error| miette::Report::msg(chain(&error)))
        .wrap_err_with(|| format!("{} can't be used", path.display()))
}

/// Whether a plan breaks rules that every plan keeps; says which.
pub(crate) fn unsound(plan: &Plan) -> bool {
    let findings = lint::lint(plan);
    if findings.is_empty() {
        return false;
    }
    output::note("no plan of fmp is like this one; it must not be carried out:");
    findings.iter().for_each(|finding| output::note(&format!("  {finding}")));
    output::note("make it again with `fmp plan --out`");
    true
}

/// An error and what caused it, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

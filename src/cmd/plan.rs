//! `fmp plan`: what would be done.

use std::path::Path;

use fmp_core::{observed::Observed, role::LowerError};
use fmp_plan::{Plan, codec, render};
use miette::{IntoDiagnostic, WrapErr, miette};

use crate::{
    cli::{Format, Places, PlanArgs},
    exit::Exit,
    output,
    session::{self, Session},
};

/// Makes a plan, shows it, keeps it, or compares it with one that was committed.
pub(crate) async fn run(places: &Places, args: &PlanArgs) -> miette::Result<Exit> {
    let session = Session::open(places)?;
    let observed = match &args.observed {
        Some(path) => stored(path)?,
        None => super::look(&session, &session.reach()?, super::depth(args.deep)).await?,
    };
    let plan = make(&session, &observed)?;
    if let Some(path) = &args.out {
        output::whole(path, None, |out| codec::write(&plan, out))?;
    }
    if let Some(path) = &args.check {
        return compare(&plan, path);
    }
    output::print(&shown(&plan, args.format)?);
    Ok(plan.standing().into())
}

/// A plan from an observation.
pub(crate) fn make(session: &Session, observed: &Observed) -> miette::Result<Plan> {
    fmp::plan(&session.spec, &session.lock, observed).map_err(|error| unmade(&error))
}

/// Why there is no plan.
pub(crate) fn unmade(error: &LowerError) -> miette::Report {
    miette!(help = error.remedy(), "the plan can't be made: {error}")
}

/// A plan as text of the given format.
pub(crate) fn shown(plan: &Plan, format: Format) -> miette::Result<String> {
    Ok(match format {
        Format::Text => render::text(plan),
        Format::Dot => render::dot(plan),
        Format::Json => {
            let mut json = Vec::new();
            codec::write(plan, &mut json).into_diagnostic()?;
            String::from_utf8(json).into_diagnostic()?
        }
    })
}

fn stored(path: &Path) -> miette::Result<Observed> {
    let text = session::read(path)?;
    serde_json::from_str(&text)
        .into_diagnostic()
        .wrap_err_with(|| format!("{} is no observation; `fmp observe` prints one", path.display()))
}

fn compare(plan: &Plan, path: &Path) -> miette::Result<Exit> {
    let committed = session::read(path)?;
    let now = render::text(plan);
    if committed == now {
        output::print(&format!("{} is what cluster.toml gives\n", path.display()));
        return Ok(Exit::Fine);
    }
    let name = path.display().to_string();
    let difference = similar::TextDiff::from_lines(&committed, &now);
    output::print(&difference.unified_diff().header(&name, "what cluster.toml gives now").to_string());
    Ok(Exit::Changes)
}

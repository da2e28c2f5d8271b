//! `fmp plan`: what would be done.

use std::{fs, io::Write as _, path::Path};

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
        write(&plan, path)?;
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

/// The whole file or none of it: it is written beside its place, then moved there.
fn write(plan: &Plan, path: &Path) -> miette::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or_else(|| miette!("{} names no file", path.display()))?;
    let beside = folder.join(format!(".{}.tmp", name.display()));
    let written = || -> std::io::Result<()> {
        let mut file = std::io::BufWriter::new(fs::File::create(&beside)?);
        codec::write(plan, &mut file)?;
        file.flush()?;
        file.get_ref().sync_all()?;
        fs::rename(&beside, path)
    };
    written()
        .inspect_err(|_| _ = fs::remove_file(&beside))
        .into_diagnostic()
        .wrap_err_with(|| format!("{} can't be written", path.display()))
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

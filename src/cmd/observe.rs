//! `fmp observe`: what is seen, as data.

use miette::IntoDiagnostic;

use crate::{
    cli::{ObserveArgs, Places},
    exit::Exit,
    output,
    session::Session,
};

/// Prints the observation as JSON.
pub(crate) async fn run(places: &Places, args: &ObserveArgs) -> miette::Result<Exit> {
    let session = Session::open(places)?;
    let observed = super::look(&session, &session.reach()?, super::depth(args.deep)).await?;
    let mut json = serde_json::to_string_pretty(&observed).into_diagnostic()?;
    json.push('\n');
    output::print(&json);
    Ok(Exit::Fine)
}

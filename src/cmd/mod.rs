//! The commands, a file each.

mod apply;
mod bundle;
mod check;
mod credential;
mod destroy;
mod graph;
mod init;
mod kubectl;
mod observe;
mod plan;
mod show;
mod status;

use fmp_core::observed::Observed;
use fmp_exec::Context;

use crate::{
    cli::{Cli, Command},
    exit::Exit,
    session::{Reach, Session},
};

/// Does what was typed.
pub(crate) async fn run(cli: Cli) -> miette::Result<Exit> {
    let places = &cli.places;
    match cli.command {
        Command::Init(args) => init::run(places, &args),
        Command::Check => check::run(places).await,
        Command::Plan(args) => plan::run(places, &args).await,
        Command::Apply(args) => apply::run(places, &args).await,
        Command::Show(args) => show::run(&args),
        Command::Observe(args) => observe::run(places, &args).await,
        Command::Status => status::run(places).await,
        Command::Graph => graph::run(places),
        Command::Kubeconfig(args) => credential::kubeconfig(places, &args).await,
        Command::Credential => credential::print(places).await,
        Command::Kubectl(args) => kubectl::run(places, &args).await,
        Command::Destroy(args) => destroy::run(places, &args).await,
        Command::Bundle(command) => bundle::run(places, command),
    }
}

/// Asks all hosts what planning needs to know.
async fn look(session: &Session, reach: &Reach, deep: bool) -> miette::Result<Observed> {
    let mut questions =
        fmp::observe::questions(&session.spec, &session.lock).map_err(|error| miette::miette!("{error}"))?;
    questions.deep = deep;
    Ok(fmp::observe::observe(&reach.providers, &Context::default(), &questions).await)
}

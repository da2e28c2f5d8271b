//! The commands, a file each.

mod apply;
mod bundle;
mod check;
mod credential;
mod destroy;
mod doctor;
mod fault;
mod graph;
mod init;
mod kubectl;
mod observe;
mod plan;
mod rehearse;
mod show;
mod status;

use fmp_core::observed::Observed;
use fmp_exec::{Besides, Context, Questions};

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
        Command::Doctor(args) => doctor::run(places, &args).await,
        Command::Rehearse(args) => rehearse::run(places, &args).await,
        Command::Fault(args) => fault::run(places, &args).await,
        Command::Bundle(command) => bundle::run(places, command),
    }
}

/// How much is asked of the hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// What planning needs.
    Plan,
    /// The same, and every byte of large files.
    Deep,
    /// What planning needs and what the profile requires.
    Requirements,
    /// The same, and what only the doctor wants to know.
    Ailments,
    /// What planning needs, and what people run.
    Workloads,
}

/// Asks all hosts.
async fn look(session: &Session, reach: &Reach, depth: Depth) -> miette::Result<Observed> {
    let mut questions = questions(session)?;
    match depth {
        Depth::Plan => {}
        Depth::Deep => questions.deep = true,
        Depth::Workloads => questions.besides = Besides::Workloads,
        Depth::Requirements => fmp::observe::add_requirements(&mut questions, &session.spec),
        Depth::Ailments => {
            fmp::observe::add_requirements(&mut questions, &session.spec);
            fmp::observe::add_ailments(&mut questions, &session.spec);
        }
    }
    Ok(fmp::observe::observe(&reach.providers, &Context::default(), &questions).await)
}

fn questions(session: &Session) -> miette::Result<Questions> {
    fmp::observe::questions(&session.spec, &session.lock)
        .map_err(|error| miette::miette!(help = error.remedy(), "nothing can be asked: {error}"))
}

/// `--deep` of several commands.
const fn depth(deep: bool) -> Depth {
    if deep { Depth::Deep } else { Depth::Plan }
}

/// Refuses what needs a program of a host.
fn real(reach: &Reach) -> miette::Result<()> {
    match reach.world {
        None => Ok(()),
        Some(_) => Err(miette::miette!(
            help = "`fmp status` and `fmp observe` show what is in it",
            "this cluster is simulated: no host of it can run a program"
        )),
    }
}

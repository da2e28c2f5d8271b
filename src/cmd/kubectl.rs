//! `fmp kubectl`: kubectl on a main.

use fmp_providers::transport::Input;
use miette::miette;

use crate::{
    cli::{KubectlArgs, Places},
    exit::Exit,
    output,
    session::Session,
};

/// Runs kubectl on the first main that answers, with our standard input where it is no terminal.
pub(crate) async fn run(places: &Places, args: &KubectlArgs) -> miette::Result<Exit> {
    let session = Session::open(places)?;
    let reach = session.reach()?;
    super::real(&reach)?;
    let args: Vec<&str> = args.args.iter().map(String::as_str).collect();
    let mut last = None;
    for (node, _) in session.spec.mains() {
        match reach.links[node].run("/usr/local/bin/kubectl", &args, stdin()).await {
            Ok(answer) => {
                output::print(&answer.text());
                let complaint = answer.complaint();
                if !complaint.is_empty() {
                    output::note(complaint.trim_end());
                }
                return Ok(if answer.success() { Exit::Fine } else { Exit::Error });
            }
            Err(error) if error.may_have_happened() => return Err(miette!(help = error.remedy(), "{node}: {error}")),
            Err(error) => last = Some(miette!(help = error.remedy(), "{node}: {error}")),
        }
    }
    Err(last.unwrap_or_else(|| miette!("there is no main")))
}

fn stdin() -> Input {
    use std::io::IsTerminal as _;
    if std::io::stdin().is_terminal() { Input::Empty } else { Input::Reader(Box::new(tokio::io::stdin())) }
}

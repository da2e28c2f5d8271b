//! The `fmp` program: reads what was typed, prints what came of it.

mod beside;
mod cli;
mod cmd;
mod exit;
mod output;
mod session;

use clap::Parser;

use crate::{cli::Cli, exit::Exit};

fn main() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // `--help` and `--version` are no errors; clap's own code 2 would mean "changes" here.
            _ = error.print();
            return if error.use_stderr() { Exit::Error } else { Exit::Fine };
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::problem(&miette::miette!("the runtime can't be started: {error}"));
            return Exit::Error;
        }
    };
    let exit = runtime.block_on(cmd::run(cli)).unwrap_or_else(|report| {
        output::problem(&report);
        Exit::Error
    });
    // A remote command that nobody waits for any more must not hold the program.
    runtime.shutdown_background();
    exit
}

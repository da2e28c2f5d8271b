//! `fmp init`: a file to begin with.

use std::{fs::OpenOptions, io::Write as _};

use miette::{IntoDiagnostic, WrapErr};

use crate::{
    cli::{InitArgs, Kind, Places},
    exit::Exit,
    output,
};

const LOCAL: &str = include_str!("../../fixtures/local-7/cluster.toml");
const SIM: &str = include_str!("../../fixtures/sim-7/cluster.toml");
const SSH: &str = include_str!("../../fixtures/ssh-7/cluster.toml");

/// Writes the file, never over one that is there.
pub(crate) fn run(places: &Places, args: &InitArgs) -> miette::Result<Exit> {
    let text = match args.environment {
        Kind::Local => LOCAL,
        Kind::Ssh => SSH,
        Kind::Sim => SIM,
    };
    let path = &places.file;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .into_diagnostic()
        .wrap_err_with(|| format!("{} can't be written", path.display()))?;
    file.write_all(text.as_bytes()).into_diagnostic()?;
    output::print(&format!("wrote {}: read it, change it, then run `fmp check` and `fmp plan`\n", path.display()));
    Ok(Exit::Fine)
}

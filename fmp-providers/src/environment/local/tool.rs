//! Programs of this computer, each with a bound.

use std::{
    env,
    ffi::OsStr,
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};

use tokio::process::Command;

use super::{EnvironmentError, vm};

/// What local machines are made with, all of it in the packages that [`EnvironmentError::remedy`] names.
const PROGRAMS: &[&str] = &["debootstrap", "systemd-nspawn", "ip", "nsenter", "mount", "umount", "setsid", "sh"];

/// Where the administrator's programs are, in case the operator's `PATH` leaves them out.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How long a program that only talks to the kernel may take.
pub(super) const QUICK: Duration = Duration::from_secs(30);

/// The needed programs that this computer lacks.
pub fn missing_programs() -> Vec<&'static str> {
    missing(PROGRAMS)
}

/// The programs that this computer lacks for virtual machines.
pub fn missing_for_vms() -> Vec<&'static str> {
    missing(&[PROGRAMS, vm::PROGRAMS].concat())
}

fn missing(programs: &[&'static str]) -> Vec<&'static str> {
    let there = |program: &&str| env::split_paths(PATH).any(|folder| folder.join(program).is_file());
    programs.iter().copied().filter(|program| !there(program)).collect()
}

/// Runs a program to its end.
pub(super) async fn run(program: &str, args: &[&str], within: Duration) -> Result<String, EnvironmentError> {
    let output = ended(program, args, within).await?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The same for one that ends well whatever happens: what it complained.
pub(super) async fn complaints(program: &str, args: &[&str], within: Duration) -> Result<String, EnvironmentError> {
    let output = ended(program, args, within).await?;
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

async fn ended(program: &str, args: &[&str], within: Duration) -> Result<Output, EnvironmentError> {
    let command = || [&[program], args].concat().join(" ");
    let running = Command::new(program)
        .args(args)
        .env("PATH", PATH)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(within, running)
        .await
        .map_err(|_| EnvironmentError::Slow { command: command(), waited: within })?
        .map_err(|source| EnvironmentError::Start { program: program.to_owned(), source })?;
    if output.status.success() {
        return Ok(output);
    }
    // debootstrap complains on its standard output.
    let said = if output.stderr.is_empty() { output.stdout } else { output.stderr };
    let said = tail(&String::from_utf8_lossy(&said));
    Err(EnvironmentError::Program { command: command(), status: output.status, said })
}

/// The last lines of a text, for a message.
pub(super) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(5)..].join("; ")
}

/// A path as an argument. Ours are made of names that are UTF-8.
pub(super) fn arg(path: &Path) -> &str {
    OsStr::to_str(path.as_os_str()).unwrap_or_default()
}

//! `c`: one C file that a Go module carries, such as Kubernetes' pause.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::{Bench, SourceError, go};
use crate::{manifest::CFile, tool};

/// One small file.
const LIMIT: Duration = Duration::from_mins(5);

pub(super) fn inputs(bench: Bench<'_>) -> Result<String, SourceError> {
    go::compiler(bench)
}

/// Static, because it runs in an image that has nothing else.
pub(super) fn make(bench: Bench<'_>, file: &CFile, scratch: &Path) -> Result<PathBuf, SourceError> {
    let source = go::download(bench, &file.module, &file.version)?.join(&file.file);
    let program = scratch.join("program");
    let mut cc = Command::new(&bench.tools.cc);
    cc.args(["-Os", "-s", "-static"]).args(&file.flags).arg("-o").arg(&program).arg(source);
    tool::run(&mut cc, LIMIT)?;
    Ok(program)
}

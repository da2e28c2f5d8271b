//! Everything that is printed, and files that are written whole.

pub(crate) mod progress;

use std::{
    fs::{self, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use miette::{IntoDiagnostic as _, WrapErr as _, miette};

/// Prints to standard output. A reader that went away is no error of ours.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    _ = out.write_all(text.as_bytes());
    _ = out.flush();
}

/// Prints a line to standard error, where it does not get into a pipe.
pub(crate) fn note(text: &str) {
    _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Prints an error with its causes and what to do.
pub(crate) fn problem(report: &miette::Report) {
    _ = writeln!(std::io::stderr().lock(), "{report:?}");
}

/// Writes the whole file or none of it: beside its place, then moved there. `mode`: who may read it; as usual unless told.
pub(crate) fn whole(
    path: &Path,
    mode: Option<u32>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> miette::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or_else(|| miette!("{} names no file", path.display()))?;
    let beside = folder.join(format!(".{}.tmp", name.display()));
    let written = || -> io::Result<()> {
        // What a run that was killed left there may be readable by others.
        remove(&beside)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        mode.into_iter().for_each(|mode| _ = options.mode(mode));
        let mut file = BufWriter::new(options.open(&beside)?);
        write(&mut file)?;
        file.flush()?;
        file.get_ref().sync_all()?;
        fs::rename(&beside, path)
    };
    written()
        .inspect_err(|_| _ = fs::remove_file(&beside))
        .into_diagnostic()
        .wrap_err_with(|| format!("{} can't be written", path.display()))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

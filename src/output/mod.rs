//! Everything that is printed.

pub(crate) mod progress;

use std::io::Write as _;

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

//! Everything that is printed, and files that are written whole.

pub(crate) mod progress;

use std::{
    fs::Permissions,
    io::{self, BufWriter, Write},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use miette::{IntoDiagnostic as _, WrapErr as _, miette};
use tempfile::Builder;

/// Who may read a file of which nobody says it: everybody, unless the umask forbids it.
const AS_USUAL: u32 = 0o666;

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
    let written = || -> io::Result<()> {
        // A name of its own, so that two that write the same file at once take nothing from each other.
        let mut beside = Builder::new()
            .prefix(&format!(".{}.", name.display()))
            .suffix(".tmp")
            .permissions(Permissions::from_mode(mode.unwrap_or(AS_USUAL)))
            .tempfile_in(folder)?;
        let mut out = BufWriter::new(&mut beside);
        write(&mut out)?;
        out.flush()?;
        drop(out);
        beside.as_file().sync_all()?;
        beside.persist(path).map(drop).map_err(|unmoved| unmoved.error)
    };
    written().into_diagnostic().wrap_err_with(|| format!("{} can't be written", path.display()))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::MetadataExt as _, sync::Barrier, thread};

    use super::*;

    #[test]
    fn of_two_that_write_one_file_each_writes_a_whole_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let both_are_in_the_middle = Barrier::new(2);
        let write = &|text: &str| {
            whole(&path, Some(0o600), |out| {
                out.write_all(text.as_bytes())?;
                both_are_in_the_middle.wait();
                out.write_all(text.as_bytes())
            })
        };
        thread::scope(|scope| {
            let both = ["one", "two"].map(|text| scope.spawn(move || write(text)));
            both.into_iter().for_each(|writer| writer.join().unwrap().unwrap());
        });
        let text = fs::read_to_string(&path).unwrap();
        assert!(text == "oneone" || text == "twotwo", "{text}");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_fails_in_the_middle_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(&path, "before").unwrap();
        let failed = whole(&path, None, |out| {
            out.write_all(b"half")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

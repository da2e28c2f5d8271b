//! `bundle.lock`: the types of `fmp-core`, and their file.

use std::{
    fs::{self, Permissions},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::Builder;

pub use fmp_core::bundle::{
    ArtifactName, BadArtifactName, BadSourceKind, Entry, Kind, Lock, LockError, PackageOf, SourceKind,
};

/// Why a lock's file could not be read or written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum LockFileError {
    /// The file can't be read.
    #[error("reading {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file is no lock.
    #[error("{path} is damaged, or another version of fmp wrote it")]
    #[diagnostic(help(
        "take it back from version control, or remove it and run `fmp bundle build`, which trusts what it \
        finds"
    ))]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: LockError,
    },
    /// The file can't be written.
    #[error("writing {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// The lock in the file `path`, or `None` where there is no such file.
///
/// # Errors
/// [`LockFileError::Read`] or [`LockFileError::Parse`].
pub fn read(path: &Path) -> Result<Option<Lock>, LockFileError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(LockFileError::Read { path: path.to_owned(), source }),
    };
    Lock::parse(&text).map(Some).map_err(|source| LockFileError::Parse { path: path.to_owned(), source })
}

/// Writes `lock` to the file `path`, whole or not at all.
///
/// # Errors
/// [`LockFileError::Write`].
pub fn write(path: &Path, lock: &Lock) -> Result<(), LockFileError> {
    let write = || -> io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // As readable as any file of a repository; the umask still counts.
        let mut file = Builder::new().permissions(Permissions::from_mode(0o644)).tempfile_in(folder)?;
        file.write_all(lock.render().as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|source| LockFileError::Write { path: path.to_owned(), source })
}

//! `deb`: a file out of a package of Debian, by this computer's own apt.
//!
//! For programs of C that upstream publishes no file of, or where only a mirror of Debian can be reached. apt verifies the
//! package by the keys that this computer trusts; which build of a version the mirror has is Debian's to say, so the lock of a
//! site that takes it from there is that site's own. The computer itself is not changed: nothing is installed.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::{Bench, SourceError};
use crate::{manifest::DebFile, tool};

/// 50 MB over 0.6 Mbit/s.
const DOWNLOAD_LIMIT: Duration = Duration::from_mins(12);

/// Unpacking what is here.
pub(super) const UNPACK_LIMIT: Duration = Duration::from_mins(5);

pub(super) fn make(bench: Bench<'_>, file: &DebFile, wanted: &str, scratch: &Path) -> Result<PathBuf, SourceError> {
    let DebFile { package, file } = file;
    let mut apt = Command::new(&bench.tools.apt_get);
    // Programs of a bundle are for Linux on amd64, whatever this computer is.
    apt.args(["--quiet=2", "download"]).arg(format!("{package}:amd64")).current_dir(scratch);
    tool::run(&mut apt, DOWNLOAD_LIMIT)?;
    let archive = downloaded(scratch)?;
    let found = version(bench, &archive)?;
    if upstream(&found) != wanted {
        let (package, wanted) = (package.clone(), wanted.to_owned());
        return Err(SourceError::Package { package, found, wanted });
    }
    let root = scratch.join("root");
    unpack(bench, &archive, &root)?;
    let file = root.join(file);
    fs::metadata(&file).map_err(SourceError::file(&file))?;
    Ok(file)
}

/// The one package that was downloaded: apt names its file.
fn downloaded(scratch: &Path) -> Result<PathBuf, SourceError> {
    let package = archives(scratch).map_err(SourceError::file(scratch))?.pop();
    let nothing = || io::Error::other("apt-get ended well and left no package here");
    package.ok_or_else(nothing).map_err(SourceError::file(scratch))
}

/// The packages in a folder.
pub(super) fn archives(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut archives = Vec::new();
    for entry in fs::read_dir(folder)? {
        archives.extend(Some(entry?.path()).filter(|path| path.extension().is_some_and(|kind| kind == "deb")));
    }
    Ok(archives)
}

/// The whole version of a package.
pub(super) fn version(bench: Bench<'_>, archive: &Path) -> Result<String, SourceError> {
    let mut field = Command::new(&bench.tools.dpkg_deb);
    let found = tool::run(field.arg("--field").arg(archive).arg("Version"), UNPACK_LIMIT)?;
    Ok(found.trim().to_owned())
}

/// Puts the files of a package below `root`.
pub(super) fn unpack(bench: Bench<'_>, archive: &Path, root: &Path) -> Result<(), SourceError> {
    let mut unpack = Command::new(&bench.tools.dpkg_deb);
    tool::run(unpack.arg("--extract").arg(archive).arg(root), UNPACK_LIMIT)?;
    Ok(())
}

/// Upstream's part of a version of Debian: without the epoch before `:` and the revision after the last `-`
/// ([its policy](https://www.debian.org/doc/debian-policy/ch-controlfields.html#version)).
pub(super) fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    version.rsplit_once('-').map_or(version, |(upstream, _)| upstream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstreams_version_stands_between_epoch_and_revision() {
        for (debian, ours) in [("1:1.35.0-4+deb12u1+b1", "1.35.0"), ("2.1-rc1-1", "2.1-rc1"), ("20230101", "20230101")]
        {
            assert_eq!(upstream(debian), ours);
        }
    }
}

//! `packages`: an image of one layer with packages of Debian and all that they depend on, by this computer's own apt.
//!
//! For servers that upstream publishes as packages or as images only, where only a mirror of Debian can be reached. apt resolves
//! against a list of installed packages that is empty, so the image does not depend on what this computer has; nothing is
//! installed, and no maintainer's script is run: what such scripts make (accounts, caches, alternatives) is not there. No
//! root is needed. The bytes depend on the packages and the description only.

mod layer;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use fmp_core::bundle::Kind;

use super::{
    Bench, SourceError, deb,
    image::{self, Run},
};
use crate::{manifest::Packages, tool};

/// 100 MB over 0.6 Mbit/s.
const DOWNLOAD_LIMIT: Duration = Duration::from_mins(25);

/// Where Debian keeps programs that nobody names by their path.
const PATH: &str = "PATH=/usr/sbin:/usr/bin";

pub(super) fn make(
    bench: Bench<'_>,
    kind: &Kind,
    packages: &Packages,
    wanted: &str,
    scratch: &Path,
) -> Result<PathBuf, SourceError> {
    let Kind::Image(reference) = kind else { unreachable!("the decoder refuses to install into what is no image") };
    let archives = download(bench, packages, scratch)?;
    has_version(bench, packages, &archives, wanted)?;
    let root = unpack(bench, packages, &archives, scratch)?;
    let (layer, image) = (scratch.join("layer.tar"), scratch.join("image.tar"));
    let content = layer::content(&root, packages)?;
    let stored = layer::write(&layer, &content).map_err(SourceError::file(&layer))?;
    let user = format!("{0}:{0}", packages.account.id);
    let run = Run { user: Some(&user), env: &[PATH], entrypoint: &packages.entrypoint };
    image::write(&image, reference, run, &stored).map_err(SourceError::file(&image))?;
    Ok(image)
}

/// The files of all packages that are needed, by name.
fn download(bench: Bench<'_>, packages: &Packages, scratch: &Path) -> Result<BTreeMap<String, PathBuf>, SourceError> {
    let (archives, status) = (scratch.join("archives"), scratch.join("status"));
    let partial = archives.join("partial");
    fs::create_dir_all(&partial).map_err(SourceError::file(&partial))?;
    fs::write(&status, "").map_err(SourceError::file(&status))?;
    let mut apt = Command::new(&bench.tools.apt_get);
    apt.args(["--quiet=2", "--assume-yes", "--download-only", "--no-install-recommends"]);
    apt.arg("--option").arg(format!("Dir::State::status={}", status.display()));
    apt.arg("--option").arg(format!("Dir::Cache::archives={}", archives.display()));
    // The lock is that of the list of installed packages, and this one is ours alone.
    apt.args(["--option", "Debug::NoLocking=true"]);
    // Its own user for downloads can't write here.
    apt.args(["--option", "APT::Sandbox::User=root"]);
    // Images of a bundle are for Linux on amd64, whatever this computer is.
    apt.args(["--option", "APT::Architecture=amd64", "install"]);
    apt.args(packages.install.iter().map(|package| format!("{package}:amd64"))).current_dir(scratch);
    tool::run(&mut apt, DOWNLOAD_LIMIT)?;
    downloaded(&archives).map_err(SourceError::file(&archives))
}

/// apt names a file after its package, whose name has no `_`: `redis-server_5%3a7.0.15-1_amd64.deb`.
fn downloaded(archives: &Path) -> io::Result<BTreeMap<String, PathBuf>> {
    let named = |path: PathBuf| {
        let name = path.file_name()?.to_string_lossy().into_owned();
        Some((name.split_once('_')?.0.to_owned(), path))
    };
    Ok(deb::archives(archives)?.into_iter().filter_map(named).collect())
}

/// The first package has the version that the release names: the whole of it, or its first numbers, since Debian mends a
/// package under new ones.
fn has_version(
    bench: Bench<'_>,
    packages: &Packages,
    archives: &BTreeMap<String, PathBuf>,
    wanted: &str,
) -> Result<(), SourceError> {
    let package = &packages.install[0];
    let archive = archives.get(package).ok_or_else(|| SourceError::Unbrought { what: package.clone() })?;
    let found = deb::version(bench, archive)?;
    let version = deb::upstream(&found);
    if version == wanted || version.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.')) {
        Ok(())
    } else {
        let (package, wanted) = (package.clone(), wanted.to_owned());
        Err(SourceError::Package { package, found, wanted })
    }
}

/// A folder with the files of all packages that are wanted, in order of their names.
fn unpack(
    bench: Bench<'_>,
    packages: &Packages,
    archives: &BTreeMap<String, PathBuf>,
    scratch: &Path,
) -> Result<PathBuf, SourceError> {
    if let Some(unmet) = packages.without.iter().find(|package| !archives.contains_key(*package)) {
        return Err(SourceError::Unbrought { what: unmet.clone() });
    }
    let root = scratch.join("root");
    fs::create_dir(&root).map_err(SourceError::file(&root))?;
    for (_, archive) in archives.iter().filter(|(package, _)| !packages.without.contains(package)) {
        deb::unpack(bench, archive, &root)?;
    }
    Ok(root)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_package_is_told_by_its_files_name() {
        let folder = TempDir::new().unwrap();
        for name in ["libc6_2.36-9+deb12u14_amd64.deb", "redis-server_5%3a7.0.15-1_amd64.deb", "lock", "partial"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let found = downloaded(folder.path()).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["libc6", "redis-server"]);
    }
}

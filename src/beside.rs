//! What lies beside the cluster's file and belongs to the platform: its archive, its licence, its certificate.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use fmp::core::{
    Digest, Secret,
    manifest::ManifestFile,
    platform::{Archive, ArchiveFiles, DESCRIPTION, FileBeside, SUMS, Tls},
    spec::{self, Beside, Spec},
};
use miette::{IntoDiagnostic, WrapErr, miette};

use crate::session::read;

/// Reads what `text`, the cluster's file in `folder`, names of the platform.
pub(crate) fn platform(folder: &Path, text: &str) -> miette::Result<Beside> {
    let mut beside = Beside::default();
    if let Some(path) = spec::platform_path(text) {
        let archive = archive(&folder.join(&path), &path)?;
        beside.archive = Some((path, archive));
    }
    for path in spec::platform_files(text) {
        let content = fs::read(folder.join(&path)).map(Secret::new);
        let content =
            content.into_diagnostic().wrap_err_with(|| format!("{path}, which [platform] names, can't be read"))?;
        beside.files.insert(path, Digest::of(content.expose()));
    }
    Ok(beside)
}

/// The platform's archive in a folder, which people call `name`.
pub(crate) fn archive(folder: &Path, name: &str) -> miette::Result<Archive> {
    let of = |file: &str| read(&folder.join(file)).wrap_err_with(|| format!("{name} is no archive of the platform"));
    let files = ArchiveFiles {
        name: name.to_owned(),
        description: of(DESCRIPTION)?,
        sums: of(SUMS)?,
        manifests: manifests(folder)?,
    };
    Archive::parse(&files).map_err(miette::Report::new).wrap_err_with(|| format!("the platform's archive {name}"))
}

/// Every file below `manifests/`, by its path in the archive, in order.
fn manifests(archive: &Path) -> miette::Result<Vec<ManifestFile>> {
    let mut files = Vec::new();
    let mut folders = vec![archive.join("manifests")];
    while let Some(folder) = folders.pop() {
        let listed = || fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>();
        let paths = listed().into_diagnostic().wrap_err_with(|| format!("{} can't be read", folder.display()))?;
        for path in paths {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(archive).ok().and_then(Path::to_str);
            let name = name.ok_or_else(|| miette!("{} is no name of a file in an archive", path.display()))?.to_owned();
            files.push(ManifestFile { name, text: read(&path)? });
        }
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(files)
}

/// The files whose content objects of the API get, by what they held when the cluster's file was read.
pub(crate) fn files(folder: &Path, spec: &Spec) -> BTreeMap<Digest, PathBuf> {
    let platform = spec.platform.iter();
    let all = platform.flat_map(|platform| {
        let tls = platform.tls.iter().flat_map(|Tls { certificate, key }| [certificate, key]);
        platform.licence.iter().chain(tls)
    });
    all.map(|FileBeside { path, digest }| (*digest, folder.join(path))).collect()
}

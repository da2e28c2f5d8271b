//! `file`: what a person put on this computer.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf};

use fmp_core::bundle::ArtifactName;

use super::{Bench, Files, SourceError};
use crate::{hash::digest_of, manifest::Archived};

/// The digests of the files: a file that changed is stored again.
pub(super) fn inputs(bench: Bench<'_>, files: &BTreeMap<ArtifactName, PathBuf>) -> Result<String, SourceError> {
    let mut text = String::new();
    for path in make(bench, files).values() {
        let digest = digest_of(path).map_err(SourceError::file(path))?;
        writeln!(text, "{digest}").expect("writing to a String can't fail");
    }
    Ok(text)
}

/// A file of the platform's archive, as long as it is what the archive says.
pub(super) fn archived(bench: Bench<'_>, archived: &Archived) -> Result<PathBuf, SourceError> {
    let path = bench.folder.join(&archived.file);
    let (wanted, found) = (archived.digest, digest_of(&path).map_err(SourceError::file(&path))?);
    if found == wanted { Ok(path) } else { Err(SourceError::Archived { path: path.into(), wanted, found }) }
}

pub(super) fn make(bench: Bench<'_>, files: &BTreeMap<ArtifactName, PathBuf>) -> Files {
    files.iter().map(|(name, path)| (name.clone(), bench.folder.join(path))).collect()
}

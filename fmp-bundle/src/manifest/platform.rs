//! The platform's archive as a part of a bundle: each of its images is a release.

use std::fs;

use fmp_core::{
    bundle::Kind,
    platform::{self, DESCRIPTION, SUMS},
};

use super::{Archived, Manifest, ManifestError, Release, Source, decode};

/// Adds the images of the archive that a manifest names, if it names one.
pub(super) fn with_images(mut manifest: Manifest) -> Result<Manifest, ManifestError> {
    let Some(archive) = &manifest.platform else { return Ok(manifest) };
    let read = |file: &str| {
        let path = manifest.folder.join(archive).join(file);
        fs::read_to_string(&path).map_err(|source| ManifestError::Read { path, source })
    };
    let images = platform::images(&read(DESCRIPTION)?, &read(SUMS)?);
    let images = images.map_err(|source| ManifestError::Archive { path: archive.clone(), source: Box::new(source) })?;
    let release = |(file, image): (String, platform::ArchivedImage)| Release {
        name: image.artifact.clone(),
        version: image.version(),
        kind: Kind::Image(image.reference),
        artifacts: vec![image.artifact],
        sources: vec![Source::Archived(Archived { file: archive.join(file), digest: image.digest })],
    };
    let releases: Vec<Release> = images.into_iter().map(release).collect();
    manifest.releases.extend(releases);
    decode::check_names(&manifest.releases)?;
    Ok(manifest)
}

//! Sources: from a release's description to files.
//!
//! A source answers two questions: what its result depends on besides its description ([`inputs`]), which is part of the
//! cache's key, and what it gives ([`make`]). Each kind is a file here; a new kind is a variant of
//! [`Source`](crate::manifest::Source), and the compiler names the places that have to think about it.

mod c;
mod deb;
mod debs;
mod file;
mod go;
mod image;
mod oci;
mod packages;
mod url;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use fmp_core::{
    Digest,
    bundle::{ArtifactName, Kind, Lock},
};

use crate::{
    manifest::{Release, Source},
    store::{Store, StoreError},
    tool::{ToolError, Tools},
};

/// What sources work with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bench<'a> {
    pub(crate) tools: &'a Tools,
    pub(crate) store: &'a Store,
    /// Where relative paths begin.
    pub(crate) folder: &'a Path,
    /// What is made already: images are composed from it.
    pub(crate) made: &'a Lock,
}

/// The file of each artifact: in the scratch folder, or elsewhere on this computer.
pub(crate) type Files = BTreeMap<ArtifactName, PathBuf>;

/// One artifact that was made.
pub(crate) struct Piece {
    pub(crate) name: ArtifactName,
    pub(crate) version: String,
    pub(crate) kind: Kind,
    pub(crate) path: PathBuf,
}

/// Why a source gave nothing.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SourceError {
    /// A program failed.
    #[error(transparent)]
    #[diagnostic(help(
        "mend what it says and run `fmp bundle build` again: finished parts are kept; \
        another source can be chosen with `--from`"
    ))]
    Tool(#[from] ToolError),
    /// The store failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// A file of the scratch folder, or one that the description names.
    #[error("{path}")]
    #[diagnostic(help("see that the file can be read, or correct its path in bundle.toml"))]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Upstream's file can't be had.
    #[error("downloading {url}")]
    #[diagnostic(help(
        "see whether this computer reaches it (curl honours `https_proxy`), or choose another source with \
        `fmp bundle build --from go`"
    ))]
    Fetch {
        /// From where.
        url: String,
        /// What curl says.
        #[source]
        source: Box<ToolError>,
    },
    /// Upstream's file isn't what the description says.
    #[error("{url} has the digest {found}, {wanted} is wanted")]
    #[diagnostic(help("compare both with the digest that upstream publishes; correct `sha256` only if that agrees"))]
    Download {
        /// From where.
        url: String,
        /// What the description says.
        wanted: Digest,
        /// What came.
        found: Digest,
    },
    /// An archive lacks a file.
    #[error("{url} has no member `{member}`")]
    #[diagnostic(help("correct `member` in bundle.toml; `tar tzf` lists what there is"))]
    Member {
        /// The archive.
        url: String,
        /// The path inside it.
        member: String,
    },
    /// `go mod download` said something else than expected.
    #[error("`go mod download -json` can't be read")]
    Module(#[source] serde_json::Error),
    /// Debian has another version than the description says.
    #[error("Debian's package `{package}` has version {found}, {wanted} is wanted")]
    #[diagnostic(help("write that version in bundle.toml, or choose another source with `--from`"))]
    Package {
        /// The package.
        package: String,
        /// Its version.
        found: String,
        /// What the description says.
        wanted: String,
    },
    /// A file of the platform's archive has another content than the archive says.
    #[error("{} has the digest {found}, and the archive says {wanted}", path.display())]
    #[diagnostic(help("it was changed or cut off: take the archive once more"))]
    Archived {
        /// The file.
        path: Box<Path>,
        /// What the archive says.
        wanted: Digest,
        /// What the file holds.
        found: Digest,
    },
    /// Packages of a system that nobody knows, or that are not dpkg's.
    #[error("nothing is known of the packages of `{0}`")]
    #[diagnostic(help("name systems as the files of `fmp-core/data/os` are called, such as `debian-12`"))]
    System(String),
    /// Packages of another system than this computer's.
    #[error("this computer is not `{0}`, and nothing says where its packages are")]
    #[diagnostic(help(
        "name a list of repositories: `sources = {{ \"SYSTEM\" = \"sources.list\" }}` beside `systems`"
    ))]
    Repository(String),
    /// apt said something else than expected.
    #[error("apt told of `{0}` what can't be understood")]
    #[diagnostic(help("this is a mistake in FMP, or a mirror that changes just now: run it again"))]
    Resolved(String),
    /// The description speaks of something that no package brings.
    #[error("no package that is installed brings `{what}`")]
    #[diagnostic(help(
        "correct `packages` in bundle.toml: `install` names packages, `without` those that came with them, \
        `leave-out` paths in these"
    ))]
    Unbrought {
        /// A package or a path.
        what: String,
    },
    /// A file that should be an image isn't one.
    #[error("{path} is not an image archive of `{reference}`")]
    #[diagnostic(help("write it with `skopeo copy docker://IMAGE docker-archive:FILE:IMAGE` or `docker save IMAGE`"))]
    Image {
        /// The file.
        path: PathBuf,
        /// The reference under which the image should be known.
        reference: String,
    },
    /// An image archive that is not whole.
    #[error("{path}: the image names {what}, which the archive lacks")]
    #[diagnostic(help(
        "write it again with `skopeo copy --override-os linux --override-arch amd64 docker://IMAGE oci-archive:FILE:IMAGE`"
    ))]
    ImageLacks {
        /// The file.
        path: PathBuf,
        /// What is missing.
        what: Digest,
    },
}

impl SourceError {
    /// For `map_err` on what is done with `path`.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::File { path, source }
    }
}

/// What the result of `source` depends on besides its description: toolchains, files.
pub(crate) fn inputs(bench: Bench<'_>, source: &Source) -> Result<String, SourceError> {
    match source {
        // What was fetched once stays: the lock would refuse anything else. The digest of a file of an archive stands in its
        // description.
        Source::Url(_) | Source::Deb(_) | Source::Debs(_) | Source::Packages(_) | Source::Archived(_) => {
            Ok(String::new())
        }
        Source::Go(module) => go::inputs(bench, module),
        Source::C(_) => c::inputs(bench),
        Source::File(files) => file::inputs(bench, files),
        Source::Compose(compose) => Ok(image::inputs(bench, compose)),
    }
}

/// Makes the release's artifacts from `source`, in the empty folder `scratch`.
pub(crate) fn make(
    bench: Bench<'_>,
    release: &Release,
    source: &Source,
    scratch: &Path,
) -> Result<Vec<Piece>, SourceError> {
    let files = match source {
        Source::Debs(debs) => return debs::make(bench, debs, scratch),
        Source::Url(downloads) => url::make(bench, downloads, scratch)?,
        Source::Go(module) => go::make(bench, &release.name, module, scratch)?,
        Source::C(file) => alone(release, c::make(bench, file, scratch)?),
        Source::Deb(file) => alone(release, deb::make(bench, file, &release.version, scratch)?),
        Source::File(files) => file::make(bench, files),
        Source::Archived(archived) => alone(release, file::archived(bench, archived)?),
        Source::Compose(compose) => alone(release, image::make(bench, &release.kind, compose, scratch)?),
        Source::Packages(packages) => {
            alone(release, packages::make(bench, &release.kind, packages, &release.version, scratch)?)
        }
    };
    let files = match (&release.kind, source) {
        (Kind::Binary | Kind::Package(_), _) | (Kind::Image(_), Source::Compose(_)) => files,
        (Kind::Image(reference), _) => normal(files, reference, scratch)?,
    };
    let Release { version, kind, .. } = release;
    let piece = |(name, path)| Piece { name, version: version.clone(), kind: kind.clone(), path };
    Ok(files.into_iter().map(piece).collect())
}

/// Images that somebody else wrote, as we write them.
fn normal(files: Files, reference: &str, scratch: &Path) -> Result<Files, SourceError> {
    let normal = |(name, path): (ArtifactName, PathBuf)| {
        let to = scratch.join(format!("{name}.oci"));
        oci::normalise(&path, reference, &to)?;
        Ok((name, to))
    };
    files.into_iter().map(normal).collect()
}

/// The digest of the manifest of an image that [`make`] made.
pub(crate) fn manifest(path: &Path) -> Result<Option<Digest>, SourceError> {
    oci::manifest(path).map_err(SourceError::file(path))
}

/// The result of a source that makes one file. The decoder has seen that the release has one artifact.
fn alone(release: &Release, path: PathBuf) -> Files {
    release.artifacts.iter().cloned().zip([path]).collect()
}

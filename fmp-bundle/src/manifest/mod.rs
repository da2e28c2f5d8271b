//! `bundle.toml`: what a cluster is made of, and where each part can come from.
//!
//! Owns the meaning of the file: after [`Manifest::parse`] every release has a source and every text is final. Knows nothing
//! of fetching and building. Read [`Manifest`] first.

mod decode;
mod error;
mod platform;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use fmp_core::{
    Digest,
    bundle::{ArtifactName, Kind, SourceKind},
    os::Need,
};
use serde::Serialize;

pub use error::{BadRelease, ManifestError};

/// Kinds of sources in the order in which they are chosen where `prefer` says nothing: what a person put there by hand,
/// then what upstream or Debian released, then what this computer builds.
const ORDER: [SourceKind; 8] = [
    SourceKind::File,
    SourceKind::Url,
    SourceKind::Deb,
    SourceKind::Debs,
    SourceKind::Packages,
    SourceKind::Go,
    SourceKind::C,
    SourceKind::Compose,
];

/// What a bundle is made of.
#[derive(Debug, Clone)]
pub struct Manifest {
    pub(crate) prefer: Vec<SourceKind>,
    /// The folder of the platform's archive, whose images are releases too once it was read.
    pub(crate) platform: Option<PathBuf>,
    pub(crate) releases: Vec<Release>,
    /// What is not built although a lock may have it.
    pub(crate) left_out: BTreeSet<ArtifactName>,
    /// The same of packages, whose names nobody knows before they are resolved.
    pub(crate) packages_left_out: bool,
    /// Where the paths of `file` sources begin.
    pub(crate) folder: PathBuf,
}

/// Artifacts of one version that come together.
#[derive(Debug, Clone)]
pub(crate) struct Release {
    pub(crate) name: ArtifactName,
    pub(crate) version: String,
    pub(crate) kind: Kind,
    pub(crate) artifacts: Vec<ArtifactName>,
    /// At least one, a kind at most once.
    pub(crate) sources: Vec<Source>,
}

/// One way to come by a release, with nothing left to fill in. What it serialises to is part of the cache's key.
#[derive(Debug, Clone, Serialize)]
pub(crate) enum Source {
    Url(BTreeMap<ArtifactName, Download>),
    Go(GoModule),
    C(CFile),
    Deb(DebFile),
    Debs(Debs),
    File(BTreeMap<ArtifactName, PathBuf>),
    Archived(Archived),
    Compose(Compose),
    Packages(Packages),
}

/// A file to download, or a member of an archive to download.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Download {
    pub(crate) url: String,
    /// The path inside the `tar.gz`; without it the download itself is the artifact.
    pub(crate) member: Option<String>,
    /// The digest of the download, where it is known.
    pub(crate) sha256: Option<Digest>,
}

/// A Go module and the packages whose programs are wanted.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct GoModule {
    pub(crate) module: String,
    /// With `v`, as Go writes it.
    pub(crate) version: String,
    pub(crate) packages: BTreeMap<ArtifactName, String>,
    pub(crate) ldflags: String,
    pub(crate) cgo: Cgo,
    /// The version that replaces modules which the module itself replaces by its folder `staging/`.
    pub(crate) staging: Option<String>,
}

/// Whether C code is part of a Go program.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) enum Cgo {
    Off,
    Static,
}

/// A program in one C file of a Go module.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CFile {
    pub(crate) module: String,
    pub(crate) version: String,
    pub(crate) file: PathBuf,
    pub(crate) flags: Vec<String>,
}

/// A file out of a package of Debian.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct DebFile {
    pub(crate) package: String,
    /// Where the file lies in the package: below its root.
    pub(crate) file: PathBuf,
}

/// A file of the platform's archive.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Archived {
    pub(crate) file: PathBuf,
    /// What the archive says that it holds.
    pub(crate) digest: Digest,
}

/// Packages of systems, with all that they need there.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Debs {
    /// Words of systems.
    pub(crate) systems: BTreeSet<String>,
    pub(crate) needs: BTreeSet<Need>,
    /// Lists of repositories, by the system's word; a system without one is this computer's.
    pub(crate) sources: BTreeMap<String, PathBuf>,
    /// Any text: another one has everything resolved anew.
    pub(crate) as_of: String,
}

/// An image of one layer with one static program of the bundle.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Compose {
    pub(crate) from: ArtifactName,
    /// Where the program lies in the image: absolute.
    pub(crate) path: String,
    /// Further names of the program there, for one that does different things by different names: absolute.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) links: Vec<String>,
    pub(crate) entrypoint: Vec<String>,
    /// The user and group to run as, as in `65535:65535`; root without it.
    pub(crate) user: Option<String>,
}

/// An image of one layer with packages of Debian and all that they depend on.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Packages {
    /// At least one; the first is the one whose version the release names.
    pub(crate) install: Vec<String>,
    /// Packages that others depend on and that are left out all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) without: Vec<String>,
    /// Paths below the root that are left out, with all that is below them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) leave_out: Vec<PathBuf>,
    pub(crate) account: Account,
    pub(crate) entrypoint: Vec<String>,
}

/// Whom the image's program runs as.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Account {
    /// Its name and that of its group, beside root the only ones that the image knows.
    pub(crate) name: String,
    /// The number of both: not 0.
    pub(crate) id: u32,
}

impl Manifest {
    /// Reads `bundle.toml`. Paths in it begin at its folder.
    ///
    /// # Errors
    /// [`ManifestError::Read`], those of [`parse`](Self::parse), and those of the platform's archive, if it names one.
    pub fn read(path: &Path) -> Result<Self, ManifestError> {
        let text = fs::read_to_string(path).map_err(|source| ManifestError::Read { path: path.to_owned(), source })?;
        let folder = path.parent().map_or_else(PathBuf::new, Path::to_owned);
        platform::with_images(Self { folder, ..Self::parse(&text)? })
    }

    /// Decodes the text of a `bundle.toml` whose paths begin at the working directory.
    ///
    /// # Errors
    /// [`ManifestError`], at the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        decode::manifest(text)
    }

    /// The same, but sources of `kind` are chosen wherever a release has one.
    #[must_use]
    pub fn preferring(mut self, kind: SourceKind) -> Self {
        self.prefer.insert(0, kind);
        self
    }

    /// The same without these releases, and without the images that are made of them. A lock goes on holding what is left
    /// out to the same content.
    ///
    /// # Errors
    /// There is no such release.
    pub fn without(mut self, names: &[String]) -> Result<Self, ManifestError> {
        let is_chosen = |release: &Release| names.iter().any(|name| *name == release.name.as_str());
        for name in names {
            if !self.releases.iter().any(|release| release.name.as_str() == *name) {
                return Err(ManifestError::Unknown { release: name.clone() });
            }
        }
        let gone = self.releases.iter().filter(|release| is_chosen(release)).flat_map(|release| &release.artifacts);
        let gone: BTreeSet<ArtifactName> = gone.cloned().collect();
        let is_made_of = |release: &Release| match self.chosen(release) {
            Source::Compose(image) => gone.contains(&image.from),
            Source::Url(_)
            | Source::Go(_)
            | Source::C(_)
            | Source::Deb(_)
            | Source::Debs(_)
            | Source::File(_)
            | Source::Archived(_)
            | Source::Packages(_) => false,
        };
        let (left_out, stay): (Vec<Release>, Vec<Release>) =
            self.releases.iter().cloned().partition(|release| is_chosen(release) || is_made_of(release));
        self.packages_left_out |= left_out.iter().any(|release| matches!(self.chosen(release), Source::Debs(_)));
        self.left_out.extend(left_out.into_iter().flat_map(|release| release.artifacts));
        self.releases = stay;
        Ok(self)
    }

    /// The source that is used for `release`: of the first kind in `prefer` that it has.
    pub(crate) fn chosen<'a>(&self, release: &'a Release) -> &'a Source {
        let found = self.prefer.iter().chain(&ORDER).find_map(|kind| release.source(*kind));
        found.expect("the decoder refuses a release without a source, and ORDER has every kind")
    }
}

impl Release {
    fn source(&self, kind: SourceKind) -> Option<&Source> {
        self.sources.iter().find(|source| source.kind() == kind)
    }
}

impl Source {
    pub(crate) const fn kind(&self) -> SourceKind {
        match self {
            Self::Url(_) => SourceKind::Url,
            Self::Go(_) => SourceKind::Go,
            Self::C(_) => SourceKind::C,
            Self::Deb(_) => SourceKind::Deb,
            Self::Debs(_) => SourceKind::Debs,
            Self::File(_) | Self::Archived(_) => SourceKind::File,
            Self::Compose(_) => SourceKind::Compose,
            Self::Packages(_) => SourceKind::Packages,
        }
    }
}

//! Why a `bundle.toml` is refused.

use std::{io, path::PathBuf};

use fmp_core::{bundle::ArtifactName, platform::ArchiveError};

/// Why a `bundle.toml` is refused.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ManifestError {
    /// The file can't be read.
    #[error("reading {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Not the TOML of a bundle: a wrong type, an unknown key.
    #[error("line {line} of the bundle's description can't be read")]
    Text {
        /// Counted from 1.
        line: usize,
        /// What the decoder says.
        #[source]
        source: toml::de::Error,
    },
    /// The platform's archive is none.
    #[error("the platform's archive {path}")]
    Archive {
        /// Its folder, as the description names it.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<ArchiveError>,
    },
    /// One release makes no sense.
    #[error("release `{release}` of the bundle's description")]
    Release {
        /// The release.
        release: ArtifactName,
        /// What is wrong with it.
        #[source]
        source: BadRelease,
    },
    /// No release has this name.
    #[error("the bundle's description has no release `{release}`")]
    Unknown {
        /// The name.
        release: String,
    },
    /// Two releases have an artifact of the same name.
    #[error("`{artifact}` is an artifact of two releases, `{first}` and `{second}`")]
    Twice {
        /// The artifact.
        artifact: ArtifactName,
        /// A release that has it.
        first: ArtifactName,
        /// Another.
        second: ArtifactName,
    },
}

/// What is wrong with one release.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadRelease {
    /// A text in braces that stands for nothing.
    #[error("`{text}` has a placeholder other than {{name}}, {{version}}, {{major}}, {{minor}}, {{patch}}")]
    Placeholder {
        /// The text with the placeholder.
        text: String,
    },
    /// Nowhere to get it from.
    #[error("no source: add `url`, `go`, `c`, `deb`, `debs`, `file`, `compose` or `packages`")]
    NoSource,
    /// Nothing says which version it is.
    #[error("no version: add `version`")]
    NoVersion,
    /// Packages have their own names and versions.
    #[error("`debs` stands alone: without `version`, `image`, `artifacts` and other sources")]
    Debs,
    /// A system whose packages nobody knows how to resolve.
    #[error("`{0}` is no system with packages of dpkg, such as `debian-12`")]
    System(String),
    /// A source leaves an artifact out.
    #[error("`{artifact}` is missing in `{table}`")]
    LeftOut {
        /// The artifact.
        artifact: ArtifactName,
        /// The table of the source.
        table: &'static str,
    },
    /// A source names what isn't listed under `artifacts`.
    #[error("`{artifact}` in `{table}` is none of the release's artifacts")]
    Unlisted {
        /// The name.
        artifact: ArtifactName,
        /// The table of the source.
        table: &'static str,
    },
    /// A digest in `url.sha256` isn't one.
    #[error("url.sha256")]
    Digest(#[source] fmp_core::digest::BadDigest),
    /// This kind of source gives exactly one artifact.
    #[error("`{0}` gives one artifact, the release has another number")]
    One(&'static str),
    /// `compose` and `packages` make images, and programs are never made by them.
    #[error("`{0}` goes with `image`, the reference under which the image is known")]
    NoReference(&'static str),
    /// `compose` takes its program from the bundle.
    #[error("`compose` takes `{0}`, which no release has as a binary")]
    NoBase(ArtifactName),
    /// The path of the program in the image.
    #[error("`{0}` is not an absolute path inside an image")]
    ImagePath(String),
    /// Two things at one path in the image.
    #[error("`{0}` is named twice for one image")]
    ImagePathTwice(String),
    /// The name of a package.
    #[error("`{0}` is not the name of a package: a-z, 0-9, `+`, `-` and `.`")]
    PackageName(String),
    /// `packages` installs something.
    #[error("`packages.install` names no package")]
    NoPackage,
    /// Whom an image's program runs as.
    #[error("`{name}` with the number {id} is no account of an image: a-z, 0-9 and `-`, and a number other than 0")]
    Account {
        /// Its name.
        name: String,
        /// Its number.
        id: u32,
    },
    /// The path of a file in a package.
    #[error("`{0}` is not the path of a file below the root of a package, such as `bin/busybox`")]
    PackagePath(PathBuf),
}

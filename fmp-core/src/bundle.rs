//! The lock of a bundle: which binaries and images a cluster is made of, by content.
//!
//! Owns names, digests and the text of `bundle.lock`. Knows nothing of stores, files and builds, which are `fmp-bundle`'s.
//! Read [`Lock`] first.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, BTreeSet},
    fmt,
    fmt::Write as _,
    ops::Range,
    str::FromStr,
    sync::Arc,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Digest, os::Need};

/// The one format of `bundle.lock` that this version reads and writes.
const FORMAT: u32 = 1;

/// What a bundle holds: one [`Entry`] an artifact, in order of names.
///
/// The same entries give the same text, whatever order they came in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock(BTreeMap<ArtifactName, Entry>);

/// One binary or image, by content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name that roles ask for, such as `kubelet`.
    pub name: ArtifactName,
    /// The upstream version, without `v`: `1.29.15`.
    pub version: String,
    /// The SHA-256 of the content, uncompressed.
    pub digest: Digest,
    /// The length of the content in bytes, uncompressed.
    pub size: u64,
    /// What the content is.
    pub kind: Kind,
    /// Where the content came from on the machine that locked it.
    pub source: SourceKind,
    /// Of an image, the digest of its manifest: what a registry and a container runtime know it by. None: no image, or
    /// locked by a version of the program that did not note it.
    pub manifest: Option<Digest>,
}

/// What an artifact's content is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// An executable file for Linux.
    Binary,
    /// A container image as an archive of an OCI layout, known to the container runtime by this reference.
    Image(String),
    /// A package of an operating system.
    Package(PackageOf),
}

/// Whose package it is, and what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageOf {
    /// The word of the system: `debian-12`.
    pub system: String,
    /// Its name there.
    pub package: String,
    /// What can't be installed without it.
    pub needs: BTreeSet<Need>,
}

/// Ways to come by an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// Upstream's release file.
    Url,
    /// Built from a Go module.
    Go,
    /// Compiled from one C file inside a Go module.
    C,
    /// A file out of a package of Debian.
    Deb,
    /// Packages of Debian, or of a system made from it, whole.
    Debs,
    /// A file of this computer.
    File,
    /// Composed from another artifact of the bundle.
    Compose,
    /// An image of packages of Debian with all that they need.
    Packages,
}

/// Why a text is no kind of source.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a kind of source: url, go, c, deb, debs, file, compose or packages")]
pub struct BadSourceKind(String);

/// The name of an artifact: `a-z`, `0-9` and `-`, so that it is a file name, a TOML key and a part of a resource's id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArtifactName(Arc<str>);

/// Why a text is no artifact's name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not an artifact's name: a-z, 0-9 and `-`, beginning with a letter or a digit")]
pub struct BadArtifactName(String);

/// Why a text is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Not the TOML of a lock.
    #[error("line {line} of the lock can't be read")]
    Text {
        /// Counted from 1.
        line: usize,
        /// What the decoder says.
        #[source]
        source: toml::de::Error,
    },
    /// Another version of the program wrote it.
    #[error("line {line} of the lock: format {found}, this version of fmp reads format {FORMAT}")]
    Format {
        /// Counted from 1.
        line: usize,
        /// The format that the lock names.
        found: u32,
    },
    /// The end is missing, or lines were cut out.
    #[error("line {line} of the lock is its last: {promised} artifacts are announced at its head, {found} follow")]
    Truncated {
        /// The last line, counted from 1.
        line: usize,
        /// How many artifacts the head announces.
        promised: usize,
        /// How many there are.
        found: usize,
    },
}

impl Lock {
    /// The artifact called `name`.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.0.get(name)
    }

    /// All artifacts in order of names.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.0.values()
    }

    /// Adds `entry`, and returns the one of the same name that it replaces.
    pub fn insert(&mut self, entry: Entry) -> Option<Entry> {
        self.0.insert(entry.name.clone(), entry)
    }

    /// Adds all of `other`, whose entries replace those of the same name.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The digest of the whole lock, as a plan's basis names it.
    pub fn digest(&self) -> Digest {
        Digest::of(self.render())
    }

    /// The text of `bundle.lock`.
    pub fn render(&self) -> String {
        let mut text = String::from("# Written by `fmp bundle build`; digests are of the content, uncompressed.\n");
        let mut line = |args: fmt::Arguments<'_>| {
            text.write_fmt(args).expect("writing to a String can't fail");
            text.push('\n');
        };
        line(format_args!("format = {FORMAT}\nartifacts = {}", self.0.len()));
        for Entry { name, version, digest, size, kind, source, manifest } in self.0.values() {
            line(format_args!("\n[artifact.{name}]\nversion = {}", quoted(version)));
            match kind {
                Kind::Binary => {}
                Kind::Image(reference) => line(format_args!("image = {}", quoted(reference))),
                Kind::Package(PackageOf { system, package, needs }) => {
                    let needs: Vec<String> = needs.iter().map(|need| quoted(need.as_str())).collect();
                    let (system, package, needs) = (quoted(system), quoted(package), needs.join(", "));
                    line(format_args!("package = {{ system = {system}, name = {package}, needs = [{needs}] }}"));
                }
            }
            if let Some(manifest) = manifest {
                line(format_args!("manifest = \"{manifest}\""));
            }
            line(format_args!("digest = \"{digest}\"\nsize = {size}\nsource = \"{source}\""));
        }
        text
    }

    /// Reads what [`render`](Self::render) writes.
    ///
    /// # Errors
    /// Anything else: unknown keys, another format, missing lines. Each names a line.
    pub fn parse(text: &str) -> Result<Self, LockError> {
        let line = |span: Range<usize>| 1 + text[..span.start.min(text.len())].matches('\n').count();
        let raw: RawLock = toml::from_str(text).map_err(|source| {
            let at = source.span().unwrap_or(text.len()..text.len());
            LockError::Text { line: line(at), source }
        })?;
        if *raw.format.get_ref() != FORMAT {
            return Err(LockError::Format { line: line(raw.format.span()), found: raw.format.into_inner() });
        }
        if raw.artifacts != raw.artifact.len() {
            let (promised, found) = (raw.artifacts, raw.artifact.len());
            return Err(LockError::Truncated { line: text.lines().count(), promised, found });
        }
        Ok(raw.artifact.into_iter().map(|(name, raw)| raw.named(name)).collect())
    }
}

impl FromIterator<Entry> for Lock {
    /// Of two entries of one name the later stays.
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        Self(entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLock {
    format: toml::Spanned<u32>,
    artifacts: usize,
    #[serde(default)]
    artifact: BTreeMap<ArtifactName, RawEntry>,
}

/// An entry as the file has it: what names an `image` is one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    version: String,
    image: Option<String>,
    manifest: Option<Digest>,
    package: Option<RawPackage>,
    digest: Digest,
    size: u64,
    source: SourceKind,
}

/// A package as the file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPackage {
    system: String,
    name: String,
    needs: BTreeSet<Need>,
}

impl RawEntry {
    fn named(self, name: ArtifactName) -> Entry {
        let Self { version, image, package, manifest, digest, size, source } = self;
        let of = |RawPackage { system, name, needs }| Kind::Package(PackageOf { system, package: name, needs });
        let kind = package.map(of).or(image.map(Kind::Image)).unwrap_or(Kind::Binary);
        Entry { name, version, digest, size, kind, source, manifest }
    }
}

/// `text` as a TOML string.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

impl SourceKind {
    /// The word in `bundle.toml` and `bundle.lock`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Go => "go",
            Self::C => "c",
            Self::Deb => "deb",
            Self::Debs => "debs",
            Self::File => "file",
            Self::Compose => "compose",
            Self::Packages => "packages",
        }
    }
}

impl FromStr for SourceKind {
    type Err = BadSourceKind;

    fn from_str(text: &str) -> Result<Self, BadSourceKind> {
        let kinds = [Self::Url, Self::Go, Self::C, Self::Deb, Self::Debs, Self::File, Self::Compose, Self::Packages];
        kinds.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| BadSourceKind(text.to_owned()))
    }
}

impl fmt::Display for SourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ArtifactName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ArtifactName {
    type Err = BadArtifactName;

    fn from_str(text: &str) -> Result<Self, BadArtifactName> {
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        let good = text.bytes().next().is_some_and(plain) && text.bytes().all(|c| c == b'-' || plain(c));
        if good { Ok(Self(text.into())) } else { Err(BadArtifactName(text.to_owned())) }
    }
}

impl Borrow<str> for ArtifactName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ArtifactName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ArtifactName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for ArtifactName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ArtifactName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, kind: Kind) -> Entry {
        let (version, digest) = ("1.29.15".to_owned(), Digest::of(name));
        let manifest = matches!(kind, Kind::Image(_)).then(|| Digest::of("manifest"));
        Entry { name: name.parse().unwrap(), version, digest, size: 42, kind, source: SourceKind::Go, manifest }
    }

    fn sample() -> Vec<Entry> {
        let pause = Kind::Image("registry.k8s.io/pause:3.9".to_owned());
        let needs = [Need::Haproxy, Need::Iptables].into();
        let package = Kind::Package(PackageOf { system: "debian-12".to_owned(), package: "libc6".to_owned(), needs });
        let binary = |name| entry(name, Kind::Binary);
        vec![binary("kubelet"), entry("pause", pause), binary("etcd"), entry("debian-12-libc6", package)]
    }

    #[test]
    fn a_lock_is_byte_stable_whatever_order_it_was_filled_in() {
        let mut entries = sample();
        let first: Lock = entries.iter().cloned().collect();
        entries.reverse();
        let second: Lock = entries.into_iter().collect();
        assert_eq!(first.render(), second.render());
        assert_eq!(first.digest(), second.digest());
    }

    #[test]
    fn a_lock_reads_what_it_writes() {
        let lock: Lock = sample().into_iter().collect();
        let read = Lock::parse(&lock.render()).unwrap();
        assert_eq!(read, lock);
        assert_eq!(read.entry("kubelet").map(|entry| entry.size), Some(42));
        assert_eq!(read.entry("kubeadm"), None);
    }

    #[test]
    fn a_lock_of_a_version_that_noted_no_manifests_is_still_read() {
        let text = sample().into_iter().collect::<Lock>().render();
        let older = text.lines().filter(|line| !line.starts_with("manifest")).collect::<Vec<_>>().join("\n");
        let read = Lock::parse(&older).unwrap();
        assert_eq!(read.entry("pause").map(|entry| entry.manifest), Some(None));
        assert_eq!(read.entries().len(), 4);
    }

    #[test]
    fn a_lock_cut_off_anywhere_is_refused_with_a_line() {
        let text = sample().into_iter().collect::<Lock>().render();
        let whole = text.trim_end();
        for end in 0..whole.len() {
            let error = Lock::parse(&whole[..end]).expect_err(&whole[..end]).to_string();
            assert!(error.starts_with("line "), "{error}");
        }
    }

    #[test]
    fn names_the_line_of_what_it_refuses() {
        let text = sample().into_iter().collect::<Lock>().render();
        let line_of = |from: &str, to: &str| Lock::parse(&text.replacen(from, to, 1)).unwrap_err().to_string();
        assert_eq!(
            line_of("format = 1", "format = 2"),
            "line 2 of the lock: format 2, this version of fmp reads format 1"
        );
        for (from, to, line) in [
            ("size = 42", "size = 42\nsmell = 3", 10),
            ("sha256:", "sha512:", 8),
            ("\"go\"", "\"git\"", 10),
            ("[artifact.kubelet]", "[artifact.Kubelet]", 18),
            ("[artifact.kubelet]", "[artifact.etcd]", 18),
        ] {
            assert_eq!(line_of(from, to), format!("line {line} of the lock can't be read"), "{to}");
        }
    }

    #[test]
    fn an_artifacts_name_is_safe_as_a_file_name() {
        for bad in ["", "-a", "A", "a/b", "a.b", "..", "a b"] {
            assert!(bad.parse::<ArtifactName>().is_err(), "{bad}");
        }
        assert!("containerd-shim-runc-v2".parse::<ArtifactName>().is_ok());
    }
}

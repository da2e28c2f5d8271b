//! From an archive's files to what it brings.

use std::collections::{BTreeMap, BTreeSet};

use miette::Diagnostic;
use serde::Deserialize;

use super::{Archive, ArchiveFiles, ArchivedImage, DESCRIPTION, DatabaseSet, SUMS, Sums, WebEntrance};
use crate::{
    Digest, NodeName,
    bundle::ArtifactName,
    manifest::{self, BadManifests, ManifestFile},
    resource::Object,
};

/// The one shape of an archive that this version reads.
const SCHEMA: u32 = 1;

/// What is wrong with an archive.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum ArchiveError {
    /// `platform.toml` is not what it should be.
    #[error("line {line} of {DESCRIPTION} can't be read: {message}")]
    #[diagnostic(help("docs/PLATFORM.md says what stands in it"))]
    Description {
        /// Counted from 1.
        line: usize,
        /// What the decoder says.
        message: String,
    },
    /// Another version of the program reads it.
    #[error("the archive has schema {found}, this version of fmp reads schema {SCHEMA}")]
    #[diagnostic(help("a newer fmp reads it"))]
    Schema {
        /// The schema that it names.
        found: u32,
    },
    /// A line of `SHA256SUMS` is none.
    #[error("line {line} of {SUMS} is no line of sha256sum for a file of this folder")]
    #[diagnostic(help("`sha256sum` writes it, in the archive's folder: take the archive once more"))]
    Sum {
        /// Counted from 1.
        line: usize,
    },
    /// A file that nothing vouches for.
    #[error("{path} is not listed in {SUMS}")]
    #[diagnostic(help("take the archive once more; a file of yours has no place in it"))]
    Unlisted {
        /// Its path in the archive.
        path: String,
    },
    /// A file with another content.
    #[error("{path} has another content than {SUMS} says")]
    #[diagnostic(help(
        "it was changed or cut off: take the archive once more; what you want otherwise stands under [components.manifests]"
    ))]
    Changed {
        /// Its path in the archive.
        path: String,
    },
    /// A file that is listed and not there.
    #[error("{path} is listed in {SUMS} and is not there")]
    #[diagnostic(help("take the archive once more"))]
    Gone {
        /// Its path in the archive.
        path: String,
    },
    /// What it says does not agree with itself.
    #[error("{what}")]
    #[diagnostic(help("this is the archive's own mistake: ask whoever made it"))]
    Rule {
        /// In one sentence.
        what: String,
    },
    /// A manifest that can't be applied.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Manifests(#[from] BadManifests),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawArchive {
    schema: toml::Spanned<u32>,
    title: String,
    version: String,
    namespace: String,
    /// The folder of what is no database.
    manifests: Option<String>,
    entrance: Option<RawEntrance>,
    #[serde(default)]
    images: BTreeMap<String, String>,
    #[serde(default)]
    databases: BTreeMap<String, RawDatabase>,
    #[serde(default)]
    secrets: BTreeMap<String, RawSecret>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntrance {
    service: String,
    port: u16,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDatabase {
    kind: String,
    workload: String,
    manifests: String,
    service: String,
    port: u16,
    copies: u32,
    voters: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSecret {
    keys: Vec<String>,
}

impl RawArchive {
    /// Names that become those of objects are such names.
    fn names(&self) -> Result<(), ArchiveError> {
        let services = self.databases.values().map(|set| &set.service);
        let services = services.chain(self.entrance.iter().map(|entrance| &entrance.service));
        let names = [&self.namespace].into_iter().chain(services).chain(self.secrets.keys());
        // A key of a Secret is asked for by a path of kubectl's, where a dot would part it.
        let keys = self.secrets.values().flat_map(|secret| &secret.keys);
        match names.chain(keys).find(|name| name.parse::<NodeName>().is_err()) {
            Some(bad) => Err(rule(format!("{DESCRIPTION} has `{bad}` where a name of a-z, 0-9 and `-` belongs"))),
            None => Ok(()),
        }
    }
}

impl Archive {
    /// Reads an archive whose manifests are as `SHA256SUMS` says. Of images only the digests are taken from there: whoever
    /// copies one compares it.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(files: &ArchiveFiles) -> Result<Self, ArchiveError> {
        let sums = Sums::parse(&files.sums)?;
        let same = |path: &str, text: &str| {
            let listed = sums.of(path)?;
            if listed == Digest::of(text) { Ok(()) } else { Err(ArchiveError::Changed { path: path.to_owned() }) }
        };
        same(DESCRIPTION, &files.description)?;
        files.manifests.iter().try_for_each(|file| same(&file.name, &file.text))?;
        let there: BTreeSet<&str> = files.manifests.iter().map(|file| file.name.as_str()).collect();
        if let Some(gone) = sums.below("manifests").find(|path| !there.contains(path)) {
            return Err(ArchiveError::Gone { path: gone.to_owned() });
        }
        let raw = read(&files.description)?;
        raw.names()?;
        let mut folders = Folders { archive: &files.name, files: &files.manifests, keys: BTreeMap::new() };
        let objects = raw.manifests.as_deref().map_or(Ok(Vec::new()), |folder| folders.objects(folder, &raw.namespace));
        let objects = objects?;
        let database = |(name, raw_set): (&String, &RawDatabase)| {
            Ok((name.clone(), set(name, raw_set, folders.objects(&raw_set.manifests, &raw.namespace)?)?))
        };
        let databases = raw.databases.iter().map(database).collect::<Result<_, ArchiveError>>()?;
        let images = raw.images.iter().map(|(file, reference)| image(&sums, file, reference));
        let images = images.collect::<Result<_, ArchiveError>>()?;
        Ok(Self {
            title: raw.title,
            version: raw.version,
            namespace: raw.namespace,
            entrance: raw.entrance.map(|RawEntrance { service, port }| WebEntrance { service, port }),
            images,
            databases,
            secrets: raw.secrets.into_iter().map(|(name, secret)| (name, secret.keys)).collect(),
            objects,
            digest: Digest::of(&files.sums),
        })
    }
}

/// The images of an archive, by their file in it, from its description and its sums alone.
///
/// # Errors
/// One of the two can't be read, or they don't belong together.
pub fn images(description: &str, sums: &str) -> Result<BTreeMap<String, ArchivedImage>, ArchiveError> {
    let sums = Sums::parse(sums)?;
    if sums.of(DESCRIPTION)? != Digest::of(description) {
        return Err(ArchiveError::Changed { path: DESCRIPTION.to_owned() });
    }
    read(description)?.images.iter().map(|(file, reference)| image(&sums, file, reference)).collect()
}

fn read(description: &str) -> Result<RawArchive, ArchiveError> {
    let raw: RawArchive = toml::from_str(description).map_err(|error| {
        let at = error.span().map_or(description.len(), |span| span.start);
        let line = 1 + description[..at.min(description.len())].matches('\n').count();
        ArchiveError::Description { line, message: error.message().to_owned() }
    })?;
    let found = *raw.schema.get_ref();
    if found == SCHEMA { Ok(raw) } else { Err(ArchiveError::Schema { found }) }
}

fn rule(what: String) -> ArchiveError {
    ArchiveError::Rule { what }
}

/// The manifests of an archive, and who brought each object.
struct Folders<'a> {
    archive: &'a str,
    files: &'a [ManifestFile],
    keys: BTreeMap<String, String>,
}

impl Folders<'_> {
    /// The objects in one folder, each brought by no other one, all in `namespace`.
    fn objects(&mut self, folder: &str, namespace: &str) -> Result<Vec<Object>, ArchiveError> {
        let is_inside = |file: &&ManifestFile| {
            file.name
                .strip_prefix(folder)
                .and_then(|rest| rest.strip_prefix('/'))
                .is_some_and(|name| !name.contains('/'))
        };
        let named = |file: &ManifestFile| ManifestFile {
            name: format!("{}/{}", self.archive, file.name),
            text: file.text.clone(),
        };
        let files: Vec<ManifestFile> = self.files.iter().filter(is_inside).map(named).collect();
        if files.is_empty() {
            return Err(rule(format!("{DESCRIPTION} names the manifests in {folder}, and there are none")));
        }
        let objects = manifest::parse(&files)?;
        for object in &objects {
            if let Some(other) = self.keys.insert(object.key.clone(), folder.to_owned()) {
                return Err(rule(format!("{} is brought by {other} and by {folder}", object.key)));
            }
            if let Some(outside) = object.namespace().filter(|own| *own != namespace) {
                let key = &object.key;
                return Err(rule(format!("{key} is in the namespace {outside}, and the platform's is {namespace}")));
            }
        }
        Ok(objects)
    }
}

fn set(name: &str, raw: &RawDatabase, objects: Vec<Object>) -> Result<DatabaseSet, ArchiveError> {
    let RawDatabase { kind, workload, manifests, service, port, copies, voters } = raw;
    if voters % 2 == 0 {
        return Err(rule(format!("database {name} has {voters} voters: an even number, which a split can halve")));
    }
    if copies < voters {
        return Err(rule(format!("database {name} has {voters} voters and only {copies} copies")));
    }
    if !objects.iter().any(|object| object.key == *workload) {
        return Err(rule(format!("{manifests} does not bring {workload}, the workload of database {name}")));
    }
    Ok(DatabaseSet {
        kind: kind.clone(),
        workload: workload.clone(),
        service: service.clone(),
        port: *port,
        copies: *copies,
        voters: *voters,
        objects,
    })
}

/// An image by its file: `images/postgres.tar` is `platform-postgres` in bundles.
fn image(sums: &Sums, file: &str, reference: &str) -> Result<(String, ArchivedImage), ArchiveError> {
    let stem = file.strip_prefix("images/").and_then(|name| name.strip_suffix(".tar"));
    let artifact = stem.and_then(|stem| format!("platform-{stem}").parse::<ArtifactName>().ok());
    let artifact = artifact.ok_or_else(|| {
        rule(format!("{DESCRIPTION} names the image {file}: images/NAME.tar is wanted, of a-z, 0-9 and `-`"))
    })?;
    Ok((file.to_owned(), ArchivedImage { artifact, reference: reference.to_owned(), digest: sums.of(file)? }))
}

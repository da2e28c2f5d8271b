//! Images as archives of one shape: an OCI layout with one image, for one platform, under one name
//! (<https://github.com/opencontainers/image-spec/blob/v1.0.2/image-layout.md>).
//!
//! A container runtime imports such an archive, and a registry's folder is filled from its blobs: both know the image by the
//! digest of its manifest. The bytes depend on the image and its name only. Read [`normalise`] first.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Component, Path, PathBuf},
};

use fmp_core::Digest;
use serde::{Deserialize, Serialize};
use tar::{EntryType, Header};

use super::SourceError;
use crate::hash::Hashed;

const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";

/// Registries take no larger manifest.
const MOST_TEXT: u64 = 4 << 20;

/// An index names an index seldom, and none deeper.
const MOST_INDEXES: usize = 3;

/// What one thing names another by.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: Option<String>,
    digest: Digest,
    size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing)]
    platform: Option<Platform>,
}

#[derive(Debug, Clone, Deserialize)]
struct Platform {
    architecture: String,
    os: String,
}

/// An index, of a layout or of an image for several platforms.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    manifests: Vec<Descriptor>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    media_type: Option<String>,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

/// One image of what `docker save` writes, in its `manifest.json`
/// (<https://github.com/moby/docker-image-spec/blob/main/v1.2.md#combined-image-json--filesystem-changeset-format>).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// Bytes in a file.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) path: PathBuf,
    /// Where they begin there.
    pub(super) offset: u64,
}

impl Part {
    fn open(&self) -> io::Result<io::Take<File>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        Ok(file.take(self.size))
    }

    fn text(&self) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        self.open()?.take(MOST_TEXT).read_to_end(&mut text)?;
        Ok(text)
    }

    /// What a layer is: its first bytes tell how it is packed.
    fn layer_type(&self) -> io::Result<String> {
        let mut magic = Vec::new();
        self.open()?.take(4).read_to_end(&mut magic)?;
        Ok(match magic.as_slice() {
            [0x1f, 0x8b, ..] => format!("{LAYER_TYPE}+gzip"),
            [0x28, 0xb5, 0x2f, 0xfd] => format!("{LAYER_TYPE}+zstd"),
            _ => LAYER_TYPE.to_owned(),
        })
    }

    fn described(&self, media_type: String) -> Descriptor {
        let (digest, size) = (self.digest, self.size);
        Descriptor { media_type: Some(media_type), digest, size, annotations: BTreeMap::new(), platform: None }
    }
}

/// Writes the image of `config` and one layer to `to`.
pub(super) fn compose(to: &Path, reference: &str, config: &[u8], layer: &Part) -> io::Result<()> {
    let size = config.len() as u64;
    let config_described =
        Part { digest: Digest::of(config), size, path: PathBuf::new(), offset: 0 }.described(CONFIG_TYPE.to_owned());
    let manifest = manifest_of(config_described, vec![layer.described(layer.layer_type()?)])?;
    write(to, reference, MANIFEST_TYPE, &[&manifest, config], std::slice::from_ref(layer))
}

fn manifest_of(config: Descriptor, layers: Vec<Descriptor>) -> io::Result<Vec<u8>> {
    let media_type = Some(MANIFEST_TYPE.to_owned());
    Ok(serde_json::to_vec(&Manifest { schema_version: 2, media_type, config, layers })?)
}

/// Writes a layout: the manifest is the first of `texts`.
fn write(to: &Path, reference: &str, media_type: &str, texts: &[&[u8]], parts: &[Part]) -> io::Result<()> {
    let manifest = texts[0];
    let named = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let index = Index {
        schema_version: 2,
        manifests: vec![Descriptor {
            media_type: Some(media_type.to_owned()),
            digest: Digest::of(manifest),
            size: manifest.len() as u64,
            // The first is what containerd takes for the image's name, the second what everybody else does.
            annotations: BTreeMap::from([
                named("io.containerd.image.name", reference),
                named("org.opencontainers.image.ref.name", reference),
            ]),
            platform: None,
        }],
    };
    let mut tar = tar::Builder::new(File::create(to)?);
    let index = serde_json::to_vec(&index)?;
    for (name, text) in [("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#.as_slice()), ("index.json", &index)] {
        tar.append(&header(name, EntryType::Regular, text.len() as u64)?, text)?;
    }
    let texts: BTreeMap<Digest, &[u8]> = texts.iter().map(|text| (Digest::of(text), *text)).collect();
    let parts: BTreeMap<Digest, &Part> = parts.iter().map(|part| (part.digest, part)).collect();
    for (digest, text) in &texts {
        tar.append(&header(&blob(*digest), EntryType::Regular, text.len() as u64)?, *text)?;
    }
    for (digest, part) in parts.iter().filter(|(digest, _)| !texts.contains_key(digest)) {
        tar.append(&header(&blob(*digest), EntryType::Regular, part.size)?, part.open()?)?;
    }
    tar.into_inner()?.flush()
}

fn blob(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// A member of an archive, of nobody and no time.
pub(super) fn header(name: &str, kind: EntryType, size: u64) -> io::Result<Header> {
    let mut header = Header::new_ustar();
    header.set_path(name)?;
    header.set_entry_type(kind);
    header.set_mode(0o755);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header.set_cksum();
    Ok(header)
}

/// The digest of the manifest in an archive that [`normalise`] or [`compose`] wrote.
pub(crate) fn manifest(path: &Path) -> io::Result<Option<Digest>> {
    for entry in tar::Archive::new(File::open(path)?).entries()? {
        let entry = entry?;
        if entry.path_bytes().as_ref() == b"index.json" {
            let mut text = Vec::new();
            entry.take(MOST_TEXT).read_to_end(&mut text)?;
            let index: Index = serde_json::from_slice(&text)?;
            return Ok(index.manifests.first().map(|manifest| manifest.digest));
        }
    }
    Ok(None)
}

/// Writes the image called `reference` in the archive `from`, an OCI layout or what `docker save` writes, to `to`.
///
/// # Errors
/// [`SourceError::Image`] where there is no such image, [`SourceError::ImageLacks`] where a part of it is missing.
pub(super) fn normalise(from: &Path, reference: &str, to: &Path) -> Result<(), SourceError> {
    let archive = Archive::read(from).map_err(SourceError::file(from))?;
    let image = archive.image(reference).map_err(SourceError::file(from))?;
    let not_there = || SourceError::Image { path: from.to_owned(), reference: reference.to_owned() };
    let Image { media_type, manifest, config, layers } = image.ok_or_else(not_there)?;
    let part = |wanted: &Descriptor| {
        let lacks = || SourceError::ImageLacks { path: from.to_owned(), what: wanted.digest };
        archive.by_digest(wanted.digest).cloned().ok_or_else(lacks)
    };
    let parts = [&config].into_iter().chain(&layers).map(part).collect::<Result<Vec<_>, _>>()?;
    write(to, reference, &media_type, &[&manifest], &parts).map_err(SourceError::file(to))
}

/// One image of an archive.
struct Image {
    media_type: String,
    manifest: Vec<u8>,
    config: Descriptor,
    layers: Vec<Descriptor>,
}

/// What an archive holds, by name, with the digests of its content whatever the names say.
struct Archive {
    parts: BTreeMap<PathBuf, Part>,
}

impl Archive {
    /// Reads all of it once. What is no archive holds nothing.
    fn read(path: &Path) -> io::Result<Self> {
        let mut parts = BTreeMap::new();
        let mut links = Vec::new();
        for entry in tar::Archive::new(File::open(path)?).entries()? {
            // Whatever can't be read as a member means: not an archive, or its end.
            let Ok(mut entry) = entry else { break };
            let name = plain(&entry.path()?);
            let target = entry.link_name()?.map(std::borrow::Cow::into_owned);
            match (entry.header().entry_type(), target) {
                (EntryType::Regular, _) => {
                    let (offset, size) = (entry.raw_file_position(), entry.size());
                    let mut hashed = Hashed::new(io::sink());
                    io::copy(&mut entry, &mut hashed)?;
                    let digest = hashed.finish().1;
                    parts.insert(name, Part { digest, size, path: path.to_owned(), offset });
                }
                // `docker save` of some versions writes a layer once, and links to it.
                (EntryType::Symlink, Some(target)) => {
                    let folder = name.parent().map_or_else(PathBuf::new, Path::to_owned);
                    links.push((name, plain(&folder.join(target))));
                }
                (EntryType::Link, Some(target)) => links.push((name, plain(&target))),
                _ => {}
            }
        }
        for (name, target) in links {
            if let Some(part) = parts.get(&target).cloned() {
                parts.insert(name, part);
            }
        }
        Ok(Self { parts })
    }

    fn by_digest(&self, digest: Digest) -> Option<&Part> {
        self.parts.values().find(|part| part.digest == digest)
    }

    fn image(&self, reference: &str) -> io::Result<Option<Image>> {
        if let Some(found) = self.of_layout(reference)? {
            return Ok(Some(found));
        }
        self.of_saved(reference)
    }

    /// The image that the layout's index calls so, for the platform of all our programs.
    fn of_layout(&self, reference: &str) -> io::Result<Option<Image>> {
        let Some(index) = self.json::<Index>("index.json")? else { return Ok(None) };
        let is_named = |found: &Descriptor| found.annotations.values().any(|name| name == reference);
        let Some(mut at) = index.manifests.into_iter().find(is_named) else { return Ok(None) };
        for _ in 0..MOST_INDEXES {
            let Some(part) = self.by_digest(at.digest) else { return Ok(None) };
            let text = part.text()?;
            if let Ok(Manifest { media_type, config, layers, .. }) = serde_json::from_slice(&text) {
                let media_type = media_type.or(at.media_type).unwrap_or_else(|| MANIFEST_TYPE.to_owned());
                return Ok(Some(Image { media_type, manifest: text, config, layers }));
            }
            let Ok(index) = serde_json::from_slice::<Index>(&text) else { return Ok(None) };
            let ours = |found: &Descriptor| {
                found.platform.as_ref().is_none_or(|own| own.os == "linux" && own.architecture == "amd64")
            };
            let Some(next) = index.manifests.into_iter().find(ours) else { return Ok(None) };
            at = next;
        }
        Ok(None)
    }

    /// The image that `docker save` calls so. It has no manifest as registries know them, and gets one.
    fn of_saved(&self, reference: &str) -> io::Result<Option<Image>> {
        let images = self.json::<Vec<Saved>>("manifest.json")?.unwrap_or_default();
        let is_named = |image: &Saved| image.repo_tags.iter().flatten().any(|name| name == reference);
        let Some(Saved { config, layers, .. }) = images.into_iter().find(is_named) else { return Ok(None) };
        let Some(config) = self.parts.get(&plain(Path::new(&config))) else { return Ok(None) };
        let mut described = Vec::new();
        for layer in &layers {
            let Some(layer) = self.parts.get(&plain(Path::new(layer))) else { return Ok(None) };
            described.push(layer.described(layer.layer_type()?));
        }
        let config = config.described(CONFIG_TYPE.to_owned());
        let manifest = manifest_of(config.clone(), described.clone())?;
        Ok(Some(Image { media_type: MANIFEST_TYPE.to_owned(), manifest, config, layers: described }))
    }

    fn json<T: for<'de> Deserialize<'de>>(&self, name: &str) -> io::Result<Option<T>> {
        let Some(part) = self.parts.get(Path::new(name)) else { return Ok(None) };
        Ok(serde_json::from_slice(&part.text()?).ok())
    }
}

/// A path of an archive without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => plain.push(name),
            Component::ParentDir => _ = plain.pop(),
            Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    const PAUSE: &str = "registry.k8s.io/pause:3.9";

    fn archive(folder: &Path, members: &[(&str, &[u8])], links: &[(&str, &str)]) -> PathBuf {
        let path = folder.join("archive");
        let mut tar = tar::Builder::new(File::create(&path).unwrap());
        for (name, bytes) in members {
            tar.append(&header(name, EntryType::Regular, bytes.len() as u64).unwrap(), *bytes).unwrap();
        }
        for (name, target) in links {
            let mut header = header(name, EntryType::Symlink, 0).unwrap();
            header.set_link_name(target).unwrap();
            header.set_cksum();
            tar.append(&header, io::empty()).unwrap();
        }
        tar.into_inner().unwrap();
        path
    }

    fn normal(folder: &Path, from: &Path) -> Result<BTreeMap<PathBuf, Part>, SourceError> {
        let to = folder.join("normal");
        normalise(from, PAUSE, &to)?;
        Ok(Archive::read(&to).unwrap().parts)
    }

    const SAVED: &str = r#"[{"Config":"c.json","RepoTags":["other:1"],"Layers":[]},
        {"Config":"c.json","RepoTags":["registry.k8s.io/pause:3.9"],"Layers":["a/layer.tar","b/layer.tar"]}]"#;

    #[test]
    fn what_docker_saves_becomes_a_layout_whose_blobs_are_called_as_they_are() {
        let folder = TempDir::new().unwrap();
        let members = [("manifest.json", SAVED.as_bytes()), ("c.json", b"{}"), ("a/layer.tar", b"\x1f\x8bzip")];
        let from = archive(folder.path(), &members, &[("b/layer.tar", "../a/layer.tar")]);
        let parts = normal(folder.path(), &from).unwrap();
        for (name, part) in parts.iter().filter(|(name, _)| name.starts_with("blobs")) {
            assert_eq!(*name, Path::new(&blob(part.digest)), "a name says what is there");
        }
        let noted = manifest(&folder.path().join("normal")).unwrap().unwrap();
        let text = Archive { parts }.by_digest(noted).unwrap().text().unwrap();
        let read: Manifest = serde_json::from_slice(&text).unwrap();
        assert_eq!((read.config.digest, read.layers.len()), (Digest::of("{}"), 2));
        assert_eq!(read.layers[0].media_type.as_deref(), Some("application/vnd.oci.image.layer.v1.tar+gzip"));
    }

    fn layout(folder: &Path, with_layer: bool) -> PathBuf {
        let layer = Part { digest: Digest::of("l"), size: 1, path: PathBuf::new(), offset: 0 };
        let config = Part { digest: Digest::of("{}"), size: 2, ..layer.clone() };
        let own = manifest_of(config.described(CONFIG_TYPE.into()), vec![layer.described(LAYER_TYPE.into())]).unwrap();
        let child = |architecture: &str, digest: Digest| {
            format!(r#"{{"digest":"{digest}","size":9,"platform":{{"os":"linux","architecture":"{architecture}"}}}}"#)
        };
        let (arm, amd) = (child("arm64", Digest::of("none")), child("amd64", Digest::of(&own)));
        let of_platforms = format!(r#"{{"schemaVersion":2,"manifests":[{arm},{amd}]}}"#);
        let index = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"digest":"{}","size":9,
                "annotations":{{"org.opencontainers.image.ref.name":"{PAUSE}"}}}}]}}"#,
            Digest::of(&of_platforms)
        );
        let mut members: Vec<(String, &[u8])> =
            vec![("index.json".into(), index.as_bytes()), (blob(Digest::of(&of_platforms)), of_platforms.as_bytes())];
        members.extend([(blob(Digest::of(&own)), own.as_slice()), (blob(Digest::of("{}")), b"{}")]);
        if with_layer {
            members.push((blob(Digest::of("l")), b"l"));
        }
        let members: Vec<(&str, &[u8])> = members.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
        archive(folder, &members, &[])
    }

    #[test]
    fn of_an_image_for_several_platforms_ours_is_taken_with_its_own_manifest() {
        let folder = TempDir::new().unwrap();
        let parts = normal(folder.path(), &layout(folder.path(), true)).unwrap();
        assert_eq!(parts.keys().filter(|name| name.starts_with("blobs")).count(), 3, "manifest, config, layer");
        // Normal already: the same bytes.
        let once = fs::read(folder.path().join("normal")).unwrap();
        normalise(&folder.path().join("normal"), PAUSE, &folder.path().join("again")).unwrap();
        assert!(once == fs::read(folder.path().join("again")).unwrap());
    }

    #[test]
    fn what_lacks_a_part_or_has_another_name_or_is_no_archive_is_refused() {
        let folder = TempDir::new().unwrap();
        let torn = normal(folder.path(), &layout(folder.path(), false));
        assert!(matches!(torn, Err(SourceError::ImageLacks { what, .. }) if what == Digest::of("l")));
        let whole = layout(folder.path(), true);
        let other = normalise(&whole, "registry.k8s.io/pause:3.8", &folder.path().join("to"));
        assert!(matches!(other, Err(SourceError::Image { .. })));
        fs::write(folder.path().join("text"), "ELF").unwrap();
        let none = normal(folder.path(), &folder.path().join("text"));
        assert!(matches!(none, Err(SourceError::Image { .. })));
    }
}

//! `compose`: an image of one layer with one static program, as a docker-archive.
//!
//! The bytes depend on the program and the description only: times are 0, owners are root, order is fixed. The layout is
//! that of `docker save`, which containerd imports
//! (<https://github.com/moby/docker-image-spec/blob/main/v1.2.md#combined-image-json--filesystem-changeset-format>).

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use fmp_core::{
    Digest,
    bundle::{Entry, Kind},
};
use serde::{Deserialize, Serialize};
use tar::{EntryType, Header};

use super::{Bench, SourceError};
use crate::{hash::Hashed, manifest::Compose, store::Stored};

/// What containerd needs to know of an image.
#[derive(Serialize)]
struct Config<'a> {
    architecture: &'a str,
    os: &'a str,
    #[serde(rename = "config")]
    run: Run<'a>,
    rootfs: RootFs,
    history: [BTreeMap<&'a str, &'a str>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Run<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    entrypoint: &'a [String],
}

#[derive(Serialize)]
struct RootFs {
    r#type: &'static str,
    diff_ids: [Digest; 1],
}

/// One image of a docker-archive's `manifest.json`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Archived {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// An OCI layout's `index.json`, as far as it holds names.
#[derive(Deserialize)]
struct Index {
    manifests: Vec<Indexed>,
}

#[derive(Deserialize)]
struct Indexed {
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// The digest of the program.
pub(super) fn inputs(bench: Bench<'_>, compose: &Compose) -> String {
    base(bench, compose).digest.to_string()
}

pub(super) fn make(bench: Bench<'_>, kind: &Kind, compose: &Compose, scratch: &Path) -> Result<PathBuf, SourceError> {
    let Kind::Image(reference) = kind else { unreachable!("the decoder refuses to compose what is no image") };
    let base = base(bench, compose);
    let program = bench.store.content(base.digest)?;
    let layer = scratch.join("layer.tar");
    let image = scratch.join("image.tar");
    let stored = write_layer(&layer, compose, program, base.size).map_err(SourceError::file(&layer))?;
    write_image(&image, reference, compose, &stored).map_err(SourceError::file(&image))?;
    Ok(image)
}

fn base<'a>(bench: Bench<'a>, compose: &Compose) -> &'a Entry {
    let entry = bench.made.entry(compose.from.as_str());
    entry.expect("binaries are made before images, and the decoder has seen that this one is listed")
}

/// A layer with the program, its other names, and the folders above them.
fn write_layer(path: &Path, compose: &Compose, program: File, size: u64) -> io::Result<Stored> {
    let mut tar = tar::Builder::new(Hashed::new(File::create(path)?));
    let mut folders = BTreeSet::new();
    let names = [&compose.path].into_iter().chain(&compose.links).map(|path| path.trim_start_matches('/'));
    for folder in names.flat_map(|name| name.match_indices('/').map(move |(end, _)| &name[..=end])) {
        if folders.insert(folder) {
            tar.append(&header(folder, EntryType::Directory, 0)?, io::empty())?;
        }
    }
    tar.append(&header(compose.path.trim_start_matches('/'), EntryType::Regular, size)?, program)?;
    for link in &compose.links {
        let mut header = header(link.trim_start_matches('/'), EntryType::Symlink, 0)?;
        header.set_link_name(&compose.path)?;
        header.set_cksum();
        tar.append(&header, io::empty())?;
    }
    let (_, digest, size) = tar.into_inner()?.finish();
    Ok(Stored { digest, size, path: path.to_owned() })
}

fn write_image(path: &Path, reference: &str, compose: &Compose, layer: &Stored) -> io::Result<()> {
    let config = serde_json::to_vec(&Config {
        architecture: "amd64",
        os: "linux",
        run: Run { user: compose.user.as_deref(), entrypoint: &compose.entrypoint },
        rootfs: RootFs { r#type: "layers", diff_ids: [layer.digest] },
        history: [BTreeMap::from([("created", "1970-01-01T00:00:00Z")])],
    })?;
    let (config_name, layer_name) =
        (format!("{}.json", Digest::of(&config).hex()), format!("{}/layer.tar", layer.digest.hex()));
    let manifest = serde_json::to_vec(&[Archived {
        config: config_name.clone(),
        repo_tags: Some(vec![reference.to_owned()]),
        layers: vec![layer_name.clone()],
    }])?;
    let mut tar = tar::Builder::new(File::create(path)?);
    for (name, bytes) in [(config_name, config), ("manifest.json".to_owned(), manifest)] {
        tar.append(&header(&name, EntryType::Regular, bytes.len() as u64)?, bytes.as_slice())?;
    }
    tar.append(&header(&layer_name, EntryType::Regular, layer.size)?, File::open(&layer.path)?)?;
    tar.into_inner()?.flush()
}

fn header(name: &str, kind: EntryType, size: u64) -> io::Result<Header> {
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

/// Whether `path` is an archive that a container runtime imports under `reference`.
pub(super) fn check(path: &Path, reference: &str) -> Result<(), SourceError> {
    if references(path).map_err(SourceError::file(path))?.iter().any(|name| name == reference) {
        Ok(())
    } else {
        Err(SourceError::Image { path: path.to_owned(), reference: reference.to_owned() })
    }
}

/// The names in a docker-archive or an OCI layout; none where `path` is neither.
fn references(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in tar::Archive::new(File::open(path)?).entries()? {
        // Whatever can't be read as a member means: not an archive.
        let Ok(mut entry) = entry else { break };
        let mut text = Vec::new();
        match entry.path_bytes().as_ref() {
            b"manifest.json" => {
                entry.read_to_end(&mut text)?;
                let images: Vec<Archived> = serde_json::from_slice(&text).unwrap_or_default();
                names.extend(images.into_iter().filter_map(|image| image.repo_tags).flatten());
            }
            b"index.json" => {
                entry.read_to_end(&mut text)?;
                let images = serde_json::from_slice(&text).map_or_else(|_| Vec::new(), |index: Index| index.manifests);
                names.extend(images.into_iter().flat_map(|image| image.annotations.into_values()));
            }
            _ => {}
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    const PAUSE: &str = "registry.k8s.io/pause:3.9";

    /// An image with the program `pause` at `/bin/pause`.
    fn compose(folder: &Path) -> PathBuf {
        linked(folder, &[])
    }

    /// The same with further names.
    fn linked(folder: &Path, links: &[&str]) -> PathBuf {
        let program = folder.join("pause");
        fs::write(&program, "ELF").unwrap();
        let (path, user) = ("/bin/pause".to_owned(), None);
        let links = links.iter().map(|link| (*link).to_owned()).collect();
        let compose = Compose { from: "pause".parse().unwrap(), entrypoint: vec![path.clone()], path, links, user };
        let layer = write_layer(&folder.join("layer"), &compose, File::open(&program).unwrap(), 3).unwrap();
        write_image(&folder.join("image"), PAUSE, &compose, &layer).unwrap();
        folder.join("image")
    }

    fn members(archive: impl Read) -> BTreeMap<String, Vec<u8>> {
        let read = |entry: io::Result<tar::Entry<'_, _>>| {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            assert_eq!(entry.header().mtime().unwrap(), 0);
            (entry.path().unwrap().to_str().unwrap().to_owned(), bytes)
        };
        tar::Archive::new(archive).entries().unwrap().map(read).collect()
    }

    #[test]
    fn the_same_program_gives_the_same_image() {
        let (first, second) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let image = fs::read(compose(first.path())).unwrap();
        assert!(image == fs::read(compose(second.path())).unwrap());
    }

    #[test]
    fn an_image_names_config_and_layer_by_their_digests() {
        let folder = TempDir::new().unwrap();
        let members_of_image = members(File::open(compose(folder.path())).unwrap());
        let manifest: Vec<Archived> = serde_json::from_slice(&members_of_image["manifest.json"]).unwrap();
        assert_eq!(manifest[0].repo_tags.as_deref(), Some(&[PAUSE.to_owned()][..]));

        let config = &members_of_image[&manifest[0].config];
        assert_eq!(manifest[0].config, format!("{}.json", Digest::of(config).hex()));
        let config: serde_json::Value = serde_json::from_slice(config).unwrap();
        assert_eq!(config["config"]["Entrypoint"][0], "/bin/pause");

        let layer = &members_of_image[&manifest[0].layers[0]];
        assert_eq!(config["rootfs"]["diff_ids"][0], Digest::of(layer).to_string());
        assert_eq!(members(layer.as_slice())["bin/pause"], b"ELF");
    }

    #[test]
    fn a_program_has_further_names_in_its_image() {
        let folder = TempDir::new().unwrap();
        let image = linked(folder.path(), &["/bin/sh", "/usr/bin/env"]);
        let members_of_image = members(File::open(image).unwrap());
        let layer = members_of_image.iter().find(|(name, _)| name.ends_with("/layer.tar")).unwrap().1;
        let mut archive = tar::Archive::new(layer.as_slice());
        let told = |entry: io::Result<tar::Entry<'_, _>>| {
            let entry = entry.unwrap();
            let target = entry.link_name().unwrap().map(|target| target.display().to_string());
            (entry.path().unwrap().display().to_string(), target.unwrap_or_default())
        };
        let told: Vec<(String, String)> = archive.entries().unwrap().map(told).collect();
        let wanted = [
            ("bin/", ""),
            ("usr/", ""),
            ("usr/bin/", ""),
            ("bin/pause", ""),
            ("bin/sh", "/bin/pause"),
            ("usr/bin/env", "/bin/pause"),
        ];
        assert_eq!(told, wanted.map(|(name, target)| (name.to_owned(), target.to_owned())));
    }

    #[test]
    fn what_is_no_image_of_that_name_is_refused() {
        let folder = TempDir::new().unwrap();
        let image = compose(folder.path());
        check(&image, PAUSE).unwrap();
        assert!(matches!(check(&image, "registry.k8s.io/pause:3.8"), Err(SourceError::Image { .. })));
        assert!(matches!(check(&folder.path().join("pause"), PAUSE), Err(SourceError::Image { .. })));
    }
}

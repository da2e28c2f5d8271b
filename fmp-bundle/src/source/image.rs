//! `compose`: an image of one layer with one static program.
//!
//! The bytes depend on the program and the description only: times are 0, owners are root, order is fixed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io,
    path::{Path, PathBuf},
};

use fmp_core::{
    Digest,
    bundle::{Entry, Kind},
};
use serde::Serialize;
use tar::EntryType;

use super::{
    Bench, SourceError,
    oci::{self, Part, header},
};
use crate::{hash::Hashed, manifest::Compose};

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

/// How a container of it is run, unless somebody says otherwise.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Run<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<&'a str>,
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    pub(super) env: &'a [&'a str],
    pub(super) entrypoint: &'a [String],
}

#[derive(Serialize)]
struct RootFs {
    r#type: &'static str,
    diff_ids: [Digest; 1],
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
    let part = write_layer(&layer, compose, program, base.size).map_err(SourceError::file(&layer))?;
    write(&image, reference, run(compose), &part).map_err(SourceError::file(&image))?;
    Ok(image)
}

fn base<'a>(bench: Bench<'a>, compose: &Compose) -> &'a Entry {
    let entry = bench.made.entry(compose.from.as_str());
    entry.expect("binaries are made before images, and the decoder has seen that this one is listed")
}

/// A layer with the program, its other names, and the folders above them.
fn write_layer(path: &Path, compose: &Compose, program: File, size: u64) -> io::Result<Part> {
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
    Ok(Part { digest, size, path: path.to_owned(), offset: 0 })
}

fn run(compose: &Compose) -> Run<'_> {
    Run { user: compose.user.as_deref(), env: &[], entrypoint: &compose.entrypoint }
}

/// An OCI layout with this layer.
pub(super) fn write(path: &Path, reference: &str, run: Run<'_>, layer: &Part) -> io::Result<()> {
    let config = serde_json::to_vec(&Config {
        architecture: "amd64",
        os: "linux",
        run,
        rootfs: RootFs { r#type: "layers", diff_ids: [layer.digest] },
        history: [BTreeMap::from([("created", "1970-01-01T00:00:00Z")])],
    })?;
    oci::compose(path, reference, &config, layer)
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Read};

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
        write(&folder.join("image"), PAUSE, run(&compose), &layer).unwrap();
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

    fn of_name<'m>(members: &'m BTreeMap<String, Vec<u8>>, descriptor: &serde_json::Value) -> &'m [u8] {
        let digest = descriptor["digest"].as_str().unwrap();
        &members[&format!("blobs/sha256/{}", digest.strip_prefix("sha256:").unwrap())]
    }

    #[test]
    fn an_image_names_config_and_layer_by_their_digests() {
        let folder = TempDir::new().unwrap();
        let members_of_image = members(File::open(compose(folder.path())).unwrap());
        let index: serde_json::Value = serde_json::from_slice(&members_of_image["index.json"]).unwrap();
        assert_eq!(index["manifests"][0]["annotations"]["io.containerd.image.name"], PAUSE);

        let manifest = of_name(&members_of_image, &index["manifests"][0]);
        let manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap();
        let config = of_name(&members_of_image, &manifest["config"]);
        let config: serde_json::Value = serde_json::from_slice(config).unwrap();
        assert_eq!(config["config"]["Entrypoint"][0], "/bin/pause");

        let layer = of_name(&members_of_image, &manifest["layers"][0]);
        assert_eq!(config["rootfs"]["diff_ids"][0], Digest::of(layer).to_string());
        assert_eq!(members(layer)["bin/pause"], b"ELF");
    }

    #[test]
    fn a_program_has_further_names_in_its_image() {
        let folder = TempDir::new().unwrap();
        linked(folder.path(), &["/bin/sh", "/usr/bin/env"]);
        let mut archive = tar::Archive::new(File::open(folder.path().join("layer")).unwrap());
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
}

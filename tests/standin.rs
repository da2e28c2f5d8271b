//! The platform's stand-in holds together: its manifests can be read, and what their pods name is in its archive.

#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use fmp::{
    bundle::Manifest,
    core::manifest::{ManifestFile, parse},
};
use serde_json::Value;

const PARTS: [&str; 4] = ["platform", "postgres", "redis", "search"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/platform")
}

/// The archive's own description, as `platform.toml` has it.
fn described() -> String {
    fs::read_to_string(folder().join("platform.toml")).unwrap()
}

/// All manifests, by name.
fn manifests() -> Vec<ManifestFile> {
    let files = PARTS.iter().flat_map(|part| fs::read_dir(folder().join("manifests").join(part)).unwrap());
    let read =
        |path: PathBuf| ManifestFile { name: path.display().to_string(), text: fs::read_to_string(path).unwrap() };
    files.map(|file| read(file.unwrap().path())).collect()
}

/// The texts under a key, at whatever depth.
fn named<'a>(key: &str, value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get(key).and_then(Value::as_str));
            map.values().for_each(|each| named(key, each, found));
        }
        Value::Array(list) => list.iter().for_each(|each| named(key, each, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What pods name and `description` lacks: images, and Secrets.
fn missing(description: &str) -> Vec<String> {
    let objects = parse(&manifests()).unwrap();
    let trees: Vec<Value> = objects.iter().map(|object| serde_json::from_str(&object.manifest.text).unwrap()).collect();
    let (mut images, mut secrets) = (BTreeSet::new(), BTreeSet::new());
    for tree in &trees {
        named("image", tree, &mut images);
        named("secretName", tree, &mut secrets);
        if let Some(reference) = tree.pointer("/spec/template/spec/containers/0/env") {
            let references =
                reference.as_array().unwrap().iter().filter_map(|each| each.pointer("/valueFrom/secretKeyRef"));
            references.for_each(|each| secrets.extend(each["name"].as_str()));
        }
    }
    assert_eq!((images.len(), secrets.len()), (3, 3), "they were found");
    let images = images.into_iter().filter(|image| !description.contains(&format!(".tar\" = \"{image}\"\n")));
    let secrets = secrets.into_iter().filter(|secret| !description.contains(&format!("[secrets.{secret}]\n")));
    images.chain(secrets).map(str::to_owned).collect()
}

#[test]
fn what_pods_name_is_in_the_archive() {
    let whole = described();
    assert_eq!(missing(&whole), <[String; 0]>::default());
    let lacking =
        whole.replace("[secrets.redis]", "[secrets.reddis]").replace("standin-search:1.35.2", "standin-search:1");
    assert_eq!(missing(&lacking), ["fmp.local/standin-search:1.35.2", "redis"]);
}

#[test]
fn all_objects_are_in_its_namespace() {
    let objects = parse(&manifests()).unwrap();
    assert!(objects.iter().all(|object| object.namespace() == Some("fmp")), "FMP makes what is outside");
    assert_eq!(objects.iter().filter(|object| object.kind() == "PodDisruptionBudget").count(), PARTS.len());
}

#[test]
fn its_bundle_is_good() {
    Manifest::read(&folder().join("bundle.toml")).unwrap();
}

//! Manifests: the folders that the file names, compared with what was read of them.

use std::collections::BTreeMap;

use toml::Spanned;

use crate::{
    manifest::Manifests,
    spec::{
        Bundled,
        problem::{Code, Problem, Sink},
    },
};

/// What each folder brings, `None` after a problem.
pub(super) fn resolve(
    sink: &Sink,
    folders: &BTreeMap<String, Spanned<String>>,
    manifests: &Manifests,
) -> Option<BTreeMap<String, Bundled>> {
    let mut first: BTreeMap<&str, &Spanned<String>> = BTreeMap::new();
    let mut brought = Some(BTreeMap::new());
    for (name, folder) in folders {
        let path = folder.get_ref();
        let Some(objects) = manifests.of(path) else {
            sink.note(unread(folder));
            brought = None;
            continue;
        };
        for object in objects {
            if let Some(other) = first.insert(&object.key, folder) {
                sink.note(twice(&object.key, folder, other));
                brought = None;
            }
        }
        let bundled = Bundled { path: path.clone(), objects: objects.to_vec() };
        brought.iter_mut().for_each(|brought| drop(brought.insert(name.clone(), bundled.clone())));
    }
    brought
}

fn unread(folder: &Spanned<String>) -> Problem {
    let message = format!("nobody has read the manifests in {}", folder.get_ref());
    let problem = Problem::new(Code::BadManifests, message, folder.span(), "this folder");
    problem.help(
        "a program that embeds FMP reads them first: `spec::manifest_paths`, `manifest::parse`, `spec::parse_with`",
    )
}

fn twice(key: &str, folder: &Spanned<String>, other: &Spanned<String>) -> Problem {
    let problem = Problem::new(Code::BadManifests, format!("two folders bring {key}"), folder.span(), "again here");
    problem.also(other.span(), "here").help("an object has one owner: keep one of the two")
}

//! Manifests that a person brings: files of YAML or JSON, read into objects of the API.
//!
//! Owns what a manifest must say before anybody asks the API. Knows nothing of folders, which the caller reads. Read
//! [`parse`] first.

mod kind;
#[cfg(test)]
mod tests;
mod yaml;

use std::{collections::BTreeMap, fmt, ops::Range};

pub use kind::{CRD, Place, SECRET, SLICE, is_foreign, own, place, word};
use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

use self::yaml::Document;
use crate::{resource::Object, tree::Tree};

/// Objects of each folder that a cluster's file names, by the path as it is written there.
#[derive(Debug, Clone, Default)]
pub struct Manifests(BTreeMap<String, Vec<Object>>);

impl Manifests {
    /// Adds what stands in a folder.
    #[must_use]
    pub fn with(mut self, path: &str, objects: Vec<Object>) -> Self {
        self.0.insert(path.to_owned(), objects);
        self
    }

    /// What stands in a folder, if anybody read it.
    pub fn of(&self, path: &str) -> Option<&[Object]> {
        self.0.get(path).map(Vec::as_slice)
    }
}

/// A file of a folder.
#[derive(Debug, Clone)]
pub struct ManifestFile {
    /// What people call it: its path.
    pub name: String,
    /// Its content.
    pub text: String,
}

/// Everything that is wrong with the files of a folder.
#[derive(Debug)]
pub struct BadManifests(Vec<BadManifest>);

/// One thing that is wrong with one file.
#[derive(Debug)]
pub struct BadManifest {
    source: NamedSource<String>,
    fault: Fault,
}

/// What is wrong, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    message: String,
    place: Range<usize>,
    label: String,
    help: String,
}

impl Fault {
    fn new(message: String, place: Range<usize>, label: &str, help: &str) -> Self {
        Self { message, place, label: label.to_owned(), help: help.to_owned() }
    }
}

/// An object and where it stands.
struct Placed<'a> {
    object: Object,
    file: &'a ManifestFile,
    place: Range<usize>,
}

/// Reads the files of one folder: every object, in order of keys.
///
/// # Errors
/// Everything that is wrong with them at once.
pub fn parse(files: &[ManifestFile]) -> Result<Vec<Object>, BadManifests> {
    let mut bad = Vec::new();
    let mut found: BTreeMap<String, Placed<'_>> = BTreeMap::new();
    let mut blame = |file: &ManifestFile, fault: Fault| {
        bad.push(BadManifest { source: NamedSource::new(&file.name, file.text.clone()), fault });
    };
    for file in files {
        match yaml::documents(&file.text) {
            Ok(documents) => {
                for Document { tree, place } in documents.into_iter().flat_map(items) {
                    match object(&tree, &place) {
                        Ok(object) => {
                            let key = object.key.clone();
                            let placed = Placed { object, file, place: place.clone() };
                            if let Some(first) = found.insert(key, placed) {
                                blame(file, twice(&first, place));
                            }
                        }
                        Err(fault) => blame(file, fault),
                    }
                }
            }
            Err(fault) => blame(file, fault),
        }
    }
    if bad.is_empty() { Ok(found.into_values().map(|placed| placed.object).collect()) } else { Err(BadManifests(bad)) }
}

fn twice(first: &Placed<'_>, place: Range<usize>) -> Fault {
    let line = first.file.text[..first.place.start].matches('\n').count() + 1;
    let message = format!("{} is written twice", first.object.key);
    Fault::new(
        message,
        place,
        "again",
        &format!("the first one stands in {} at line {line}: keep one", first.file.name),
    )
}

/// The objects of a document: those of a List one by one.
fn items(Document { tree, place }: Document) -> Vec<Document> {
    let is_list = tree.get("kind").and_then(Tree::text) == Some("List");
    match tree {
        Tree::Map(mut map) if is_list => match map.remove("items") {
            Some(Tree::List(items)) => items.into_iter().map(|tree| Document { tree, place: place.clone() }).collect(),
            other => other.into_iter().map(|tree| Document { tree, place: place.clone() }).collect(),
        },
        tree => vec![Document { tree, place }],
    }
}

fn object(tree: &Tree, at: &Range<usize>) -> Result<Object, Fault> {
    let fault = |message: String, help: &str| Fault::new(message, at.clone(), "this object", help);
    let text = |keys: &[&str]| tree.at(keys.iter().copied()).and_then(Tree::text).filter(|text| !text.is_empty());
    let needed = |keys: &[&str]| {
        let missing = || fault(format!("`{}` is missing", keys.join(".")), "every object of the API says its own");
        text(keys).ok_or_else(missing)
    };
    let (version, kind) = (needed(&["apiVersion"])?, needed(&["kind"])?);
    let name = needed(&["metadata", "name"])?;
    let namespace = text(&["metadata", "namespace"]).unwrap_or("");
    if (version, kind) == ("v1", "Secret") {
        let help = "what is secret belongs in no file that is reviewed: make it with `fmp kubectl`, and name it here";
        return Err(fault(format!("Secret {name} would stand in the plan for all to read"), help));
    }
    match (place(version, kind), namespace) {
        (Some(Place::Namespace), "") => {
            let help = "write the namespace that it belongs to, be it `default`: the plan names it";
            return Err(fault(format!("{kind} {name} says no `metadata.namespace`"), help));
        }
        (Some(Place::Cluster), inside) if !inside.is_empty() => {
            return Err(fault(format!("{kind} {name} can't be in a namespace"), "remove `metadata.namespace`"));
        }
        (Some(_) | None, _) => {}
    }
    Ok(Object::new(&word(version, kind), namespace, name, tree.lines()))
}

impl BadManifests {
    /// What is wrong, in order of files and places.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &BadManifest> {
        self.0.iter()
    }
}

impl fmt::Display for BadManifests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "" } else { "s" };
        write!(f, "{} problem{plural} in the manifests", self.0.len())
    }
}

impl std::error::Error for BadManifests {}

impl Diagnostic for BadManifests {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.0.iter().map(|bad| bad as &dyn Diagnostic)))
    }
}

impl fmt::Display for BadManifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fault.message)
    }
}

impl std::error::Error for BadManifest {}

impl Diagnostic for BadManifest {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.fault.help))
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let Fault { place, label, .. } = &self.fault;
        Some(Box::new([LabeledSpan::new_with_span(Some(label.clone()), place.clone())].into_iter()))
    }
}

//! YAML and JSON into trees, with places.
//!
//! Owns what of YAML a manifest may use: what JSON can say, anchors included. Words that YAML's older edition, which kubectl
//! reads, takes for true or false are refused, for whoever reads them next may mean the other.

use std::{collections::BTreeMap, ops::Range};

use saphyr::{LoadableYamlNode as _, MarkedYaml, Scalar, YamlData};

use super::Fault;
use crate::tree::Tree;

/// `y`, `yes`, `on` and their opposites: true and false in YAML 1.1, texts in YAML 1.2.
const AMBIGUOUS: [&str; 8] = ["y", "yes", "on", "true", "n", "no", "off", "false"];

/// One document of a file.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) tree: Tree,
    /// Where it stands: its first line.
    pub(super) place: Range<usize>,
}

/// The documents of a file; empty ones are none.
pub(super) fn documents(text: &str) -> Result<Vec<Document>, Fault> {
    let loaded = MarkedYaml::load_from_str(text).map_err(|error| {
        let marker = error.marker();
        let at = offset(text, marker.line(), marker.col());
        Fault::new(format!("not YAML: {}", error.info()), at..at, "here", "kubectl would not read it either")
    })?;
    let reader = Reader { text };
    loaded.iter().filter_map(|node| reader.document(node).transpose()).collect()
}

struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn document(&self, node: &MarkedYaml<'_>) -> Result<Option<Document>, Fault> {
        let tree = self.tree(node)?;
        let place = self.place(node);
        Ok((tree != Tree::Null).then_some(Document { tree, place }))
    }

    fn tree(&self, node: &MarkedYaml<'_>) -> Result<Tree, Fault> {
        let refused = |what: &str| {
            let help =
                "write it as JSON could say it: texts, numbers, true, false, null, lists, maps with texts as keys";
            Fault::new(format!("{what} has no meaning in a manifest"), self.place(node), "here", help)
        };
        match &node.data {
            YamlData::Value(Scalar::Null) => Ok(Tree::Null),
            YamlData::Value(Scalar::Boolean(value)) => Ok(Tree::Bool(*value)),
            YamlData::Value(Scalar::Integer(value)) => Ok(Tree::Whole(*value)),
            YamlData::Value(Scalar::FloatingPoint(value)) if value.is_finite() => Ok(Tree::Fraction(value.0)),
            YamlData::Value(Scalar::FloatingPoint(_)) => Err(refused("a number without an end")),
            YamlData::Value(Scalar::String(text)) => self.text(text, node),
            YamlData::Sequence(list) => {
                list.iter().map(|item| self.tree(item)).collect::<Result<_, _>>().map(Tree::List)
            }
            YamlData::Mapping(map) => {
                let mut tree = BTreeMap::new();
                for (key, value) in map {
                    let YamlData::Value(Scalar::String(name)) = &key.data else {
                        return Err(refused("a key that is no text"));
                    };
                    tree.insert(name.to_string(), self.tree(value)?);
                }
                Ok(Tree::Map(tree))
            }
            YamlData::Tagged(..) => Err(refused("a tag")),
            YamlData::Alias(_) => Err(refused("an alias of itself")),
            YamlData::Representation(..) | YamlData::BadValue => Err(refused("this value")),
        }
    }

    /// A text, unless it stands without quotation marks and reads as true or false elsewhere.
    fn text(&self, text: &str, node: &MarkedYaml<'_>) -> Result<Tree, Fault> {
        let place = self.place(node);
        let is_plain = self.text.get(place.clone()).is_some_and(|written| written == text);
        if is_plain && AMBIGUOUS.contains(&text.to_ascii_lowercase().as_str()) {
            let message = format!("`{text}` is a text to some readers of YAML and true or false to others");
            let help = format!("write `\"{text}\"` for the text, or `true` or `false`");
            return Err(Fault::new(message, place, "which of the two?", &help));
        }
        Ok(Tree::Text(text.to_owned()))
    }

    /// The bytes of a node's first line: what follows is for whoever reads the file.
    fn place(&self, node: &MarkedYaml<'_>) -> Range<usize> {
        let (start, end) = (node.span.start, node.span.end);
        let from = offset(self.text, start.line(), start.col());
        let to = offset(self.text, end.line(), end.col());
        let line = self.text[from..].find('\n').map_or(self.text.len(), |length| from + length);
        from..to.clamp(from, line)
    }
}

/// The byte at a line, counted from 1, and a column in characters, counted from 0.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let mut start = 0;
    for _ in 1..line {
        match text[start..].find('\n') {
            Some(length) => start += length + 1,
            None => return text.len(),
        }
    }
    text[start..].char_indices().nth(column).map_or(text.len(), |(at, _)| start + at)
}

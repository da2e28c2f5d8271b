//! Small files whose lines came back, as `grep -aH ''` prints them: `PATH:LINE`.

use std::collections::BTreeMap;

use super::sections::{Garbled, Sections};

/// Lines by absolute path.
#[derive(Debug)]
pub(super) struct Texts<'a>(BTreeMap<&'a str, Vec<&'a str>>);

impl<'a> Texts<'a> {
    /// Reads the section `lines`.
    ///
    /// # Errors
    /// A line without a path.
    pub(super) fn read(sections: &Sections<'a>) -> Result<Self, Garbled> {
        let mut texts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (path, line) in sections.parsed("lines", path_and_line)? {
            texts.entry(path).or_default().push(line);
        }
        Ok(Self(texts))
    }

    /// The lines of a file; none where it is empty or not there.
    pub(super) fn lines(&self, path: &str) -> &[&'a str] {
        self.0.get(path).map_or(&[], Vec::as_slice)
    }

    /// The first line of a file.
    pub(super) fn line(&self, path: &str) -> Option<&'a str> {
        self.lines(path).first().copied()
    }

    /// The number after a word that begins a line.
    pub(super) fn field(&self, path: &str, word: &str) -> Option<u64> {
        let rest = self.lines(path).iter().find_map(|line| line.strip_prefix(word))?;
        rest.split_whitespace().next()?.parse().ok()
    }

    /// The lines of a file in a directory; none where it is empty or not there.
    pub(super) fn lines_below(&self, directory: &str, name: &str) -> Option<&[&'a str]> {
        self.0.get(format!("{directory}/{name}").as_str()).map(Vec::as_slice)
    }

    /// All files below a directory: name and lines.
    pub(super) fn below<'t>(&'t self, directory: &'t str) -> impl Iterator<Item = (&'a str, &'t [&'a str])> {
        self.iter().filter_map(move |(path, lines)| Some((path.strip_prefix(directory)?.strip_prefix('/')?, lines)))
    }

    /// All files.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a str, &[&'a str])> {
        self.0.iter().map(|(path, lines)| (*path, lines.as_slice()))
    }
}

/// Paths of ours begin with `./`: they were looked up below the root.
fn path_and_line(line: &str) -> Option<(&str, &str)> {
    let (path, text) = line.split_once(':')?;
    let path = path.strip_prefix('.').unwrap_or(path);
    path.starts_with('/').then_some((path, text))
}

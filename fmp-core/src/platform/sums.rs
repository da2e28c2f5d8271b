//! `SHA256SUMS`: the content of files, as `sha256sum` writes it.

use std::collections::BTreeMap;

use super::ArchiveError;
use crate::Digest;

/// Digests by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums(BTreeMap<String, Digest>);

impl Sums {
    /// Reads lines of 64 hexadecimal digits, a space, a space or `*`, and a path.
    ///
    /// # Errors
    /// A line that is none, or a path that leaves the folder.
    pub fn parse(text: &str) -> Result<Self, ArchiveError> {
        let read = |(at, line): (usize, &str)| {
            let bad = || ArchiveError::Sum { line: at + 1 };
            let (digits, rest) = line.split_at_checked(64).ok_or_else(bad)?;
            let path = rest.strip_prefix("  ").or_else(|| rest.strip_prefix(" *")).ok_or_else(bad)?;
            let path = path.strip_prefix("./").unwrap_or(path);
            if path.is_empty() || path.starts_with('/') || path.split('/').any(|part| part == "..") {
                return Err(bad());
            }
            Ok((path.to_owned(), Digest::from_hex(digits).map_err(|_| bad())?))
        };
        text.lines().enumerate().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The digest of the file at `path`.
    ///
    /// # Errors
    /// It is not listed.
    pub fn of(&self, path: &str) -> Result<Digest, ArchiveError> {
        self.0.get(path).copied().ok_or_else(|| ArchiveError::Unlisted { path: path.to_owned() })
    }

    /// Every path below `folder`.
    pub fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a str> {
        let is_below = move |path: &&str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        self.0.keys().map(String::as_str).filter(is_below)
    }
}

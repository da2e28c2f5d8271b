//! Contents of files of this computer, put where an object's manifest marks their place.
//!
//! A manifest stands in the plan for all to read, so what is secret is not in it: [`FILE`] and the digest of a file stand
//! where its content belongs. It goes from the file into memory that is overwritten, and from there to a host's standard
//! input.

use std::{collections::BTreeMap, fs, path::PathBuf};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use fmp_core::{
    Digest, Secret,
    platform::{CONTENT_END, FILE},
};
use fmp_exec::{Failure, Mismatch};

use super::{nothing, nothing_because};

/// A manifest with everything in its place, or the file that is not what it was.
pub(super) enum Filled {
    /// As it is to be applied.
    Whole(Secret),
    /// A file has another content than the plan knows.
    Changed(Mismatch),
}

/// Puts the content of each file that `manifest` marks into its place.
///
/// # Errors
/// A file that is gone, can't be read, or that nobody gave.
pub(super) fn filled(manifest: &[u8], files: &BTreeMap<Digest, PathBuf>) -> Result<Filled, Failure> {
    // Room for everything from the start: what grows leaves copies behind that nobody overwrites.
    let mut whole: Vec<u8> = Vec::with_capacity(manifest.len() + LARGEST * files.len());
    let mut rest = manifest;
    while let Some(at) = find(rest, FILE.as_bytes()) {
        let (before, mark) = rest.split_at(at);
        let end = find(mark, b"@\"").filter(|end| *end > 0);
        let (mark, after) = mark.split_at(end.ok_or_else(|| nothing("a mark for a file's content has no end"))?);
        whole.extend_from_slice(before);
        match content(mark, files)? {
            Ok(encoded) => whole.extend_from_slice(encoded.expose()),
            Err(changed) => return Ok(Filled::Changed(changed)),
        }
        rest = &after[CONTENT_END.len_utf8()..];
    }
    whole.extend_from_slice(rest);
    Ok(Filled::Whole(Secret::new(whole)))
}

/// The largest file that an object of the API can hold, in base64, with some room: etcd takes no larger request.
const LARGEST: usize = 2 << 20;

/// What a mark stands for, in base64.
fn content(mark: &[u8], files: &BTreeMap<Digest, PathBuf>) -> Result<Result<Secret, Mismatch>, Failure> {
    let bad = || nothing("a mark for a file's content names no digest");
    let text = std::str::from_utf8(mark).ok().and_then(|mark| mark.strip_prefix(FILE)).ok_or_else(bad)?;
    let wanted: Digest = text.parse().map_err(|_| bad())?;
    let path = files.get(&wanted).ok_or_else(|| nothing(format!("nobody gave the file that holds {wanted}")))?;
    let unread = |error| nothing_because(&format!("{} can't be read", path.display()), error);
    let content = Secret::new(fs::read(path).map_err(unread)?);
    let found = Digest::of(content.expose());
    if found != wanted {
        let (what, expected, found) = (path.display().to_string(), wanted.to_string(), found.to_string());
        return Ok(Err(Mismatch { what, expected, found }));
    }
    if content.expose().len() > LARGEST / 2 {
        return Err(nothing(format!("{} is too large for an object of the API", path.display())));
    }
    Ok(Ok(Secret::new(BASE64_STANDARD.encode(content.expose()))))
}

/// Where `wanted` begins.
fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(content: &str) -> (tempfile::TempDir, BTreeMap<Digest, PathBuf>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tls.key");
        fs::write(&path, content).unwrap();
        (folder, [(Digest::of(content), path)].into())
    }

    fn marked(content: &str) -> String {
        format!("{{\"data\":{{\"a\":\"{FILE}{}{CONTENT_END}\",\"b\":\"x\"}}}}", Digest::of(content))
    }

    #[test]
    fn a_files_content_takes_the_place_of_its_mark() {
        let (_folder, files) = folder("key");
        let Ok(Filled::Whole(whole)) = filled(marked("key").as_bytes(), &files) else { panic!("it was not filled") };
        assert_eq!(whole.expose(), br#"{"data":{"a":"a2V5","b":"x"}}"#);
    }

    #[test]
    fn a_file_that_changed_since_the_plan_was_made_makes_the_step_stale() {
        let (_folder, files) = folder("key");
        fs::write(files.values().next().unwrap(), "another").unwrap();
        let Ok(Filled::Changed(mismatch)) = filled(marked("key").as_bytes(), &files) else { panic!("it was filled") };
        assert_eq!(mismatch.expected, Digest::of("key").to_string());
        assert!(!format!("{mismatch:?}").contains("another"));
    }

    #[test]
    fn a_file_that_nobody_gave_is_named_by_its_digest() {
        let failure = filled(marked("key").as_bytes(), &BTreeMap::new()).err().unwrap();
        assert!(failure.to_string().contains(&Digest::of("key").to_string()), "{failure}");
    }
}

//! Programs and text files.

use fmp_core::{Digest, NodeName, role::paths::key};
use fmp_exec::{Applied, Context, Failure, FailureKind};
use fmp_plan::action::{Before, FileRemoval, FileWrite};

use super::stale;
use crate::world::{
    World,
    files::{Content, File},
    never,
};

/// The mode of a program.
const PROGRAM: u32 = 0o755;

impl World {
    pub(crate) fn upload(
        &mut self,
        node: &NodeName,
        name: &str,
        (digest, bytes): (Digest, u64),
        path: &str,
        before: Before,
    ) -> Result<Applied, Failure> {
        let host = self.running(node)?;
        let found = host.files.get(path);
        if found.is_some_and(|file| file.digest() == Some(digest) && file.mode == PROGRAM) {
            return Ok(Applied::AlreadyDone);
        }
        if !is(found, before) {
            return Ok(stale(format!("{node}: {path}"), words(before), host.previous(path)));
        }
        if host.full {
            return Err(never(FailureKind::NoRoom { host: node.to_string(), path: path.to_owned(), needed: bytes }));
        }
        host.note(key::artifact(name), "artifact", |host| host.previous(path));
        self.put(node.as_str(), path, Content::Program { digest, bytes }, PROGRAM);
        Ok(Applied::Done)
    }

    pub(crate) fn write_files(
        &mut self,
        cx: &Context,
        node: &NodeName,
        files: &[FileWrite],
        remove: &[FileRemoval],
    ) -> Result<Applied, Failure> {
        let host = self.running(node)?;
        let as_wanted = |write: &&FileWrite| {
            let found = host.files.get(&*write.path);
            found.is_some_and(|file| file.digest() == Some(write.content) && file.mode == write.mode)
        };
        let writes: Vec<&FileWrite> = files.iter().filter(|write| !as_wanted(write)).collect();
        let removals: Vec<&FileRemoval> =
            remove.iter().filter(|removal| host.files.contains_key(&*removal.path)).collect();
        let expected = writes.iter().map(|write| (&write.path, write.before));
        for (path, before) in expected.chain(removals.iter().map(|gone| (&gone.path, Before::Digest(gone.before)))) {
            if !is(host.files.get(&**path), before) {
                return Ok(stale(format!("{node}: {path}"), words(before), host.previous(path)));
            }
        }
        if writes.is_empty() && removals.is_empty() {
            return Ok(Applied::AlreadyDone);
        }
        let size: u64 =
            writes.iter().filter_map(|write| cx.texts.get(&write.content)).map(|text| text.len() as u64).sum();
        self.with_room(node, writes.first().map_or("/", |write| &write.path), size)?;
        for write in &writes {
            let no_text = || never(FailureKind::Bundle(format!("the plan has no text {}", write.content)));
            let text = cx.texts.get(&write.content).ok_or_else(no_text)?.clone();
            self.running(node)?.note(key::file(&write.path), "file", |host| host.previous(&write.path));
            self.put(node.as_str(), &write.path, Content::Text(text), write.mode);
        }
        for removal in removals {
            if !self.stroke() {
                break;
            }
            self.running(node)?.files.remove(&*removal.path);
        }
        if self.stroke() {
            self.running(node)?.reload_units();
        }
        Ok(Applied::Done)
    }
}

pub(super) fn is(found: Option<&File>, before: Before) -> bool {
    match before {
        Before::Absent => found.is_none(),
        Before::Digest(digest) => found.is_some_and(|file| file.digest() == Some(digest)),
    }
}

pub(super) fn words(before: Before) -> String {
    match before {
        Before::Absent => "absent".to_owned(),
        Before::Digest(digest) => digest.to_string(),
    }
}

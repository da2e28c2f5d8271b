//! Programs and text files.

use fmp_core::{
    Digest,
    observed::{Fact, FileSeen},
    resource::{Artifact, File},
};
use similar::TextDiff;

use super::{Delta, HostView, Task, Work};
use crate::{
    action::{Action, Before, FileWrite},
    fact::FactKey,
    plan::Verb,
};

pub(super) fn artifact(host: &HostView<'_>, wanted: &Artifact) -> Delta {
    let (before, why) = match host.ask(|host| host.files.get(&*wanted.path)) {
        Fact::Unknown(why) => return Delta::blocked(host.until(&wanted.path, &why)),
        Fact::Known(FileSeen { digest: None, .. }) => return unreadable(host, &wanted.path),
        Fact::Known(seen) if seen.digest == Some(wanted.digest) && seen.mode == 0o755 => return Delta::InSync,
        Fact::Known(seen) => (before(seen), differences(seen, wanted.digest, 0o755)),
        Fact::Absent => (Before::Absent, Vec::new()),
    };
    let action = Action::Upload {
        name: wanted.name.clone(),
        digest: wanted.digest,
        path: wanted.path.clone(),
        bytes: wanted.bytes,
        before,
    };
    let facts = host.premises(|| FactKey::File { node: host.name.clone(), path: wanted.path.clone() });
    Delta::from(Work::new(verb(before), Task::One(action), facts).because(why))
}

pub(super) fn text(host: &HostView<'_>, wanted: &File) -> Delta {
    let seen = host.ask(|host| host.files.get(&*wanted.path));
    let (before, why, diff) = match seen {
        Fact::Unknown(why) => return Delta::blocked(host.until(&wanted.path, &why)),
        Fact::Known(FileSeen { digest: None, .. }) => return unreadable(host, &wanted.path),
        Fact::Known(seen) if seen.digest == Some(wanted.content.digest) && seen.mode == wanted.mode => {
            return Delta::InSync;
        }
        Fact::Known(seen) => {
            let diff = seen.text.as_ref().map(|text| unified(text, &wanted.content.text));
            (before(seen), differences(seen, wanted.content.digest, wanted.mode), diff)
        }
        Fact::Absent => (Before::Absent, Vec::new(), None),
    };
    let write = FileWrite { path: wanted.path.clone(), mode: wanted.mode, content: wanted.content.digest, before };
    let facts = host.premises(|| FactKey::File { node: host.name.clone(), path: wanted.path.clone() });
    let mut work = Work::new(verb(before), Task::Write(write), facts).because(why);
    work.diff = diff.filter(|diff| !diff.is_empty());
    Delta::from(work)
}

const fn verb(before: Before) -> Verb {
    match before {
        Before::Absent => Verb::Create,
        Before::Digest(_) => Verb::Update,
    }
}

/// A step says what it expects to find, and of this nobody can say.
fn unreadable(host: &HostView<'_>, path: &str) -> Delta {
    Delta::blocked(host.until(path, "its content can't be read"))
}

fn before(seen: &FileSeen) -> Before {
    seen.digest.map_or(Before::Absent, Before::Digest)
}

fn differences(seen: &FileSeen, digest: Digest, mode: u32) -> Vec<String> {
    let mut why = Vec::new();
    match seen.digest {
        Some(found) if found == digest => {}
        Some(found) => why.push(format!("content is {}, wanted {}", found.short(), digest.short())),
        None => why.push("its content is not known".to_owned()),
    }
    if seen.mode != mode {
        why.push(format!("mode is {:04o}, wanted {mode:04o}", seen.mode));
    }
    why
}

/// A diff without file names: the change's id says which file it is.
fn unified(found: &str, wanted: &str) -> String {
    TextDiff::from_lines(found, wanted).unified_diff().context_radius(2).to_string()
}

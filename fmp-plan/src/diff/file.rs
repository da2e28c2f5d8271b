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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Lab, ids, step, waits};

    const PATH: &str = "/etc/crictl.yaml";

    fn lab(change: impl FnOnce(&mut FileSeen)) -> Lab {
        let mut lab = Lab::settled(1, 1);
        match lab.host("work-1").files.get_mut(PATH) {
            Some(Fact::Known(seen)) => change(seen),
            other => panic!("{other:?}"),
        }
        lab
    }

    #[test]
    fn a_file_that_differs_is_written_and_shown_as_a_difference() {
        let plan = lab(|seen| (seen.digest, seen.text) = (Some(Digest::of("a")), Some("a\n".into()))).plan();
        let Action::WriteFiles { files, .. } = &step(&plan, "work-1/files").action else { panic!() };
        assert_eq!(files[0].before, Before::Digest(Digest::of("a")));
        assert!(plan.texts.contains_key(&files[0].content), "the plan holds what it writes");
        assert!(plan.changes[0].diff.as_ref().unwrap().contains("\n-a\n+"), "{:?}", plan.changes[0].diff);
    }

    #[test]
    fn a_mode_that_differs_is_said_alone() {
        let plan = lab(|seen| seen.mode = 0o666).plan();
        assert_eq!(plan.changes[0].why, ["mode is 0666, wanted 0644"]);
        assert_eq!(plan.changes[0].diff, None);
    }

    #[test]
    fn a_file_that_cannot_be_read_waits_and_holds_up_what_reads_it_alone() {
        let mut lab = lab(|seen| seen.digest = None);
        lab.edit("work-1", "/etc/fmp/node.env");
        let plan = lab.plan();
        let until = format!("work-1 says what {PATH} is: its content can't be read");
        assert_eq!(waits(&plan, &format!("work-1/file{PATH}")), Some(until.as_str()));
        assert!(ids(&plan).contains(&"work-1/unit/kubelet.service"));
    }

    #[test]
    fn a_program_that_was_changed_is_uploaded_again() {
        let mut lab = Lab::settled(1, 1);
        let path = lab.host("work-1").files.keys().find(|path| path.ends_with("/kubelet")).cloned().unwrap();
        lab.edit_beneath("work-1", &path);
        let plan = lab.plan();
        assert!(matches!(
            step(&plan, "work-1/artifact/kubelet").action,
            Action::Upload { before: Before::Digest(_), .. }
        ));
    }
}

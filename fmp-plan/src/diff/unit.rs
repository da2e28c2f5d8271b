//! Units: whether one runs, with the inputs that are wanted, and will again after a reboot.

use std::{collections::BTreeSet, sync::Arc};

use fmp_core::{
    observed::{Fact, Stamp, UnitSeen},
    resource::{Effect, Input, Resource, Unit},
};

use super::{Delta, HostView, Task, Work};
use crate::{
    action::{Action, FileRemoval},
    fact::FactKey,
    plan::Verb,
};

/// `changed`: what the unit depends on and what this plan changes.
pub(super) fn delta(host: &HostView<'_>, wanted: &Unit, changed: &[&Resource]) -> Delta {
    let unit = &wanted.name;
    let facts = host.premises(|| FactKey::Unit { node: host.name.clone(), unit: unit.clone() });
    let seen = match host.ask(|host| host.units.get(&**unit)) {
        Fact::Unknown(why) => return Delta::blocked(host.until(unit, &why)),
        Fact::Absent => return start(unit, facts, Vec::new(), Vec::new()),
        Fact::Known(seen) => seen,
    };
    let remove = drop_ins(seen);
    if seen.active != "active" {
        return start(unit, facts, remove, vec![format!("it is {}", seen.active)]);
    }
    let (effect, mut why) = due(host, wanted, seen, changed, &remove);
    if seen.enabled != "enabled" {
        why.push(format!("it is {}: it would not start at the next boot", seen.enabled));
    }
    if seen.needs_reload {
        why.push("systemd holds an older version of its files".to_owned());
    }
    let unit = unit.clone();
    let (verb, action) = match effect {
        Effect::Restart => (Verb::Restart, Action::RestartUnit { unit }),
        Effect::Reload => (Verb::Update, Action::ReloadUnit { unit }),
        Effect::None if why.is_empty() => return Delta::InSync,
        Effect::None => (Verb::Update, Action::EnableUnit { unit }),
    };
    Delta::Work(Work::new(verb, Task::Unit { action, remove }, facts).because(why))
}

fn start(unit: &Arc<str>, facts: Vec<FactKey>, remove: Vec<FileRemoval>, why: Vec<String>) -> Delta {
    let task = Task::Unit { action: Action::StartUnit { unit: unit.clone() }, remove };
    let verb = if why.is_empty() { Verb::Create } else { Verb::Update };
    Delta::Work(Work::new(verb, task, facts).because(why))
}

/// The strongest effect that is due, and why.
fn due(
    host: &HostView<'_>,
    wanted: &Unit,
    seen: &UnitSeen,
    changed: &[&Resource],
    remove: &[FileRemoval],
) -> (Effect, Vec<String>) {
    let mut effect = Effect::None;
    let mut why = Vec::new();
    for removal in remove {
        effect = Effect::Restart;
        why.push(format!("{} is a drop-in that nobody ordered", removal.path));
    }
    for resource in changed {
        for path in paths(resource).into_iter().flatten() {
            if let Some(input) = wanted.inputs.iter().find(|input| *input.path == *path) {
                effect = effect.max(input.effect);
                if input.effect > Effect::None {
                    why.push(format!("{path} changes"));
                }
            }
        }
    }
    match &seen.stamp {
        Some(stamp) => {
            for (input_effect, reason) in stamp_differences(host, &wanted.inputs, stamp) {
                effect = effect.max(input_effect);
                if !why.contains(&reason) {
                    why.push(reason);
                }
            }
        }
        None => {
            effect = Effect::Restart;
            why.push("what it read at its start is not known".to_owned());
        }
    }
    (effect, why)
}

/// What the running process read and what lies there now.
fn stamp_differences(host: &HostView<'_>, inputs: &[Input], stamp: &Stamp) -> Vec<(Effect, String)> {
    let wanted: BTreeSet<&str> = inputs.iter().map(|input| &*input.path).collect();
    let read = |input: &Input| match (stamp.0.get(&*input.path), now(host, &input.path)) {
        (None, _) => Some((input.effect, format!("{} was not among what it read", input.path))),
        (Some(then), Some(now)) if *then != now => {
            Some((input.effect, format!("{} changed after its start", input.path)))
        }
        (Some(_), _) => None,
    };
    let gone = |path: &String| (Effect::Restart, format!("{path} was there at its start"));
    let differing = inputs.iter().filter(|input| input.effect > Effect::None).filter_map(read);
    differing
        .chain(stamp.0.keys().filter(|path| !wanted.contains(path.as_str()) && is_drop_in(path)).map(gone))
        .collect()
}

/// A path as a stamp would say it now, in the form that its value then has.
fn now(host: &HostView<'_>, path: &str) -> Option<String> {
    let seen = *host.ask(|host| host.files.get(path)).known()?;
    let by_stat = is_secret(path) || seen.bytes > STAMPED_BY_DIGEST;
    match seen.digest {
        Some(digest) if !by_stat => Some(digest.to_string()),
        Some(_) | None => Some(format!("stat:{}", seen.stat)),
    }
}

/// Larger files are stamped by `stat`: hashing a program at each start would cost half a second.
const STAMPED_BY_DIGEST: u64 = 1 << 20;

fn is_secret(path: &str) -> bool {
    path.ends_with(".key") || path.ends_with("/encryption.yaml")
}

fn is_drop_in(path: &str) -> bool {
    path.contains(".service.d/")
}

/// Drop-ins of our units: none is ever ours.
fn drop_ins(seen: &UnitSeen) -> Vec<FileRemoval> {
    seen.drop_ins.iter().map(|(path, digest)| FileRemoval { path: path.as_str().into(), before: *digest }).collect()
}

/// Where a resource lies on its host.
fn paths(resource: &Resource) -> [Option<&str>; 2] {
    match resource {
        Resource::Artifact(artifact) => [Some(&artifact.path), None],
        Resource::File(file) => [Some(&file.path), None],
        Resource::Certificate(certificate) => [Some(&certificate.path), Some(&certificate.key_path)],
        Resource::Trust(trust) => [trust.what.public_path(), trust.what.private_path()],
        Resource::Machine
        | Resource::Unit(_)
        | Resource::EtcdMember(_)
        | Resource::Image(_)
        | Resource::NodeObject(_)
        | Resource::Object(_) => [None, None],
    }
}

//! Units: whether one runs, with the inputs that are wanted, and will again after a reboot.

use std::{collections::BTreeSet, sync::Arc};

use fmp_core::{
    NodeName,
    graph::Handle,
    observed::{Fact, Stamp, UnitSeen},
    resource::{Effect, File, Input, Resource, Scope, Unit},
    role::paths::unit_file,
};

use super::{Delta, HostView, Pods, Sides, Task, Work};
use crate::{
    action::{Action, FileRemoval, UnitBefore},
    fact::FactKey,
    plan::Verb,
    safety,
};

/// Units that systemd takes for active as soon as their process is there (`Type=simple`).
const SIMPLE: [&str; 5] = [
    "fmp-entrance.service",
    "kube-controller-manager.service",
    "kube-proxy.service",
    "kube-scheduler.service",
    "kubelet.service",
];

/// `changed`: what the unit depends on and what this plan changes.
pub(super) fn delta(host: &HostView<'_>, wanted: &Unit, changed: &[&Resource]) -> Delta {
    let unit = &wanted.name;
    let facts = host.premises(|| FactKey::Unit { node: host.name.clone(), unit: unit.clone() });
    let seen = match host.ask(|host| host.units.get(&**unit)) {
        Fact::Unknown(why) => return Delta::blocked(host.until(unit, &why)),
        Fact::Absent => return Delta::from(Work::new(Verb::Create, task(start(unit), Vec::new()), facts)),
        Fact::Known(seen) => seen,
    };
    if is_masked(seen) && !changes(changed, &unit_file(unit)) {
        return Delta::blocked(format!("{} no longer masks {unit}: `systemctl unmask {unit}`", host.name));
    }
    let remove = drop_ins(unit, seen);
    let (effect, why) = due(host, wanted, seen, changed, &remove);
    if !serves(seen) {
        return down(unit, seen, effect, remove, facts);
    }
    let why: Vec<String> = why.into_iter().chain(at_rest(seen)).collect();
    let unit = unit.clone();
    let (verb, action) = match effect {
        Effect::Restart => (Verb::Restart, Action::RestartUnit { unit, before: UnitBefore::Active }),
        Effect::Reload => (Verb::Update, Action::ReloadUnit { unit }),
        Effect::None if why.is_empty() => return Delta::InSync,
        Effect::None => (Verb::Update, Action::EnableUnit { unit }),
    };
    let disrupts = safety::disrupted(host.name, &action);
    Delta::from(Work::new(verb, task(action, remove), facts).because(why).disrupting(disrupts))
}

/// Whether others may rest on a unit: while it reads its configuration again it goes on serving.
fn serves(seen: &UnitSeen) -> bool {
    matches!(seen.active.as_str(), "active" | "reloading")
}

/// A unit that does not run. There is nothing to disturb, as long as it has not come up when the step begins.
///
/// To start what is starting already changes nothing: a process that hangs on its way up goes on with what it read. The
/// [`SIMPLE`] ones don't hang there: between two tries of theirs there is no process.
fn down(unit: &Arc<str>, seen: &UnitSeen, effect: Effect, remove: Vec<FileRemoval>, facts: Vec<FactKey>) -> Delta {
    let hangs = !SIMPLE.contains(&&**unit);
    let action = match (seen.active.as_str(), effect) {
        ("activating", Effect::Restart) if hangs => {
            Action::RestartUnit { unit: unit.clone(), before: UnitBefore::Starting }
        }
        _ => start(unit),
    };
    let why = [format!("it is {}", seen.active)];
    Delta::from(Work::new(Verb::Update, task(action, remove), facts).because(why))
}

fn start(unit: &Arc<str>) -> Action {
    Action::StartUnit { unit: unit.clone() }
}

const fn task(action: Action, remove: Vec<FileRemoval>) -> Task {
    Task::Unit { action, remove, pods: Pods::Stay }
}

/// Before a kubelet of another minor version starts, the node's pods leave: upstream supports no upgrade beneath them
/// (<https://kubernetes.io/releases/version-skew-policy/#kubelet-1>).
pub(super) fn evict(sides: Sides<'_>, node: &NodeName, delta: &mut Delta) {
    let Delta::Work(work) = &mut *delta else { return };
    let Task::Unit { action: Action::RestartUnit { unit, .. }, pods, .. } = &mut work.task else { return };
    if &**unit != "kubelet.service" || !is_of_another_minor(sides, node) {
        return;
    }
    match &sides.observed.api {
        Fact::Known(api) if api.nodes.contains_key(node.as_str()) => {
            *pods = Pods::Leave(safety::evictable(sides.spec, node));
        }
        Fact::Known(_) | Fact::Absent => {}
        Fact::Unknown(why) => *delta = Delta::blocked(format!("the API answers, so that its pods can leave: {why}")),
    }
}

/// Whether the kubelet that runs is of another minor version than what is wanted.
fn is_of_another_minor(sides: Sides<'_>, node: &NodeName) -> bool {
    let unit = sides.observed.host(node).and_then(|host| host.units.get("kubelet.service")?.known());
    let runs = unit.and_then(|unit| unit.stamp.as_ref()?.version_of("kubelet"));
    runs.is_some_and(|runs| runs.minor != sides.spec.kubernetes.minor)
}

fn is_masked(seen: &UnitSeen) -> bool {
    seen.enabled.starts_with("masked")
}

/// What is wrong with a unit although it runs with the right inputs.
fn at_rest(seen: &UnitSeen) -> impl Iterator<Item = String> {
    let boot =
        (seen.enabled != "enabled").then(|| format!("it is {}: it would not start at the next boot", seen.enabled));
    let stale = seen.needs_reload.then(|| "systemd holds an older version of its files".to_owned());
    boot.into_iter().chain(stale)
}

fn changes(changed: &[&Resource], path: &str) -> bool {
    changed.iter().any(|resource| paths(resource).contains(&Some(path)))
}

/// Whether a unit would have to take up what this plan writes into `file`.
pub(crate) fn takes_up(sides: Sides<'_>, unit: Handle, file: Handle) -> bool {
    let (Resource::Unit(wanted), resource @ Resource::File(_)) =
        (sides.desired.resource(unit), sides.desired.resource(file))
    else {
        return false;
    };
    let Scope::Node(node) = &sides.desired.id(unit).scope else { return false };
    let host = HostView::new(sides.observed, node);
    let seen = host.ask(|host| host.units.get(&*wanted.name));
    let stamp = seen.known().and_then(|seen| seen.stamp.as_ref());
    let Resource::File(text) = resource else { return false };
    !has_read(stamp, text) && !planned(wanted, &[resource]).is_empty()
}

/// The strongest effect that is due, and why.
fn due(
    host: &HostView<'_>,
    wanted: &Unit,
    seen: &UnitSeen,
    changed: &[&Resource],
    remove: &[FileRemoval],
) -> (Effect, Vec<String>) {
    let ordered =
        remove.iter().map(|file| (Effect::Restart, format!("{} is a drop-in that nobody ordered", file.path)));
    let mut all: Vec<(Effect, String)> = ordered.collect();
    all.extend(planned(wanted, changed));
    match &seen.stamp {
        Some(stamp) => all.extend(stamp_differences(host, &wanted.inputs, stamp, changed)),
        None if is_about_to_read(seen) => {}
        None => all.push((Effect::Restart, "what it read at its start is not known".to_owned())),
    }
    let effect = all.iter().map(|(effect, _)| *effect).max().unwrap_or(Effect::None);
    (effect, all.into_iter().map(|(_, why)| why).collect())
}

/// Whether its process is still to come: a start notes what it reads before it begins one. A restart would be too late by
/// the time it is made: where a run was cut off just after it started a unit, the next one finds it up. What systemd holds
/// an older version of starts with that one, whatever it notes.
fn is_about_to_read(seen: &UnitSeen) -> bool {
    seen.active == "activating" && seen.sub == "start-pre" && !seen.needs_reload
}

/// Inputs that this plan changes. A file that was edited after the start counts, although the process never read it: what
/// runs beside a file that was touched by hand is started again with one that is known.
fn planned(wanted: &Unit, changed: &[&Resource]) -> Vec<(Effect, String)> {
    let mut found = Vec::new();
    for resource in changed {
        for path in paths(resource).into_iter().flatten() {
            let input = wanted.inputs.iter().find(|input| *input.path == *path && input.effect > Effect::None);
            if let Some(input) = input {
                found.push((input.effect, format!("{path} changes")));
            }
        }
    }
    found
}

/// Whether the process has read just what the plan writes: a file that was edited after its start, or lost its mode, may
/// be set right beneath it at any time.
fn has_read(stamp: Option<&Stamp>, file: &File) -> bool {
    let read = stamp.and_then(|stamp| stamp.0.get(&*file.path));
    read.is_some_and(|read| *read == file.content.digest.to_string())
}

/// What the running process read and what lies there now and stays.
fn stamp_differences(
    host: &HostView<'_>,
    inputs: &[Input],
    stamp: &Stamp,
    changed: &[&Resource],
) -> Vec<(Effect, String)> {
    let wanted: BTreeSet<&str> = inputs.iter().map(|input| &*input.path).collect();
    let read = |input: &Input| match (stamp.0.get(&*input.path), now(host, &input.path)) {
        (None, _) => Some((input.effect, format!("{} was not among what it read", input.path))),
        (Some(then), Some(now)) if *then != now => {
            Some((input.effect, format!("{} changed after its start", input.path)))
        }
        (Some(_), _) => None,
    };
    let gone = |path: &String| (Effect::Restart, format!("{path} was there at its start"));
    let stays = |input: &&Input| input.effect > Effect::None && !changes(changed, &input.path);
    let left = stamp.0.keys().filter(|path| !wanted.contains(path.as_str()) && is_drop_in(path));
    inputs.iter().filter(stays).filter_map(read).chain(left.map(gone)).collect()
}

/// A path as a stamp would say it now, in the form that its value then has.
fn now(host: &HostView<'_>, path: &str) -> Option<String> {
    host.ask(|host| host.files.get(path)).known().map(|seen| seen.as_stamped(path))
}

fn is_drop_in(path: &str) -> bool {
    path.contains(".service.d/")
}

/// Drop-ins of this unit: none is ever ours. Those for all services at once (`service.d`) come with the system and are
/// none of our business.
fn drop_ins(unit: &str, seen: &UnitSeen) -> Vec<FileRemoval> {
    let folder = format!("/{unit}.d/");
    let own = seen.drop_ins.iter().filter(|(path, _)| path.contains(&folder));
    own.map(|(path, digest)| FileRemoval { path: path.as_str().into(), before: *digest }).collect()
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
        | Resource::Object(_)
        | Resource::Volume(_)
        | Resource::Package(_) => [None, None],
    }
}

#[cfg(test)]
mod tests;

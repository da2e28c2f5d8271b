//! What goes on although it ended: commands of a run that was killed, machines that left, what stands for nobody.

use fmp_core::{
    NodeName, Severity, check,
    observed::{EtcdMember, Fact, Host, NodeSeen},
};

use super::{Ailment, Fix, Kind, Patient, told};
use crate::{Step, safety};

/// Commands of some run that still run on a host.
pub(super) fn commands(name: &NodeName, host: &Host) -> Option<Ailment> {
    (!host.running.is_empty()).then(|| Ailment {
        subject: name.to_string(),
        kind: Kind::Zombie,
        severity: Severity::Warning,
        what: "commands of some run of fmp still run".to_owned(),
        evidence: host.running.iter().cloned().collect(),
        cause: "a run goes on now, or it was killed and its commands outlived it".to_owned(),
        fix: Fix::Hand("wait; the next `fmp apply` waits for them and refuses what they would still begin".to_owned()),
    })
}

/// Machines that have left and run on, Nodes and members of etcd that cluster.toml knows nothing of.
pub(super) fn ailments(patient: &Patient<'_>) -> Vec<Ailment> {
    let gone = patient.spec.retired.keys().filter_map(|name| returned(patient, name));
    let is_named = |name: &str| patient.spec.everyone().any(|(own, _)| own.as_str() == name);
    let nodes = patient.observed.api.known().into_iter().flat_map(|api| &api.nodes);
    let nodes = nodes.filter(|(name, _)| !is_named(name)).map(|(name, seen)| node(name, seen));
    let members = patient.observed.etcd.known().into_iter().flat_map(|etcd| &etcd.members);
    // One that does not answer is told as such.
    let strange = |(url, member): &(&String, &EtcdMember)| {
        member.healthy == Fact::Known(true) && safety::owner(patient.spec, url).is_none()
    };
    gone.chain(nodes).chain(members.filter(strange).map(|(url, seen)| member(url, seen))).collect()
}

/// A machine that has left the cluster, as far as that shows, and on which units of ours run.
fn returned(patient: &Patient<'_>, name: &NodeName) -> Option<Ailment> {
    let api = patient.observed.api.known()?;
    let url = safety::peer_url(&patient.spec.retired[name]);
    let is_member = patient.observed.etcd.known().is_none_or(|etcd| etcd.members.contains_key(&url));
    if is_member || api.nodes.contains_key(name.as_str()) {
        return None;
    }
    let units = patient.observed.host(name)?.units.iter();
    let running = units.filter_map(|(unit, seen)| Some((unit, seen.known().filter(|seen| !seen.is_down())?)));
    let running: Vec<String> = running.map(|(unit, seen)| format!("{unit} is {}", told(seen))).collect();
    let begin = format!("{name}/retire/");
    (!running.is_empty()).then(|| Ailment {
        subject: name.to_string(),
        kind: Kind::Zombie,
        severity: Severity::Error,
        what: "it has left the cluster, and what runs there goes on".to_owned(),
        evidence: running,
        cause: "its machine was off or cut off when it left, and came back".to_owned(),
        fix: patient.fix(
            |step: &Step| step.id.as_str().starts_with(&begin),
            |what| what == name.as_str(),
            || format!("switch it off, or stop these units on {name}"),
        ),
    })
}

fn node(name: &str, seen: &NodeSeen) -> Ailment {
    let (what, cause) = if seen.ready {
        (
            "its Node is Ready, and cluster.toml names no such node",
            "its table was deleted, or somebody else let it join",
        )
    } else {
        ("its Node is left, and cluster.toml names no such node", "its table was deleted instead of called retired")
    };
    let none = || "it has no address".to_owned();
    Ailment {
        subject: name.to_owned(),
        kind: Kind::Zombie,
        severity: Severity::Warning,
        what: what.to_owned(),
        evidence: vec![seen.address.map_or_else(none, |address| format!("its address is {address}"))],
        cause: cause.to_owned(),
        fix: Fix::Hand(format!("write its table back, or call it [retired.{name}], and `fmp apply` takes it out")),
    }
}

fn member(url: &str, seen: &EtcdMember) -> Ailment {
    let role = if seen.learner { "a learner" } else { "a voter: every quorum counts it" };
    let name = if seen.name.is_empty() { "nothing" } else { &seen.name };
    Ailment {
        subject: check::CLUSTER.to_owned(),
        kind: Kind::Zombie,
        severity: Severity::Warning,
        what: format!("a member of etcd answers at {url}, where cluster.toml names no main"),
        evidence: vec![format!("it calls itself {name}, {role}")],
        cause: "its main's table was deleted, or its address was changed".to_owned(),
        fix: Fix::Hand(
            "write its table back, or call it [retired.NAME] with that address, and `fmp apply` takes it out"
                .to_owned(),
        ),
    }
}

//! `fmp status`: how it is, for a tired eye.

use std::fmt::Write as _;

use fmp_core::{
    observed::{Fact, Observed},
    role::paths::unit::REGISTRY,
    spec::Spec,
};

use super::apply::others::still_running;
use crate::{cli::Places, exit::Exit, output, session::Session};

/// Prints machines, etcd, apiservers, nodes. Exit code 1 where something that should be up is not.
pub(crate) async fn run(places: &Places) -> miette::Result<Exit> {
    let session = Session::open(places)?;
    let observed = super::look(&session, &session.reach()?, super::Depth::Plan).await?;
    let (text, well) = told(&session.spec, &observed);
    output::print(&text);
    Ok(if well { Exit::Fine } else { Exit::Error })
}

/// In words, and whether everything that should be up is.
pub(crate) fn told(spec: &Spec, observed: &Observed) -> (String, bool) {
    let mut out = format!("cluster {}, Kubernetes {}\n", spec.name, spec.kubernetes);
    let etcd = etcd(&mut out, observed);
    let api = api(&mut out, spec, observed);
    for (node, command) in still_running(observed) {
        _ = writeln!(out, "host: {node} runs {command}, which some fmp began");
    }
    (out, etcd && api)
}

fn etcd(out: &mut String, observed: &Observed) -> bool {
    let etcd = match &observed.etcd {
        Fact::Known(etcd) => etcd,
        Fact::Absent => {
            out.push_str("etcd: there is none yet\n");
            return false;
        }
        Fact::Unknown(why) => {
            _ = writeln!(out, "etcd: can't be asked: {why}");
            return false;
        }
    };
    let mut well = true;
    for (peer_url, member) in &etcd.members {
        let name = if member.name.is_empty() { peer_url } else { &member.name };
        let health = match &member.healthy {
            Fact::Known(true) => "healthy",
            Fact::Known(false) | Fact::Absent => "not healthy",
            Fact::Unknown(_) => "health unknown",
        };
        well &= member.healthy == Fact::Known(true);
        let vote = if member.learner { "learner" } else { "voter" };
        let leads = if member.leader { ", leads" } else { "" };
        _ = writeln!(out, "etcd: {name} {vote} {health}{leads}");
        for alarm in &member.alarms {
            well = false;
            _ = writeln!(out, "etcd: {name} raised the alarm {alarm}");
        }
    }
    well
}

fn api(out: &mut String, spec: &Spec, observed: &Observed) -> bool {
    let api = match &observed.api {
        Fact::Known(api) => api,
        Fact::Absent => {
            out.push_str("API: there is none yet\n");
            return false;
        }
        Fact::Unknown(why) => {
            _ = writeln!(out, "API: can't be asked: {why}");
            return false;
        }
    };
    let mut well = true;
    for (node, ready) in &api.ready {
        let ready = *ready == Fact::Known(true);
        well &= ready;
        _ = writeln!(out, "apiserver: {node} {}", if ready { "ready" } else { "not ready" });
    }
    for (name, node) in spec.nodes.iter().filter(|(_, node)| node.role.is_of_kubernetes()) {
        let (word, ready) = match api.nodes.get(name.as_str()) {
            Some(seen) if seen.ready => (format!("Ready {}", seen.kubelet_version), true),
            Some(seen) => (format!("NotReady: {}", seen.message), false),
            None => ("has no Node object".to_owned(), false),
        };
        well &= ready;
        _ = writeln!(out, "node: {name} {} {} {word}", node.address, node.role);
    }
    well &= images(out, spec, observed);
    for (name, seen) in api.nodes.iter().filter(|(name, _)| !spec.nodes.contains_key(name.as_str())) {
        let address = seen.address.map_or_else(|| "of no address".to_owned(), |address| address.to_string());
        let why = if spec.retired.contains_key(name.as_str()) { "leaves" } else { "is not in cluster.toml" };
        _ = writeln!(out, "node: {name} {address} {why}");
    }
    for (name, host) in &observed.hosts {
        let Fact::Unknown(why) = host else { continue };
        // What leaves may be gone already.
        let stays = spec.nodes.contains_key(name);
        well &= !stays;
        _ = writeln!(out, "host: {name} {}does not answer: {why}", if stays { "" } else { "leaves and " });
    }
    well
}

/// The machine that stores images, where one does.
fn images(out: &mut String, spec: &Spec, observed: &Observed) -> bool {
    let Some((name, node)) = spec.image_storage() else { return true };
    let Some(host) = observed.host(name) else { return true };
    let unit = host.units.get(REGISTRY).and_then(Fact::known);
    let serves = unit.is_some_and(|unit| unit.active == "active");
    let word = unit.map_or("not there yet", |unit| &unit.active);
    _ = writeln!(out, "images: {name} {} registry {word}", node.address);
    serves
}

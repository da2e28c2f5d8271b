//! What steps write: texts, paths, modes, names; and that no secret is among it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddrV4,
};

use fmp_core::{Digest, NodeName};

use super::{Findings, Rule};
use crate::{
    Plan, Step,
    action::{Action, PackageInstall, PackagesFrom},
};

/// Whatever stands in the step alone.
pub(super) fn check_step(step: &Step, findings: &mut Findings) {
    for path in paths(&step.action) {
        if let Some(wrong) = wrong_path(path) {
            findings.add(Rule::Path, &step.id, format!("`{path}` {wrong}"));
        }
    }
    for url in peer_urls(&step.action) {
        let address = url.strip_prefix("https://").and_then(|address| address.parse::<SocketAddrV4>().ok());
        if address.is_none_or(|address| address.port() == 0) {
            findings.add(Rule::PeerUrl, &step.id, format!("`{url}` is not `https://ADDRESS:PORT`"));
        }
    }
    if let Some(name) = wrong_name(&step.action) {
        findings.add(Rule::Name, &step.id, format!("`{name}` is no name of what it is about"));
    }
    match &step.action {
        Action::WriteFiles { files, .. } => {
            for file in files.iter().filter(|file| file.mode & !0o755 != 0 || file.mode & 0o400 == 0) {
                findings.add(Rule::Mode, &step.id, format!("{} would have mode {:04o}", file.path, file.mode));
            }
        }
        Action::IssueCertificates { certificates } => {
            for issue in certificates {
                let request = &issue.request;
                if request.common_name.trim().is_empty() || request.days <= request.renew_days {
                    findings.add(Rule::Certificate, &step.id, format!("{} has no name or ends too early", issue.path));
                }
            }
        }
        _ => {}
    }
}

/// Every path that an action writes or removes.
pub(super) fn paths(action: &Action) -> Vec<&str> {
    match action {
        Action::Upload { path, .. } | Action::StoreImage { path, .. } => vec![path],
        Action::MountVolume { mounts, .. } => mounts.iter().map(|mount| &*mount.directory).collect(),
        Action::WriteFiles { files, remove } => {
            files.iter().map(|file| &*file.path).chain(remove.iter().map(|file| &*file.path)).collect()
        }
        Action::IssueCertificates { certificates } => {
            certificates.iter().flat_map(|issue| [&*issue.path, &*issue.key_path]).collect()
        }
        Action::EstablishTrust { items } => {
            let private = |private: bool, path| if private { path } else { None };
            let parts = |item: &crate::action::TrustItem| {
                [item.what.public_path(), private(item.private, item.what.private_path())]
            };
            items.iter().flat_map(parts).flatten().collect()
        }
        Action::CreateMachine { .. }
        | Action::StartMachine
        | Action::StartUnit { .. }
        | Action::RestartUnit { .. }
        | Action::ReloadUnit { .. }
        | Action::EnableUnit { .. }
        | Action::BootstrapEtcd { .. }
        | Action::RemoveEtcdMember { .. }
        | Action::AddEtcdLearner { .. }
        | Action::StartEtcdLearner { .. }
        | Action::PromoteEtcdLearner { .. }
        | Action::ImportImage { .. }
        | Action::PullImage { .. }
        | Action::InstallPackages { .. }
        | Action::MakeVolume { .. }
        | Action::GrowVolume { .. }
        | Action::CordonNode { .. }
        | Action::DrainNode { .. }
        | Action::UncordonNode { .. }
        | Action::StopUnits { .. }
        | Action::DeleteNode { .. }
        | Action::ApplyNode { .. }
        | Action::DeleteObject { .. }
        | Action::ApplyObject { .. } => Vec::new(),
    }
}

fn wrong_path(path: &str) -> Option<&'static str> {
    let Some(parts) = path.strip_prefix('/') else { return Some("is not absolute") };
    let printable = |c: char| c.is_ascii_graphic();
    if parts.split('/').any(|part| matches!(part, "" | "." | "..")) {
        Some("leads astray")
    } else if !parts.chars().all(printable) {
        Some("holds what no path of ours holds")
    } else {
        None
    }
}

fn peer_urls(action: &Action) -> Vec<&str> {
    match action {
        Action::BootstrapEtcd { members } | Action::StartEtcdLearner { members } => {
            members.values().map(String::as_str).collect()
        }
        Action::RemoveEtcdMember { peer_url, .. }
        | Action::AddEtcdLearner { peer_url }
        | Action::PromoteEtcdLearner { peer_url } => vec![peer_url],
        Action::CreateMachine { .. }
        | Action::StartMachine
        | Action::EstablishTrust { .. }
        | Action::Upload { .. }
        | Action::WriteFiles { .. }
        | Action::IssueCertificates { .. }
        | Action::StartUnit { .. }
        | Action::RestartUnit { .. }
        | Action::ReloadUnit { .. }
        | Action::EnableUnit { .. }
        | Action::ImportImage { .. }
        | Action::StoreImage { .. }
        | Action::PullImage { .. }
        | Action::InstallPackages { .. }
        | Action::MakeVolume { .. }
        | Action::MountVolume { .. }
        | Action::GrowVolume { .. }
        | Action::CordonNode { .. }
        | Action::DrainNode { .. }
        | Action::UncordonNode { .. }
        | Action::StopUnits { .. }
        | Action::DeleteNode { .. }
        | Action::ApplyNode { .. }
        | Action::DeleteObject { .. }
        | Action::ApplyObject { .. } => Vec::new(),
    }
}

const fn plain_of_disk(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '+' | '=' | '@')
}

fn wrong_name(action: &Action) -> Option<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    let graphic = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
    let is_unit =
        |unit: &str| unit.strip_suffix(".service").is_some_and(|own| !own.is_empty() && own.chars().all(plain));
    let is_mount = |unit: &str| {
        unit.strip_suffix(".mount").is_some_and(|own| !own.is_empty() && own.chars().all(|c| plain(c) || c == '\\'))
    };
    let is_stable =
        |disk: &str| disk.strip_prefix("/dev/disk/by-id/").is_some_and(|name| name.chars().all(plain_of_disk));
    let of_lvm = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'))
    };
    let is_logical = |disk: &str| {
        let names = disk.strip_prefix("/dev/").and_then(|names| names.split_once('/'));
        names.is_some_and(|(group, volume)| of_lvm(group) && of_lvm(volume))
    };
    let (name, good): (&str, bool) = match action {
        Action::StartUnit { unit }
        | Action::RestartUnit { unit, .. }
        | Action::ReloadUnit { unit }
        | Action::EnableUnit { unit } => (unit, is_unit(unit)),
        Action::StopUnits { units } => match units.iter().find(|unit| !is_unit(unit)) {
            Some(unit) => (unit, false),
            None => ("no unit", !units.is_empty()),
        },
        Action::RemoveEtcdMember { id, .. } => {
            (id, !id.is_empty() && id.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')))
        }
        Action::ImportImage { reference, .. }
        | Action::StoreImage { reference, .. }
        | Action::PullImage { reference, .. } => (reference, graphic(reference)),
        Action::ApplyObject { key, .. } | Action::DeleteObject { key, .. } => {
            (key, graphic(key) && key.split('/').count() == 3 && !key.starts_with('/') && !key.ends_with('/'))
        }
        Action::InstallPackages { packages, from, .. } => match wrong_package(packages, from, is_unit) {
            Some(wrong) => (wrong, false),
            None => ("no package", !packages.is_empty()),
        },
        Action::MakeVolume { disk, group: None, .. } | Action::GrowVolume { disk, group: None, .. } => {
            (disk, is_stable(disk))
        }
        Action::MakeVolume { disk, group: Some(group), .. } | Action::GrowVolume { disk, group: Some(group), .. } => {
            match group.disks.iter().find(|member| !is_stable(&member.disk)) {
                Some(member) => (&member.disk, false),
                None => (disk, **disk == *group.logical.device() && is_logical(disk) && !group.disks.is_empty()),
            }
        }
        Action::MountVolume { disk, mounts, .. } => match mounts.iter().find(|mount| !is_mount(&mount.unit)) {
            Some(mount) => (&mount.unit, false),
            None => (disk, (is_stable(disk) || is_logical(disk)) && !mounts.is_empty()),
        },
        Action::Upload { name, .. } => (name, !name.is_empty() && name.chars().all(plain)),
        Action::CreateMachine { .. }
        | Action::StartMachine
        | Action::EstablishTrust { .. }
        | Action::WriteFiles { .. }
        | Action::IssueCertificates { .. }
        | Action::BootstrapEtcd { .. }
        | Action::AddEtcdLearner { .. }
        | Action::StartEtcdLearner { .. }
        | Action::PromoteEtcdLearner { .. }
        | Action::CordonNode { .. }
        | Action::DrainNode { .. }
        | Action::UncordonNode { .. }
        | Action::DeleteNode { .. }
        | Action::ApplyNode { .. } => return None,
    };
    (!good).then_some(name)
}

/// Names of packages begin as no option does: they become arguments of a package manager.
fn wrong_package<'a>(
    packages: &'a [PackageInstall],
    from: &'a PackagesFrom,
    is_unit: impl Fn(&str) -> bool,
) -> Option<&'a str> {
    let begins = |c: char| c.is_ascii_alphanumeric();
    let good = |name: &str| name.starts_with(begins) && name.chars().all(|c| begins(c) || "+-._".contains(c));
    let names = packages.iter().map(|package| &*package.name).chain(from.files().iter().map(|file| &*file.package));
    let units = packages.iter().flat_map(|package| &package.quiet).map(|unit| &**unit);
    let wrong_unit = units.into_iter().find(|unit| !is_unit(unit));
    names.into_iter().find(|name| !good(name)).or(wrong_unit)
}

/// Texts are there for those who write them, and for nobody else; what one step of a host writes no other one does.
pub(super) fn check_texts(plan: &Plan, findings: &mut Findings) {
    let mut used: BTreeSet<Digest> = BTreeSet::new();
    let mut writers: BTreeMap<(&NodeName, &str), &Step> = BTreeMap::new();
    for step in &plan.steps {
        for digest in texts(&step.action) {
            used.insert(digest);
            if !plan.texts.contains_key(&digest) {
                findings.add(Rule::Text, &step.id, format!("writes {digest}, which is not among the plan's texts"));
            }
        }
        for (node, path) in step
            .subject
            .node()
            .into_iter()
            .flat_map(|node| paths(&step.action).into_iter().map(move |path| (node, path)))
        {
            if let Some(other) = writers.insert((node, path), step) {
                findings.add(Rule::Path, &step.id, format!("`{path}` is written by {} as well", other.id));
            }
        }
    }
    for (digest, text) in &plan.texts {
        if Digest::of(&**text) != *digest {
            findings.add(Rule::Text, digest, "the text that stands there has another digest");
        }
        if !used.contains(digest) {
            findings.add(Rule::Text, digest, "no step writes it");
        }
    }
}

fn texts(action: &Action) -> Vec<Digest> {
    match action {
        Action::WriteFiles { files, .. } => files.iter().map(|file| file.content).collect(),
        Action::ApplyObject { manifest, .. } => vec![*manifest],
        _ => Vec::new(),
    }
}

/// What only a secret looks like.
const SECRETS: [&str; 4] = ["PRIVATE KEY-----", "client-key-data:", "\"kind\":\"Secret\"", "kind: Secret\n"];

pub(super) fn check_secrets(plan: &Plan, findings: &mut Findings) {
    let mut look = |at: &str, text: &str| {
        let keys = text.contains("EncryptionConfiguration") && text.contains("secret:");
        if keys || SECRETS.iter().any(|secret| text.contains(secret)) {
            findings.add(Rule::Secret, at, "it holds what looks like a secret");
        }
    };
    plan.texts.iter().for_each(|(digest, text)| look(&digest.to_string(), text));
    plan.steps.iter().for_each(|step| look(step.id.as_str(), &step.reason));
    plan.waiting.iter().for_each(|item| look(&item.what, &item.until));
    plan.basis.facts.iter().for_each(|fact| look(&fact.key.to_string(), &fact.value));
    for change in &plan.changes {
        change.why.iter().chain(&change.diff).for_each(|text| look(&change.id, text));
    }
}

//! What must come first: whoever lends has before, whatever starts finds what it reads.

use std::collections::{BTreeMap, BTreeSet};

use fmp_core::{NodeName, resource::Holding};

use super::{Findings, Rule, content, graph::Graph, table};
use crate::{
    Step,
    action::{Action, TrustItem, TrustSource},
};

pub(super) fn check(graph: &Graph<'_>, findings: &mut Findings) {
    let hosts = Hosts::new(graph);
    for (at, step) in graph.steps() {
        let Some(node) = step.subject.node() else { continue };
        match &step.action {
            Action::EstablishTrust { items } => hosts.check_copies(graph, at, items, findings),
            Action::IssueCertificates { certificates } => {
                for issue in certificates {
                    let authority = Holding::Authority(issue.request.signer);
                    let what = format!("{}'s signer", issue.path);
                    hosts.check_lenders(graph, at, (authority, &what), &issue.holders, findings);
                }
            }
            Action::StartUnit { unit } | Action::RestartUnit { unit, .. } | Action::ReloadUnit { unit } => {
                hosts.check_start(graph, at, node, unit, findings);
            }
            Action::BootstrapEtcd { .. } | Action::StartEtcdLearner { .. } => {
                hosts.check_start(graph, at, node, "etcd.service", findings);
            }
            Action::CreateMachine { .. }
            | Action::StartMachine
            | Action::Upload { .. }
            | Action::WriteFiles { .. }
            | Action::EnableUnit { .. }
            | Action::RemoveEtcdMember { .. }
            | Action::AddEtcdLearner { .. }
            | Action::PromoteEtcdLearner { .. }
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
            | Action::ApplyObject { .. } => {}
        }
    }
}

/// What the plan brings to each host, by the step that does.
#[derive(Default)]
struct Hosts<'a> {
    trust: BTreeMap<(&'a NodeName, Holding), usize>,
    paths: BTreeMap<&'a NodeName, Vec<(&'a str, usize)>>,
    /// What each unit's file will say.
    units: BTreeMap<(&'a NodeName, &'a str), &'a str>,
}

impl<'a> Hosts<'a> {
    fn new(graph: &Graph<'a>) -> Self {
        let mut hosts = Self::default();
        for (at, step) in graph.steps() {
            let Some(node) = step.subject.node() else { continue };
            hosts
                .paths
                .entry(node)
                .or_default()
                .extend(content::paths(&step.action).into_iter().map(|path| (path, at)));
            match &step.action {
                Action::EstablishTrust { items } => {
                    hosts.trust.extend(items.iter().map(|item| ((node, item.what), at)));
                }
                Action::WriteFiles { files, .. } => {
                    for file in files {
                        let name = file.path.strip_prefix("/etc/systemd/system/").filter(|name| !name.contains('/'));
                        if let (Some(name), Some(text)) = (name, graph.plan.texts.get(&file.content)) {
                            hosts.units.insert((node, name), text);
                        }
                    }
                }
                _ => {}
            }
        }
        hosts
    }

    fn check_copies(&self, graph: &Graph<'a>, at: usize, items: &[TrustItem], findings: &mut Findings) {
        for item in items {
            if let TrustSource::Copy(holders) = &item.from {
                self.check_lenders(graph, at, (item.what, &item.what.to_string()), holders, findings);
            }
        }
    }

    /// Every holder has the thing when the step begins: since long, or by an earlier step.
    fn check_lenders(
        &self,
        graph: &Graph<'a>,
        at: usize,
        (holding, what): (Holding, &str),
        holders: &[NodeName],
        findings: &mut Findings,
    ) {
        let id = &graph.step(at).id;
        if holders.is_empty() {
            findings.add(Rule::Lender, id, format!("nobody lends {what}"));
        }
        // What a host takes from itself it has.
        let others = holders.iter().filter(|holder| graph.step(at).subject.node() != Some(holder));
        let brought = others.filter_map(|holder| Some((holder, *self.trust.get(&(holder, holding))?)));
        let brought: Vec<(&NodeName, usize)> = brought.collect();
        if brought.is_empty() {
            return;
        }
        let before = graph.all_before(at);
        for (holder, _) in brought.into_iter().filter(|(_, step)| !before.contains(step)) {
            findings.add(Rule::Lender, id, format!("{holder} lends {what} before it has it"));
        }
    }

    /// Everything of this plan that a unit reads was written before it starts: what its file names, what it is said to be
    /// started for.
    fn check_start(&self, graph: &Graph<'a>, at: usize, node: &NodeName, unit: &str, findings: &mut Findings) {
        let step: &Step = graph.step(at);
        let text = self.units.get(&(node, unit)).copied().unwrap_or_default();
        let file = format!("/etc/systemd/system/{unit}");
        let is_read = |path: &str| path == file || names(text, path) || names(&step.reason, path);
        let read = self.paths.get(node).into_iter().flatten().filter(|(path, _)| is_read(path));
        let read: BTreeMap<usize, &str> = read.map(|(path, step)| (*step, *path)).collect();
        let before: BTreeSet<usize> = graph.all_before(at);
        for (_, path) in read.into_iter().filter(|(step, _)| !before.contains(step)) {
            let why = match table::awaited(&step.action) {
                table::Awaited::Nothing => "is done",
                table::Awaited::Machine | table::Awaited::Voter | table::Awaited::Unit(_) => "starts",
            };
            findings.add(Rule::StartOrder, &step.id, format!("{why} before {path} is written, which {unit} reads"));
        }
    }
}

/// Whether a path stands in a text as a word of its own.
fn names(text: &str, path: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    text.match_indices(path).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + path.len()..]);
        !before.ends_with(part) && !after.starts_with(part)
    })
}

//! The plan as text: ASCII, a fact a line, id order, counts last, no alignment and no time.
//!
//! Adding a node changes only lines about that node, counts and digests, so a review shows what happened.

use std::{collections::BTreeMap, fmt::Write as _};

use fmp_core::{NodeName, resource::Capability};

use super::{
    fold::{self, NODE},
    words,
};
use crate::{
    Plan, Standing, Step,
    plan::{Change, Waiting},
    step::Budget,
};

/// The whole plan.
pub fn text(plan: &Plan) -> String {
    let mut out = String::new();
    line(&mut out, 0, format_args!("plan for {}, format {}", plan.cluster, plan.format));
    line(&mut out, 0, format_args!("spec {}", plan.basis.spec));
    line(&mut out, 0, format_args!("bundle {}", plan.basis.bundle));
    changes(&mut out, plan);
    steps(&mut out, plan);
    waiting(&mut out, &plan.waiting);
    for consent in &plan.consents {
        line(&mut out, 0, format_args!("agreed: {consent}"));
    }
    line(&mut out, 0, format_args!(""));
    counts(&mut out, plan);
    out
}

/// One step in full.
pub fn step(step: &Step) -> String {
    let mut out = String::new();
    line(&mut out, 0, format_args!("{}", step.id));
    line(&mut out, 1, format_args!("does: {}", words::action(&step.action)));
    line(&mut out, 1, format_args!("because: {}", reason(step)));
    for earlier in &step.after {
        line(&mut out, 1, format_args!("after: {earlier}"));
    }
    for capability in &step.disrupts {
        line(&mut out, 1, format_args!("disrupts: {}", capability_words(capability)));
    }
    if let Some(unit) = &step.unit {
        line(&mut out, 1, format_args!("unit of disruption: {}", unit.node));
    }
    if let Some(check) = &step.watch {
        line(&mut out, 1, format_args!("finished when: {}", words::check(check)));
    }
    for detail in details(step) {
        line(&mut out, 1, format_args!("{detail}"));
    }
    out
}

fn reason(step: &Step) -> &str {
    if step.reason.is_empty() { "what it holds is new or differs" } else { &step.reason }
}

fn details(step: &Step) -> Vec<String> {
    match &step.action {
        crate::Action::WriteFiles { files, remove } => {
            let written = files.iter().map(|file| format!("file: {} {}", file.path, file.content));
            written.chain(remove.iter().map(|file| format!("removes: {}", file.path))).collect()
        }
        crate::Action::IssueCertificates { certificates } => certificates
            .iter()
            .map(|issue| format!("certificate: {} for {}", issue.path, issue.request.common_name))
            .collect(),
        crate::Action::EstablishTrust { items } => items.iter().map(|item| format!("shared: {}", item.what)).collect(),
        crate::Action::Upload { path, digest, .. } => vec![format!("path: {path}"), format!("content: {digest}")],
        crate::Action::CreateMachine { .. }
        | crate::Action::StartMachine
        | crate::Action::StartUnit { .. }
        | crate::Action::RestartUnit { .. }
        | crate::Action::ReloadUnit { .. }
        | crate::Action::EnableUnit { .. }
        | crate::Action::BootstrapEtcd { .. }
        | crate::Action::RemoveEtcdMember { .. }
        | crate::Action::AddEtcdLearner { .. }
        | crate::Action::StartEtcdLearner { .. }
        | crate::Action::PromoteEtcdLearner { .. }
        | crate::Action::ImportImage { .. }
        | crate::Action::ApplyNode { .. }
        | crate::Action::ApplyObject { .. } => Vec::new(),
    }
}

fn capability_words(capability: &Capability) -> String {
    match capability {
        Capability::Voter(node) => format!("etcd voter on {node}"),
        Capability::Apiserver(node) => format!("apiserver on {node}"),
        Capability::ControllerManager(node) => format!("controller-manager on {node}"),
        Capability::Scheduler(node) => format!("scheduler on {node}"),
        Capability::Pods(node) => format!("new pods on {node}"),
    }
}

fn changes(out: &mut String, plan: &Plan) {
    if plan.changes.is_empty() {
        return;
    }
    line(out, 0, format_args!("\nchanges"));
    let (cluster, nodes) = by_node(plan.changes.iter().map(|change| (change.id.as_str(), change)));
    section(out, cluster, nodes, |change, own| change_lines(change, own));
}

fn change_lines(change: &Change, own: &str) -> Vec<String> {
    let mut lines = vec![format!("{} {own}", words::sign(change.verb))];
    lines.extend(change.why.iter().map(|why| format!("  {why}")));
    // The two header lines of a unified diff name no file here.
    let diff = change.diff.iter().flat_map(|diff| diff.lines());
    lines.extend(diff.map(|line| format!("  | {line}").trim_end().to_owned()));
    lines
}

fn steps(out: &mut String, plan: &Plan) {
    if plan.steps.is_empty() {
        return;
    }
    line(out, 0, format_args!("\nsteps"));
    let (cluster, nodes) = by_node(plan.steps.iter().map(|step| (step.id.as_str(), step)));
    section(out, cluster, nodes, |step, own| step_lines(plan, step, own));
}

fn step_lines(plan: &Plan, step: &Step, own: &str) -> Vec<String> {
    let mut lines = vec![format!("{own}: {}", words::action(&step.action))];
    if let Some(unit) = &step.unit {
        let most = plan.budgets.get(&unit.budget).copied().unwrap_or(1);
        let of = match unit.budget {
            Budget::Mains => "main",
            Budget::Works => "work",
        };
        lines.push(format!("  at most {most} {of} at once"));
    }
    for capability in &step.disrupts {
        lines.push(format!("  disrupts {}", capability_words(capability)));
    }
    let (own_steps, others): (Vec<_>, Vec<_>) = step.after.iter().partition(|id| same_node(step, id.as_str()));
    for earlier in own_steps.iter().chain(&others) {
        lines.push(format!("  after {earlier}"));
    }
    if let Some(check) = &step.watch {
        lines.push(format!("  until {}", words::check(check)));
    }
    lines
}

fn same_node(step: &Step, id: &str) -> bool {
    step.id.as_str().split_once('/').map(|(node, _)| node) == id.split_once('/').map(|(node, _)| node)
}

type ByNode<'a, T> = BTreeMap<NodeName, Vec<(&'a str, &'a T)>>;

/// Splits `node/rest` from `cluster/rest`.
fn by_node<'a, T>(items: impl Iterator<Item = (&'a str, &'a T)>) -> (Vec<(&'a str, &'a T)>, ByNode<'a, T>) {
    let mut cluster = Vec::new();
    let mut nodes: ByNode<'a, T> = BTreeMap::new();
    for (id, item) in items {
        match id.split_once('/') {
            Some((node, own)) if node != "cluster" => match node.parse() {
                Ok(node) => nodes.entry(node).or_default().push((own, item)),
                Err(_) => cluster.push((id, item)),
            },
            Some((_, own)) => cluster.push((own, item)),
            None => cluster.push((id, item)),
        }
    }
    (cluster, nodes)
}

fn section<T>(
    out: &mut String,
    cluster: Vec<(&str, &T)>,
    nodes: ByNode<'_, T>,
    lines: impl Fn(&T, &str) -> Vec<String>,
) {
    if !cluster.is_empty() {
        line(out, 1, format_args!("cluster"));
        for text in cluster.into_iter().flat_map(|(own, item)| lines(item, own)) {
            line(out, 2, format_args!("{text}"));
        }
    }
    let mut told = BTreeMap::new();
    for (node, items) in nodes {
        let texts = items.into_iter().flat_map(|(own, item)| lines(item, own));
        let texts = texts.map(|text| generic(&text, &node)).collect();
        told.insert(node, texts);
    }
    for group in fold::fold(told) {
        line(out, 1, format_args!("{}", group.heading()));
        for text in group.lines() {
            line(out, 2, format_args!("{text}"));
        }
    }
}

/// A line without the node's own name, where the name stands as a word of its own.
fn generic(text: &str, node: &NodeName) -> String {
    let mut generic = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(node.as_str()) {
        let (before, from) = rest.split_at(at);
        let after = &from[node.as_str().len()..];
        let in_word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '-');
        generic.push_str(before);
        let whole = !in_word(before.chars().next_back()) && !in_word(after.chars().next());
        generic.push_str(if whole { NODE } else { node.as_str() });
        rest = after;
    }
    generic.push_str(rest);
    generic
}

fn waiting(out: &mut String, waiting: &[Waiting]) {
    if waiting.is_empty() {
        return;
    }
    line(out, 0, format_args!("\nwaiting"));
    for item in waiting {
        line(out, 1, format_args!("{} waits until {}", item.what, item.until));
    }
}

fn counts(out: &mut String, plan: &Plan) {
    match plan.standing() {
        Standing::InSync => line(out, 0, format_args!("in sync: nothing to do")),
        Standing::Steps | Standing::Blocked => line(
            out,
            0,
            format_args!("{} changes, {} steps, {} waiting", plan.changes.len(), plan.steps.len(), plan.waiting.len()),
        ),
    }
}

fn line(out: &mut String, depth: usize, text: std::fmt::Arguments<'_>) {
    let from = out.len();
    _ = write!(out, "{:1$}{text}", "", depth * 2);
    let end = out[from..].trim_end_matches(' ').len();
    out.truncate(from + end);
    out.push('\n');
}

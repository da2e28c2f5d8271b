//! The plan as text: ASCII, a fact a line, id order, counts last, no alignment and no time.
//!
//! Adding a node changes only lines about that node, counts and digests, so a review shows what happened.

use std::{collections::BTreeMap, fmt::Write as _};

use fmp_core::NodeName;

use super::{
    fold::{self, NODE},
    order::Order,
    words,
};
use crate::{Plan, Standing, Step, StepId, plan::Change, step::Budget};

/// The whole plan.
pub fn text(plan: &Plan) -> String {
    let mut out = String::new();
    line(&mut out, 0, format_args!("plan for {}, format {}", plan.cluster, plan.format));
    line(&mut out, 0, format_args!("spec {}", plan.basis.spec));
    line(&mut out, 0, format_args!("bundle {}", plan.basis.bundle));
    steps(&mut out, plan);
    super::waiting::write(&mut out, &plan.waiting);
    for note in &plan.notes {
        line(&mut out, 0, format_args!("note: {}: {}", note.about, note.what));
    }
    for consent in &plan.consents {
        line(&mut out, 0, format_args!("agreed: {consent}"));
    }
    line(&mut out, 0, format_args!(""));
    counts(&mut out, plan);
    out
}

/// Steps by node, each with the changes that it makes.
fn steps(out: &mut String, plan: &Plan) {
    if plan.steps.is_empty() {
        return;
    }
    line(out, 0, format_args!("\nsteps, each after its host's machine and trust"));
    let mut changes = Changes::new(plan);
    let mut cluster = Vec::new();
    let mut nodes: BTreeMap<NodeName, Vec<Vec<String>>> = BTreeMap::new();
    let order = Order::new(plan);
    for (at, step) in plan.steps.iter().enumerate() {
        let lines = step_lines(plan, step, &changes.take(&step.id), order.told(at));
        match owner(step.id.as_str()) {
            Some(node) => {
                let lines = lines.iter().map(|text| generic(text, &node)).collect();
                nodes.entry(node).or_default().push(lines);
            }
            None => cluster.extend(lines),
        }
    }
    if !cluster.is_empty() {
        line(out, 1, format_args!("cluster"));
        for text in &cluster {
            line(out, 2, format_args!("{text}"));
        }
    }
    for group in fold::fold(&nodes) {
        line(out, 1, format_args!("{}", group.heading()));
        group.lines().for_each(|text| line(out, 2, format_args!("{text}")));
    }
}

/// The changes of a plan, by the step that makes them.
struct Changes<'a>(BTreeMap<String, Vec<&'a Change>>);

impl<'a> Changes<'a> {
    fn new(plan: &'a Plan) -> Self {
        let mut by_step: BTreeMap<String, Vec<&Change>> = BTreeMap::new();
        for change in &plan.changes {
            by_step.entry(step_of(plan, &change.id)).or_default().push(change);
        }
        Self(by_step)
    }

    fn take(&mut self, step: &StepId) -> Vec<&'a Change> {
        self.0.remove(step.as_str()).unwrap_or_default()
    }
}

/// The step that brings a resource about.
fn step_of(plan: &Plan, resource: &str) -> String {
    let known = |id: &str| plan.steps.binary_search_by(|step| step.id.as_str().cmp(id)).is_ok();
    if known(resource) {
        return resource.to_owned();
    }
    let (node, own) = resource.split_once('/').unwrap_or((resource, ""));
    let gathered = match own.split_once('/').map_or(own, |(kind, _)| kind) {
        "file" => {
            let path = resource.strip_prefix(&format!("{node}/file")).unwrap_or_default();
            if writes(plan, &format!("{node}/node-files"), path) { "node-files" } else { "files" }
        }
        "certificate" => "certificates",
        "package" => "packages",
        "trust" => "trust",
        // The last link of a member's chain, which starts etcd's unit too.
        _ => {
            let chain = format!("{node}/etcd-member/");
            let last = plan.steps.iter().rfind(|step| step.id.as_str().starts_with(&chain));
            return last.map_or_else(|| resource.to_owned(), |step| step.id.to_string());
        }
    };
    format!("{node}/{gathered}")
}

/// Whether the step `id` writes a file.
fn writes(plan: &Plan, id: &str, path: &str) -> bool {
    let at = plan.steps.binary_search_by(|step| step.id.as_str().cmp(id));
    let Ok(crate::Action::WriteFiles { files, .. }) = at.map(|at| &plan.steps[at].action) else { return false };
    files.iter().any(|file| &*file.path == path)
}

fn step_lines<'a>(
    plan: &Plan,
    step: &Step,
    changes: &[&Change],
    after: impl Iterator<Item = &'a StepId>,
) -> Vec<String> {
    let own = step.id.as_str().split_once('/').map_or(step.id.as_str(), |(_, own)| own);
    let verb = changes.iter().map(|change| change.verb).max().unwrap_or(crate::plan::Verb::Create);
    let mut lines = vec![format!("{} {own}: {}", words::sign(verb), words::action(&step.action))];
    lines.extend(changes.iter().flat_map(|change| change_lines(step, change)));
    if let Some(unit) = &step.unit {
        let most = plan.budgets.get(&unit.budget).copied().unwrap_or(1);
        let of = match unit.budget {
            Budget::Mains => "main",
            Budget::Works => "node",
        };
        lines.push(format!("  at most {most} {of} at once"));
    }
    lines.extend(step.disrupts.iter().map(|capability| format!("  disrupts {}", words::capability(capability))));
    lines.extend(after_lines(step, after));
    lines.extend(step.watch.iter().map(|check| format!("  until {}", words::check(check))));
    lines
}

/// What a change says beyond its step: why, and the difference. New certificates and shared things are only counted.
fn change_lines(step: &Step, change: &Change) -> Vec<String> {
    let own = change.id.split_once('/').map_or(change.id.as_str(), |(_, own)| own);
    let mut lines = Vec::new();
    let gathered = matches!(step.action, crate::Action::WriteFiles { .. });
    if step.id.as_str() != change.id && (gathered || !change.why.is_empty()) {
        lines.push(format!("  {} {own}", words::sign(change.verb)));
    }
    let depth = if lines.is_empty() { "  " } else { "    " };
    lines.extend(change.why.iter().map(|why| format!("{depth}{why}")));
    let diff = change.diff.iter().flat_map(|diff| diff.lines());
    lines.extend(diff.map(|line| format!("{depth}| {line}").trim_end().to_owned()));
    lines
}

fn owner(id: &str) -> Option<NodeName> {
    let (node, _) = id.split_once('/')?;
    if node == "cluster" { None } else { node.parse().ok() }
}

/// What a step waits for, its own node's first; the same step of several nodes takes one line.
fn after_lines<'a>(step: &Step, after: impl Iterator<Item = &'a StepId>) -> Vec<String> {
    let mut own = Vec::new();
    let mut others: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let node_of = |id: &StepId| id.as_str().split_once('/').map(|(node, _)| node.to_owned());
    for earlier in after {
        let (node, rest) = earlier.as_str().split_once('/').unwrap_or(("cluster", earlier.as_str()));
        if node_of(&step.id).as_deref() == Some(node) {
            own.push(format!("  after {rest}"));
        } else {
            others.entry(rest).or_default().push(node);
        }
    }
    own.extend(others.into_iter().map(|(rest, nodes)| format!("  after {rest} of {}", nodes.join(" "))));
    own
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

/// Hosts have their say in many lines: what is not printable ASCII is written out, so that none breaks a line or moves a
/// cursor. Only an empty line before this one is our own.
pub(super) fn line(out: &mut String, depth: usize, text: std::fmt::Arguments<'_>) {
    let from = out.len();
    _ = write!(out, "{:1$}{text}", "", depth * 2);
    let from = from + usize::from(out[from..].starts_with('\n'));
    let plain = |c: char| c == ' ' || c.is_ascii_graphic();
    if !out[from..].chars().all(plain) {
        let told: String = out[from..].chars().flat_map(|c| told(c, plain(c))).collect();
        out.truncate(from);
        out.push_str(&told);
    }
    let end = out[from..].trim_end_matches(' ').len();
    out.truncate(from + end);
    out.push('\n');
}

fn told(c: char, plain: bool) -> impl Iterator<Item = char> {
    let escaped = (!plain).then(|| c.escape_default()).into_iter().flatten();
    escaped.chain(plain.then_some(c))
}

#[cfg(test)]
mod tests {
    use fmp_core::observed::Fact;

    use super::*;
    use crate::testing::Lab;

    #[test]
    fn a_package_waits_for_the_step_that_installs_it() {
        let mut lab = Lab::packed(1, 1, "repository");
        lab.package("work-1", "haproxy", None);
        assert_eq!(step_of(&lab.plan(), "work-1/package/haproxy"), "work-1/packages");
    }

    #[test]
    fn what_a_host_says_moves_no_cursor() {
        let mut lab = Lab::settled(3, 1);
        lab.edit_beneath("work-1", "/etc/fmp/node.env");
        match lab.host("work-1").files.get_mut("/etc/fmp/node.env") {
            Some(Fact::Known(file)) => file.text = Some("\u{1b}[2J\tcaf\u{e9}\r\n".into()),
            other => panic!("{other:?}"),
        }
        lab.seen.hosts.insert("main-3".parse().unwrap(), Fact::Unknown("a\nb\u{7}".into()));
        let text = text(&lab.plan());
        assert!(text.contains(r"main-3 waits until it answers: a\nb\u{7}"), "{text}");
        assert!(text.contains(r"-\u{1b}[2J\tcaf\u{e9}"), "{text}");
        assert!(text.chars().all(|c| c == '\n' || c == ' ' || c.is_ascii_graphic()), "{text:?}");
    }

    #[test]
    fn hosts_that_exist_are_planned_without_making_them() {
        let plan = Lab::bare_of(include_str!("../../../fixtures/ssh-7/cluster.toml")).plan();
        let text = text(&plan);
        let (cluster, nodes) = text.split_at(text.find("  7 nodes alike").unwrap());
        insta::assert_snapshot!("a_fresh_install_by_ssh_of_the_cluster", cluster);
        insta::assert_snapshot!("a_fresh_install_by_ssh_of_nodes", nodes);
    }
}

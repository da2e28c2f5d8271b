//! What is done to a node that serves already: emptied before its kubelet restarts, stopped before it is forgotten, its volume
//! in place before anything lies there.

use std::collections::BTreeMap;

use fmp_core::{NodeName, resource::lvm};

use super::{Findings, Rule, graph::Graph};
use crate::action::{Action, MemberBefore};

/// The steps about one node that have an order among them, by position.
#[derive(Default)]
struct Life {
    cordon: Vec<usize>,
    drain: Vec<usize>,
    kubelet: Vec<usize>,
    uncordon: Vec<usize>,
    stop: Vec<usize>,
    /// Those of `stop` that stop etcd, and those that stop an apiserver without it.
    stop_etcd: Vec<usize>,
    stop_apiserver: Vec<usize>,
    remove: Vec<usize>,
    delete: Vec<usize>,
    make: Vec<usize>,
    mount: Vec<usize>,
    grow: Vec<usize>,
    /// Starts of what keeps its data on a volume.
    uses: Vec<usize>,
    /// What brings packages, each by its name.
    installs: Vec<(String, usize)>,
    /// What runs a program of a package that is called the same on every system.
    runs: Vec<(&'static str, usize)>,
}

pub(super) fn check(graph: &Graph<'_>, findings: &mut Findings) {
    let mut lives: BTreeMap<&NodeName, Life> = BTreeMap::new();
    for (at, step) in graph.steps() {
        if let Some(node) = step.node() {
            lives.entry(node).or_default().note(at, &step.action);
        }
    }
    for life in lives.values() {
        life.emptied(graph, findings);
        life.left(graph, findings);
        in_order(graph, Rule::Volume, (&life.make, &life.mount), findings);
        in_order(graph, Rule::Volume, (&life.mount, &life.grow), findings);
        in_order(graph, Rule::Volume, (&life.mount, &life.uses), findings);
        for (package, user) in &life.runs {
            let installs = life.installs.iter().filter(|(name, _)| name == package).map(|(_, at)| *at);
            in_order(graph, Rule::StartOrder, (&installs.collect::<Vec<_>>(), &[*user]), findings);
        }
    }
    if graph.plan.budgets.get(&crate::step::Budget::Mains).is_some_and(|mains| *mains != 1) {
        findings.add(Rule::Budget, "mains", "one main at a time is disrupted, whatever else a cluster could spare");
    }
}

impl Life {
    fn note(&mut self, at: usize, action: &Action) {
        let stops =
            |unit: &str| matches!(action, Action::StopUnits { units } if units.iter().any(|own| **own == *unit));
        match action {
            Action::CordonNode { .. } => self.cordon.push(at),
            Action::DrainNode { .. } => self.drain.push(at),
            Action::UncordonNode { .. } => self.uncordon.push(at),
            Action::RestartUnit { unit, .. } | Action::StartUnit { unit } => self.starts(at, action, unit),
            Action::StopUnits { .. } => {
                self.stop.push(at);
                if stops("etcd.service") {
                    self.stop_etcd.push(at);
                } else if stops("kube-apiserver.service") {
                    self.stop_apiserver.push(at);
                }
            }
            Action::RemoveEtcdMember { .. } => self.remove.push(at),
            Action::DeleteNode { .. } => self.delete.push(at),
            Action::InstallPackages { packages, .. } => {
                self.installs.extend(packages.iter().map(|package| (package.name.to_string(), at)));
            }
            Action::MakeVolume { filesystem, group, .. } => {
                self.make.push(at);
                self.runs.push((filesystem.need().as_str(), at));
                self.runs.extend(group.as_ref().map(|_| (lvm::NEED.as_str(), at)));
            }
            Action::MountVolume { .. } => self.mount.push(at),
            Action::GrowVolume { .. } => self.grow.push(at),
            Action::CreateMachine { .. }
            | Action::StartMachine
            | Action::EstablishTrust { .. }
            | Action::Upload { .. }
            | Action::WriteFiles { .. }
            | Action::IssueCertificates { .. }
            | Action::ReloadUnit { .. }
            | Action::EnableUnit { .. }
            | Action::BootstrapEtcd { .. }
            | Action::AddEtcdLearner { .. }
            | Action::StartEtcdLearner { .. }
            | Action::PromoteEtcdLearner { .. }
            | Action::ImportImage { .. }
            | Action::StoreImage { .. }
            | Action::PullImage { .. }
            | Action::ApplyNode { .. }
            | Action::DeleteObject { .. }
            | Action::ApplyObject { .. } => {}
        }
    }

    fn starts(&mut self, at: usize, action: &Action, unit: &str) {
        if matches!(unit, "kubelet.service" | "containerd.service") {
            self.uses.push(at);
        }
        match unit {
            "fmp-balancer.service" => self.runs.push(("haproxy", at)),
            "fmp-entrance.service" => self.runs.push(("keepalived", at)),
            _ => {}
        }
        if unit == "kubelet.service" && matches!(action, Action::RestartUnit { .. }) {
            self.kubelet.push(at);
        }
    }

    /// Cordoned, drained, then what it was emptied for, then given back: or deleted, where it leaves.
    fn emptied(&self, graph: &Graph<'_>, findings: &mut Findings) {
        let Some(drain) = self.drain.first() else { return };
        in_order(graph, Rule::Emptying, (&self.cordon, &self.drain), findings);
        in_order(graph, Rule::Emptying, (&self.drain, &self.kubelet), findings);
        in_order(graph, Rule::Emptying, (&self.drain, &self.uncordon), findings);
        in_order(graph, Rule::Emptying, (&self.kubelet, &self.uncordon), findings);
        if self.uncordon.is_empty() && self.delete.is_empty() {
            findings.add(Rule::Emptying, &graph.step(*drain).id, "empties a node that nothing gives back");
        }
    }

    /// Drained, stopped, out of etcd, then deleted. A member that answers is taken out just before etcd is stopped, one that
    /// does not right after; an apiserver stops before the etcd that it needs.
    fn left(&self, graph: &Graph<'_>, findings: &mut Findings) {
        in_order(graph, Rule::Leaving, (&self.drain, &self.stop), findings);
        in_order(graph, Rule::Leaving, (&self.stop, &self.delete), findings);
        in_order(graph, Rule::Leaving, (&self.stop_apiserver, &self.remove), findings);
        in_order(graph, Rule::Leaving, (&self.remove, &self.delete), findings);
        for (stop, remove) in
            self.stop_etcd.iter().flat_map(|stop| self.remove.iter().map(move |remove| (stop, remove)))
        {
            // One that hears of its removal goes on until then; one that does not is stopped before.
            let hears =
                matches!(graph.step(*remove).action, Action::RemoveEtcdMember { before: MemberBefore::Answering, .. });
            let (first, then) = if hears { (remove, stop) } else { (stop, remove) };
            if !graph.all_before(*then).contains(first) {
                let (first, then) = (&graph.step(*first).id, &graph.step(*then).id);
                findings.add(Rule::Leaving, then, format!("does not wait for {first}"));
            }
        }
    }
}

/// Each of the later steps waits for each of the earlier ones, perhaps by way of others.
fn in_order(graph: &Graph<'_>, rule: Rule, (earlier, later): (&[usize], &[usize]), findings: &mut Findings) {
    if earlier.is_empty() {
        return;
    }
    for at in later {
        let before = graph.all_before(*at);
        for first in earlier.iter().filter(|first| !before.contains(first)) {
            let first = &graph.step(*first).id;
            findings.add(rule, &graph.step(*at).id, format!("does not wait for {first}"));
        }
    }
}

//! Pods: what people run on the cluster, and the budgets that protect it.
//!
//! Sets of equal pods, as a Deployment makes them, each with a `PodDisruptionBudget`. Pods are bound while controllers and an
//! apiserver answer, begin where a kubelet runs, and go on without one: only the end of the machine's life, or of the units
//! for good, ends them. Eviction asks the budget.

use std::collections::BTreeSet;

use fmp_core::{
    NodeName,
    observed::{BudgetSeen, NodeSeen, PodSeen, PodSet, TightBudgets},
};
use fmp_exec::failure::Holdup;
use serde::{Deserialize, Serialize};

use super::{World, host::Host};

/// A set of equal pods.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Workload {
    /// `minAvailable` of its budget.
    least: usize,
    /// Whether its pods may run where taints keep others away, as some of them did.
    #[serde(default)]
    tolerant: bool,
    pods: Vec<Pod>,
}

/// One pod.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Pod {
    /// Where it is bound.
    node: Option<NodeName>,
    /// Where it really runs.
    runs: Option<Life>,
    /// When it will, by the world's milliseconds.
    due_ms: Option<u64>,
}

/// One life of a machine, from boot to the end of its power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Life {
    machine: u64,
    boots: u32,
}

/// Whether taints keep pods away that tolerate none.
fn is_tainted(node: &NodeSeen) -> bool {
    node.taints.iter().any(|taint| taint.ends_with(":NoSchedule"))
}

fn figure(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl Workload {
    fn ready(&self) -> usize {
        self.pods.iter().filter(|pod| pod.runs.is_some()).count()
    }

    /// Whether the budget lets one of its pods go: of those that are ready one more than it demands, of others what it
    /// demands.
    fn spares(&self, pod: &Pod) -> bool {
        self.ready() >= self.least + usize::from(pod.runs.is_some())
    }
}

/// The pods of all sets.
fn pods(workloads: &[Workload]) -> impl Iterator<Item = &Pod> {
    workloads.iter().flat_map(|workload| &workload.pods)
}

fn pods_mut(workloads: &mut [Workload]) -> impl Iterator<Item = &mut Pod> {
    workloads.iter_mut().flat_map(|workload| &mut workload.pods)
}

impl Host {
    const fn life(&self) -> Life {
        Life { machine: self.machine, boots: self.boots }
    }
}

impl World {
    /// Somebody runs `replicas` pods, of which at least `least` are to be ready, and they are.
    pub fn deploy(&mut self, replicas: usize, least: usize) {
        self.workloads.push(Workload { least, tolerant: false, pods: vec![Pod::default(); replicas] });
        self.bind();
        for pod in pods_mut(&mut self.workloads) {
            let host = pod.node.as_ref().and_then(|node| self.hosts.get(node));
            pod.runs = host.map(Host::life);
        }
    }

    /// Pods that no node was found for.
    pub(crate) fn pods_seen(&self) -> Vec<PodSeen> {
        let unbound = |(at, workload): (usize, &Workload)| {
            let pods = workload.pods.iter().enumerate().filter(|(_, pod)| pod.node.is_none());
            let seen = pods.map(move |(nth, _)| PodSeen {
                namespace: "default".to_owned(),
                name: format!("set-{at}-{nth}"),
                node: None,
                trouble: "Unschedulable".to_owned(),
                message: "no node is available".to_owned(),
            });
            seen.collect::<Vec<_>>()
        };
        self.workloads.iter().enumerate().flat_map(unbound).collect()
    }

    /// What people run.
    pub(super) fn workloads_seen(&self) -> Vec<PodSet> {
        let mut sets = Vec::new();
        for workload in &self.workloads {
            let mut set = PodSet { needed: figure(workload.least), ..PodSet::default() };
            for pod in &workload.pods {
                match &pod.node {
                    Some(node) if pod.runs.is_some() => *set.ready.entry(node.to_string()).or_default() += 1,
                    Some(node) => *set.unready.entry(node.to_string()).or_default() += 1,
                    None => set.unbound += 1,
                }
            }
            sets.push(set);
        }
        sets
    }

    /// How many pods people run, and how many budgets protect some of them.
    pub(crate) fn people(&self) -> (usize, usize) {
        (pods(&self.workloads).count(), self.workloads.iter().filter(|workload| workload.least > 0).count())
    }

    /// Lets the pods run that were seen elsewhere. One on a node that is none of this world's has to find another.
    pub(crate) fn mirror_workloads<'a>(&mut self, sets: impl Iterator<Item = &'a PodSet>) {
        for PodSet { needed, ready, unready, unbound } in sets {
            let mut pods = vec![Pod::default(); *unbound as usize];
            for (counts, runs) in [(ready, true), (unready, false)] {
                for (name, count) in counts {
                    let node = name.parse::<NodeName>().ok().filter(|node| self.hosts.contains_key(node));
                    let life = node.as_ref().filter(|_| runs).map(|node| self.hosts[node].life());
                    pods.extend(vec![Pod { node, runs: life, due_ms: None }; *count as usize]);
                }
            }
            let mut on = ready.keys().chain(unready.keys()).filter_map(|name| self.nodes.get(name));
            let tolerant = on.any(is_tainted);
            self.workloads.push(Workload { least: *needed as usize, tolerant, pods });
        }
    }

    /// Budgets that let no pod go.
    pub(super) fn tight_budgets(&self) -> TightBudgets {
        let tight = |set: &&Workload| !set.pods.is_empty() && set.ready() <= set.least;
        let seen = |(at, set): (usize, &Workload)| BudgetSeen {
            namespace: "default".to_owned(),
            name: format!("set-{at}"),
            pods: figure(set.pods.len()),
            healthy: figure(set.ready()),
            needed: figure(set.least),
        };
        self.workloads.iter().enumerate().filter(|(_, set)| tight(set)).map(seen).collect()
    }

    /// How many pods are missing of those that budgets demand.
    pub(crate) fn short(&self) -> usize {
        self.workloads.iter().map(|workload| workload.least.saturating_sub(workload.ready())).sum()
    }

    /// Whether pods run on the machine that stands under a name, whatever the API knows of it.
    pub(crate) fn runs_pods(&self, node: &NodeName) -> bool {
        let Some(host) = self.hosts.get(node) else { return false };
        pods(&self.workloads).any(|pod| pod.node.as_ref() == Some(node) && pod.runs == Some(host.life()))
    }

    /// Binds pods that have no Node, begins those that can, ends those whose machine did. When the next one is ready.
    pub(crate) fn pods_go_on(&mut self) -> Option<u64> {
        if self.workloads.is_empty() {
            return None;
        }
        self.bind();
        let (clock_ms, pace) = (self.clock_ms, self.pace);
        let mut next: Option<u64> = None;
        for pod in pods_mut(&mut self.workloads) {
            let Some(host) = pod.node.as_ref().and_then(|node| self.hosts.get(node)) else { continue };
            if pod.runs == Some(host.life()) && host.power.is_on() {
                continue;
            }
            pod.runs = None;
            if !Self::pods_run(host) {
                pod.due_ms = None;
                continue;
            }
            let due = *pod.due_ms.get_or_insert_with(|| {
                self.serial += 1;
                clock_ms + pace.pod(self.serial)
            });
            if due <= clock_ms {
                (pod.runs, pod.due_ms) = (Some(host.life()), None);
            } else {
                next = Some(next.map_or(due, |next| next.min(due)));
            }
        }
        next
    }

    /// Controllers replace pods whose Node is gone, and the scheduler binds them where the fewest are.
    fn bind(&mut self) {
        let nodes = &self.nodes;
        for pod in pods_mut(&mut self.workloads) {
            if pod.node.as_ref().is_some_and(|node| !nodes.contains_key(node.as_str())) {
                *pod = Pod::default();
            }
        }
        let unbound = pods(&self.workloads).any(|pod| pod.node.is_none());
        if !unbound || !self.has_controllers() {
            return;
        }
        let mut fit: Vec<(usize, NodeName)> = self.open_nodes().map(|node| (self.pods_on(&node), node)).collect();
        let usual: BTreeSet<NodeName> = self.fit_nodes().collect();
        for Workload { tolerant, pods, .. } in &mut self.workloads {
            for pod in pods.iter_mut().filter(|pod| pod.node.is_none()) {
                let fits = |(_, node): &&mut (usize, NodeName)| *tolerant || usual.contains(node);
                if let Some((count, node)) = fit.iter_mut().filter(fits).min() {
                    pod.node = Some(node.clone());
                    *count += 1;
                }
            }
        }
    }

    fn pods_on(&self, node: &NodeName) -> usize {
        pods(&self.workloads).filter(|pod| pod.node.as_ref() == Some(node)).count()
    }

    /// Nodes that new pods may be bound to that tolerate no taint.
    pub(super) fn fit_nodes(&self) -> impl Iterator<Item = NodeName> {
        self.open_nodes().filter(|name| !is_tainted(&self.nodes[name.as_str()]))
    }

    /// Nodes that new pods may be bound to, if they tolerate what is tainted.
    fn open_nodes(&self) -> impl Iterator<Item = NodeName> {
        let api = self.api();
        self.hosts
            .keys()
            .filter(move |name| {
                self.nodes.get(name.as_str()).is_some_and(|node| !node.unschedulable)
                    && self.why_not_ready(name.as_str(), api.as_ref()).is_none()
            })
            .cloned()
    }

    /// Whether pods are made and bound: a controller-manager and a scheduler answer, and what they say is written.
    fn has_controllers(&self) -> bool {
        let (part, writes) = (self.api().map(|api| api.part), self.has_leader() && !self.has_alarm());
        let runs = |unit: &str| self.mains().any(|(_, host)| Some(host.part) == part && host.answers(unit));
        writes && part.is_some() && runs("kube-controller-manager.service") && runs("kube-scheduler.service")
    }

    /// Asks for the eviction of every pod on a node. What keeps the rest there: a budget, or, without a kubelet that hears of
    /// it, that no pod ends.
    pub(crate) fn evict(&mut self, node: &NodeName) -> Option<Holdup> {
        let (guarded, api) = (self.guards.budgets, self.api());
        let hears = self.hosts.get(node).is_some_and(|host| Self::pods_run(host) && host.reaches(api.as_ref()));
        let mut held = None;
        for at in 0..self.workloads.len() {
            for pod in 0..self.workloads[at].pods.len() {
                let workload = &self.workloads[at];
                if workload.pods[pod].node.as_ref() != Some(node) {
                    continue;
                }
                if guarded && !workload.spares(&workload.pods[pod]) {
                    held = Some(Holdup::Budget);
                } else if hears && self.stroke() {
                    self.workloads[at].pods[pod] = Pod::default();
                } else {
                    held = held.or(Some(Holdup::Slow));
                }
            }
        }
        held
    }

    /// What runs on a node is ended, with its kubelet or its runtime, for good.
    pub(crate) fn pods_end(&mut self, node: &NodeName) {
        for pod in pods_mut(&mut self.workloads) {
            if pod.node.as_ref() == Some(node) {
                pod.runs = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use fmp_core::NodeName;
    use fmp_exec::failure::Holdup;

    use crate::{
        World,
        scenario::Shape,
        testing::{settled, wait},
    };

    /// Two work nodes with two pods each, of which three are needed.
    fn busy() -> (World, NodeName) {
        let mut world = settled(&Shape { works: 2, ..Shape::usual() });
        world.deploy(4, 3);
        (world, "work-01".parse().unwrap())
    }

    #[test]
    fn a_budget_lets_one_pod_go_after_the_other() {
        let (mut world, node) = busy();
        assert_eq!((world.pods_on(&node), world.short()), (2, 0));
        let seen = world.nodes.get_mut("work-01").unwrap();
        seen.unschedulable = true;
        assert_eq!(world.evict(&node), Some(Holdup::Budget), "the second one is held");
        assert_eq!((world.pods_on(&node), world.short()), (1, 0));
        assert_eq!(world.evict(&node), Some(Holdup::Budget), "the first one is not ready elsewhere");
        world.settle();
        wait(&mut world);
        assert_eq!(world.evict(&node), None);
        assert_eq!(world.pods_on(&node), 0);
    }

    #[test]
    fn without_a_kubelet_no_pod_ends() {
        let (mut world, node) = busy();
        world.stop(&node, "kubelet.service");
        assert_eq!(world.evict(&node), Some(Holdup::Slow));
        assert_eq!(world.pods_on(&node), 2);
    }

    #[test]
    fn pods_outlive_a_kubelet_and_no_power_cut() {
        let (mut world, node) = busy();
        world.stop(&node, "kubelet.service");
        assert_eq!((world.runs_pods(&node), world.short()), (true, 0));
        world.power_off(&node);
        assert_eq!((world.runs_pods(&node), world.short()), (false, 1));
        world.power_on(&node);
        wait(&mut world);
        assert_eq!((world.runs_pods(&node), world.short()), (true, 0));
    }

    #[test]
    fn pods_of_a_node_that_is_deleted_come_up_elsewhere() {
        let (mut world, node) = busy();
        world.power_off(&node);
        world.nodes.remove("work-01");
        world.settle();
        wait(&mut world);
        assert_eq!((world.pods_on(&node), world.short()), (0, 0));
    }

    #[test]
    fn without_a_scheduler_nothing_is_bound() {
        let (mut world, node) = busy();
        for main in ["main-1", "main-2", "main-3"] {
            world.stop(&main.parse().unwrap(), "kube-scheduler.service");
        }
        world.evict(&node);
        wait(&mut world);
        assert_eq!(world.pods_on(&node), 1);
        assert_eq!(world.workloads[0].ready(), 3);
    }
}

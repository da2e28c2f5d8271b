//! How the change of a resource becomes a step, a part of one, or several.

use std::{collections::BTreeSet, sync::Arc};

use fmp_core::{
    NodeName,
    graph::{Desired, Handle},
    resource::{Check, Resource, Scope},
    spec::Role,
};

use super::draft::{CERTIFICATES, DRAIN, DRAINED, Drafts, FILES, NODE_FILES, PACKAGES, Slot, TRUST};
use crate::{
    action::{Action, CertificateIssue, Evict, FileRemoval, FileWrite, PackagesFrom, TrustItem, UnitBefore},
    diff::{Delta, Installing, Pods, Sides, Task, Work},
    safety,
};

/// Drafts of all changing resources, in no order yet.
pub(super) fn all(sides: Sides<'_>, deltas: &[Delta], changing: &[Handle]) -> Drafts {
    let mut drafts = Drafts::new(deltas.len());
    let apart = node_files(sides, deltas, changing);
    for handle in changing {
        let Some(work) = deltas[handle.index()].work() else { continue };
        let id = sides.desired.id(*handle);
        let place = match &id.scope {
            Scope::Cluster => of_cluster(&mut drafts, &id.to_string(), work),
            Scope::Node(node) => match &work.task {
                Task::Write(write) if apart.contains(handle) => Some(alone(file(&mut drafts, node, NODE_FILES, write))),
                Task::One(_)
                | Task::Write(_)
                | Task::Trust(_)
                | Task::Issue(_)
                | Task::Install(_)
                | Task::Unit { .. }
                | Task::Chain(_) => Some(of_node(&mut drafts, sides.desired, *handle, node, work)),
            },
        };
        if let Some(place) = place {
            drafts.set_place(*handle, place);
        }
    }
    drafts
}

/// Files of mains that a node's own units alone read, where both these and the cluster's parts are started, or pods leave
/// for it: they are written with the restart that takes them up. Else a power cut in between would start a kubelet that is
/// newer than the other mains' apiservers, or beneath pods.
fn node_files(sides: Sides<'_>, deltas: &[Delta], changing: &[Handle]) -> BTreeSet<Handle> {
    let (mut written_apart, mut restarts) = (BTreeSet::new(), BTreeSet::new());
    let (mut read_by_cluster, mut read_by_node) = (BTreeSet::new(), BTreeSet::new());
    for (handle, id, resource) in sides.desired.iter() {
        let (Resource::Unit(unit), Scope::Node(node)) = (resource, &id.scope) else { continue };
        if sides.spec.nodes.get(node).is_none_or(|node| node.role != Role::Main) {
            continue;
        }
        let reads = sides.desired.dependencies(handle).iter().copied();
        let changes = changing.binary_search(&handle).is_ok();
        if safety::is_of_node(&unit.name) {
            let task = deltas[handle.index()].work().map(|work| &work.task);
            if matches!(task, Some(Task::Unit { pods: Pods::Leave(_), .. })) {
                written_apart.insert(node);
            }
            let restarts_it = deltas[handle.index()].work().is_some_and(|work| !work.disrupts.is_empty());
            if changes && restarts_it {
                restarts.insert(node);
                read_by_node.extend(reads);
            }
        } else {
            read_by_cluster.extend(reads);
            if changes {
                written_apart.insert(node);
            }
        }
    }
    let is_apart = |handle: &Handle| match &sides.desired.id(*handle).scope {
        Scope::Node(node) => written_apart.contains(node) && restarts.contains(node),
        Scope::Cluster => false,
    };
    read_by_node.difference(&read_by_cluster).copied().filter(is_apart).collect()
}

/// What has no host is one request to the API.
fn of_cluster(drafts: &mut Drafts, id: &str, work: &Work) -> Option<(Slot, Slot)> {
    match &work.task {
        Task::One(action) => Some(alone(drafts.add(id, None, action.clone(), work))),
        Task::Chain(_) | Task::Unit { .. } | Task::Write(_) | Task::Trust(_) | Task::Issue(_) | Task::Install(_) => {
            None
        }
    }
}

fn of_node(drafts: &mut Drafts, desired: &Desired, handle: Handle, node: &NodeName, work: &Work) -> (Slot, Slot) {
    let id = || desired.id(handle).to_string();
    match &work.task {
        Task::One(action) => {
            let slot = drafts.add(&id(), Some(node), action.clone(), work);
            drafts.step_mut(slot).watch = watch(node, action);
            alone(slot)
        }
        Task::Chain(links) => chain(drafts, &id(), node, links, work),
        Task::Unit { action, remove, pods } => {
            removals(drafts, node, remove);
            let own = |drafts: &mut Drafts| {
                let slot = drafts.add(&id(), Some(node), action.clone(), work);
                drafts.step_mut(slot).watch = desired.resource(handle).unit().map(|unit| unit.ready.clone());
                slot
            };
            match pods {
                Pods::Stay => started_by_member(drafts, desired, handle, work).unwrap_or_else(|| alone(own(drafts))),
                Pods::Leave(evict) => without_pods(drafts, &id(), node, *evict, work, own),
            }
        }
        Task::Write(write) => alone(file(drafts, node, FILES, write)),
        Task::Trust(item) => alone(trust(drafts, node, item)),
        Task::Issue(issue) => alone(certificate(drafts, node, issue)),
        Task::Install(installing) => alone(package(drafts, node, installing)),
    }
}

const fn alone(slot: Slot) -> (Slot, Slot) {
    (slot, slot)
}

fn chain(
    drafts: &mut Drafts,
    id: &str,
    node: &NodeName,
    links: &[(&'static str, Action)],
    work: &Work,
) -> (Slot, Slot) {
    let mut link = |(name, action): &(&'static str, Action)| {
        let slot = drafts.add(&format!("{id}/{name}"), Some(node), action.clone(), work);
        drafts.step_mut(slot).watch = watch(node, action);
        slot
    };
    let slots: Vec<Slot> = links.iter().map(&mut link).collect();
    for pair in slots.windows(2) {
        drafts.order(pair[1], pair[0]);
    }
    let first = slots.first().copied().expect("a chain has at least one link");
    (first, slots.last().copied().unwrap_or(first))
}

/// A step around which no pod of any value is on the node.
fn without_pods(
    drafts: &mut Drafts,
    id: &str,
    node: &NodeName,
    evict: Evict,
    work: &Work,
    own: impl FnOnce(&mut Drafts) -> Slot,
) -> (Slot, Slot) {
    let name = || node.clone();
    let around = |drafts: &mut Drafts, part, action| drafts.add(&format!("{id}/{part}"), Some(node), action, work);
    let cordon = around(drafts, "cordon", Action::CordonNode { node: name() });
    let drain = around(drafts, "drain", Action::DrainNode { node: name(), evict });
    let own = own(drafts);
    drafts.share(node, DRAIN, drain);
    drafts.share(node, DRAINED, own);
    let uncordon = around(drafts, "uncordon", Action::UncordonNode { node: name() });
    for (later, earlier) in [(drain, cordon), (own, drain), (uncordon, own)] {
        drafts.order(later, earlier);
    }
    (cordon, uncordon)
}

fn write_files() -> Action {
    Action::WriteFiles { files: Vec::new(), remove: Vec::new() }
}

fn removals(drafts: &mut Drafts, node: &NodeName, removals: &[FileRemoval]) {
    if removals.is_empty() {
        return;
    }
    let slot = drafts.gather(node, FILES, write_files);
    if let Action::WriteFiles { remove, .. } = &mut drafts.step_mut(slot).action {
        remove.extend(removals.iter().cloned());
    }
}

fn file(drafts: &mut Drafts, node: &NodeName, name: &'static str, write: &FileWrite) -> Slot {
    let slot = drafts.gather(node, name, write_files);
    if let Action::WriteFiles { files, .. } = &mut drafts.step_mut(slot).action {
        files.push(write.clone());
    }
    slot
}

fn trust(drafts: &mut Drafts, node: &NodeName, item: &TrustItem) -> Slot {
    let slot = drafts.gather(node, TRUST, || Action::EstablishTrust { items: Vec::new() });
    if let Action::EstablishTrust { items } = &mut drafts.step_mut(slot).action {
        items.push(item.clone());
        // The cluster's id first: where a power cut comes in between, what lies there already is known to be ours.
        items.sort_by_key(|item| item.what);
    }
    slot
}

fn certificate(drafts: &mut Drafts, node: &NodeName, issue: &CertificateIssue) -> Slot {
    let slot = drafts.gather(node, CERTIFICATES, || Action::IssueCertificates { certificates: Vec::new() });
    if let Action::IssueCertificates { certificates } = &mut drafts.step_mut(slot).action {
        certificates.push(issue.clone());
    }
    slot
}

/// All packages of a host are one step: its package manager does one thing at a time anyway.
fn package(drafts: &mut Drafts, node: &NodeName, installing: &Installing) -> Slot {
    let Installing { system, package, files } = installing;
    let slot = drafts.gather(node, PACKAGES, || Action::InstallPackages {
        manager: system.manager,
        packages: Vec::new(),
        from: files.as_ref().map_or(PackagesFrom::Repository, |_| PackagesFrom::Bundle(Vec::new())),
    });
    if let Action::InstallPackages { packages, from, .. } = &mut drafts.step_mut(slot).action {
        // Two needs may have one package.
        if !packages.contains(package) {
            packages.push(package.clone());
            packages.sort_by(|one, other| one.name.cmp(&other.name));
        }
        if let (PackagesFrom::Bundle(all), Some(files)) = (from, files) {
            all.extend(files.iter().cloned());
            all.sort();
            all.dedup();
        }
    }
    slot
}

/// etcd's unit is started by the step that gives its member life; where it does not run, it needs no step of its own.
fn started_by_member(drafts: &Drafts, desired: &Desired, unit: Handle, work: &Work) -> Option<(Slot, Slot)> {
    let is_etcd = desired.resource(unit).unit().is_some_and(|unit| &*unit.name == safety::ETCD);
    let is_down = match &work.task {
        Task::Unit { action: Action::StartUnit { .. }, .. } => true,
        Task::Unit { action: Action::RestartUnit { before, .. }, .. } => *before == UnitBefore::Starting,
        Task::Unit { .. }
        | Task::One(_)
        | Task::Write(_)
        | Task::Trust(_)
        | Task::Issue(_)
        | Task::Install(_)
        | Task::Chain(_) => false,
    };
    let is_member = |handle: &&Handle| matches!(desired.resource(**handle), Resource::EtcdMember(_));
    let member = desired.dependencies(unit).iter().find(is_member).filter(|_| is_etcd && is_down)?;
    let place = drafts.place_of(*member)?;
    let gives_life = |action: &Action| matches!(action, Action::BootstrapEtcd { .. } | Action::StartEtcdLearner { .. });
    drafts.between(place).iter().any(|step| gives_life(&step.action)).then_some((place.1, place.1))
}

/// What must hold after an action that has no unit of its own.
fn watch(node: &NodeName, action: &Action) -> Option<Check> {
    match action {
        Action::BootstrapEtcd { .. } => Some(Check::EtcdHealthy { node: node.clone() }),
        Action::StartEtcdLearner { .. } => {
            Some(Check::UnitActive { node: node.clone(), unit: Arc::from(safety::ETCD) })
        }
        Action::CreateMachine { .. } | Action::StartMachine => Some(Check::MachineUp { node: node.clone() }),
        Action::EstablishTrust { .. }
        | Action::Upload { .. }
        | Action::WriteFiles { .. }
        | Action::IssueCertificates { .. }
        | Action::StartUnit { .. }
        | Action::RestartUnit { .. }
        | Action::ReloadUnit { .. }
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
        | Action::ApplyObject { .. } => None,
    }
}

//! What each action is: whom it is done to, what it takes away, what is awaited after it.
//!
//! The planner has tables of its own. That there are two, made apart, is what makes a comparison worth something.

use std::collections::BTreeSet;

use fmp_core::{
    NodeName,
    resource::{Capability, Check},
};

use crate::{
    action::{Action, UnitBefore},
    step::{Budget, Subject},
};

/// Whom an action is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whom {
    Machine,
    Host,
    Cluster,
}

impl Whom {
    pub(super) const fn of(subject: &Subject) -> Self {
        match subject {
            Subject::Machine(_) => Self::Machine,
            Subject::Host(_) => Self::Host,
            Subject::Cluster => Self::Cluster,
        }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Machine => "a machine, by its environment",
            Self::Host => "a host, by its own programs",
            Self::Cluster => "the cluster",
        }
    }
}

pub(super) const fn whom(action: &Action) -> Whom {
    match action {
        Action::CreateMachine { .. } | Action::StartMachine => Whom::Machine,
        Action::CordonNode { .. }
        | Action::DrainNode { .. }
        | Action::UncordonNode { .. }
        | Action::DeleteNode { .. }
        | Action::ApplyNode { .. }
        | Action::DeleteObject { .. }
        | Action::ApplyObject { .. } => Whom::Cluster,
        Action::EstablishTrust { .. }
        | Action::Upload { .. }
        | Action::WriteFiles { .. }
        | Action::IssueCertificates { .. }
        | Action::StartUnit { .. }
        | Action::RestartUnit { .. }
        | Action::ReloadUnit { .. }
        | Action::EnableUnit { .. }
        | Action::StopUnits { .. }
        | Action::BootstrapEtcd { .. }
        | Action::RemoveEtcdMember { .. }
        | Action::AddEtcdLearner { .. }
        | Action::StartEtcdLearner { .. }
        | Action::PromoteEtcdLearner { .. }
        | Action::ImportImage { .. }
        | Action::StoreImage { .. }
        | Action::PullImage { .. }
        | Action::InstallPackages { .. }
        | Action::MakeVolume { .. }
        | Action::MountVolume { .. }
        | Action::GrowVolume { .. } => Whom::Host,
    }
}

/// What an action takes away from `node` while it lasts, where what it is done to works.
pub(super) fn takes_away(node: &NodeName, action: &Action) -> BTreeSet<Capability> {
    let voter = || Capability::Voter(node.clone());
    let controllers = || [Capability::ControllerManager(node.clone()), Capability::Scheduler(node.clone())];
    let apiserver = || [Capability::Apiserver(node.clone())].into_iter().chain(controllers());
    let unit_takes = |unit: &str| -> BTreeSet<Capability> {
        match unit {
            "etcd.service" => [voter()].into_iter().chain(apiserver()).collect(),
            "kube-apiserver.service" => apiserver().collect(),
            "kube-controller-manager.service" => [Capability::ControllerManager(node.clone())].into(),
            "kube-scheduler.service" => [Capability::Scheduler(node.clone())].into(),
            _ => [Capability::Pods(node.clone())].into(),
        }
    };
    match action {
        Action::RestartUnit { unit, before: UnitBefore::Active } => unit_takes(unit),
        Action::StopUnits { units } => units.iter().flat_map(|unit| unit_takes(unit)).collect(),
        Action::CordonNode { .. } | Action::DrainNode { .. } => [Capability::Pods(node.clone())].into(),
        Action::RemoveEtcdMember { .. }
        | Action::AddEtcdLearner { .. }
        | Action::StartEtcdLearner { .. }
        | Action::PromoteEtcdLearner { .. } => [voter(), Capability::Membership(node.clone())].into(),
        // Its host refuses it where the unit has come up.
        Action::RestartUnit { before: UnitBefore::Starting, .. }
        | Action::CreateMachine { .. }
        | Action::StartMachine
        | Action::EstablishTrust { .. }
        | Action::Upload { .. }
        | Action::WriteFiles { .. }
        | Action::IssueCertificates { .. }
        | Action::StartUnit { .. }
        | Action::ReloadUnit { .. }
        | Action::EnableUnit { .. }
        | Action::BootstrapEtcd { .. }
        | Action::ImportImage { .. }
        | Action::StoreImage { .. }
        | Action::PullImage { .. }
        | Action::InstallPackages { .. }
        | Action::MakeVolume { .. }
        | Action::MountVolume { .. }
        | Action::GrowVolume { .. }
        | Action::UncordonNode { .. }
        | Action::DeleteNode { .. }
        | Action::ApplyNode { .. }
        | Action::DeleteObject { .. }
        | Action::ApplyObject { .. } => BTreeSet::new(),
    }
}

/// The budget that these are taken from.
pub(super) fn budget(takes: &BTreeSet<Capability>) -> Budget {
    let is_of_the_node = |capability: &Capability| match capability {
        Capability::Pods(_) => true,
        Capability::Voter(_)
        | Capability::Apiserver(_)
        | Capability::ControllerManager(_)
        | Capability::Scheduler(_)
        | Capability::Membership(_) => false,
    };
    if takes.iter().all(is_of_the_node) { Budget::Works } else { Budget::Mains }
}

/// What is awaited after an action.
pub(super) enum Awaited<'a> {
    /// Nothing: it is done when it is done.
    Nothing,
    /// The machine answers.
    Machine,
    /// The member is a healthy voter.
    Voter,
    /// The unit serves: each has a check of its own.
    Unit(&'a str),
}

pub(super) fn awaited(action: &Action) -> Awaited<'_> {
    match action {
        Action::CreateMachine { .. } | Action::StartMachine => Awaited::Machine,
        Action::BootstrapEtcd { .. } => Awaited::Voter,
        Action::StartEtcdLearner { .. } => Awaited::Unit("etcd.service"),
        Action::StartUnit { unit }
        | Action::RestartUnit { unit, .. }
        | Action::ReloadUnit { unit }
        | Action::EnableUnit { unit } => Awaited::Unit(unit),
        Action::EstablishTrust { .. }
        | Action::Upload { .. }
        | Action::WriteFiles { .. }
        | Action::IssueCertificates { .. }
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
        | Action::ApplyObject { .. } => Awaited::Nothing,
    }
}

/// Where a check looks.
pub(super) const fn place(check: &Check) -> &NodeName {
    match check {
        Check::UnitActive { node, .. }
        | Check::Listening { node, .. }
        | Check::EtcdHealthy { node }
        | Check::ApiReady { node }
        | Check::NodeReady { node }
        | Check::MachineUp { node } => node,
    }
}

/// Whether a check is one that a unit's start is awaited by.
pub(super) fn tells_of(check: &Check, started: &str) -> bool {
    match check {
        Check::UnitActive { unit, .. } | Check::Listening { unit, .. } => **unit == *started,
        Check::EtcdHealthy { .. } => started == "etcd.service",
        Check::ApiReady { .. } => started == "kube-apiserver.service",
        Check::NodeReady { .. } => started == "kubelet.service",
        Check::MachineUp { .. } => false,
    }
}

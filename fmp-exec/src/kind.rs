//! Kinds of actions: what durations are kept by, and what runs as an upload.

use fmp_plan::Action;
use serde::{Deserialize, Serialize};

/// An [`Action`] without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionKind {
    /// [`Action::CreateMachine`].
    CreateMachine,
    /// [`Action::StartMachine`].
    StartMachine,
    /// [`Action::EstablishTrust`].
    EstablishTrust,
    /// [`Action::Upload`].
    Upload,
    /// [`Action::WriteFiles`].
    WriteFiles,
    /// [`Action::IssueCertificates`].
    IssueCertificates,
    /// [`Action::StartUnit`].
    StartUnit,
    /// [`Action::RestartUnit`].
    RestartUnit,
    /// [`Action::ReloadUnit`].
    ReloadUnit,
    /// [`Action::EnableUnit`].
    EnableUnit,
    /// [`Action::BootstrapEtcd`].
    BootstrapEtcd,
    /// [`Action::RemoveEtcdMember`].
    RemoveEtcdMember,
    /// [`Action::AddEtcdLearner`].
    AddEtcdLearner,
    /// [`Action::StartEtcdLearner`].
    StartEtcdLearner,
    /// [`Action::PromoteEtcdLearner`].
    PromoteEtcdLearner,
    /// [`Action::ImportImage`].
    ImportImage,
    /// [`Action::StoreImage`].
    StoreImage,
    /// [`Action::PullImage`].
    PullImage,
    /// [`Action::InstallPackages`].
    InstallPackages,
    /// [`Action::MakeVolume`].
    MakeVolume,
    /// [`Action::MountVolume`].
    MountVolume,
    /// [`Action::GrowVolume`].
    GrowVolume,
    /// [`Action::CordonNode`].
    CordonNode,
    /// [`Action::DrainNode`].
    DrainNode,
    /// [`Action::UncordonNode`].
    UncordonNode,
    /// [`Action::StopUnits`].
    StopUnits,
    /// [`Action::DeleteNode`].
    DeleteNode,
    /// [`Action::ApplyNode`].
    ApplyNode,
    /// [`Action::DeleteObject`].
    DeleteObject,
    /// [`Action::ApplyObject`].
    ApplyObject,
}

impl ActionKind {
    /// The kind of `action`.
    pub const fn of(action: &Action) -> Self {
        match action {
            Action::CreateMachine { .. } => Self::CreateMachine,
            Action::StartMachine => Self::StartMachine,
            Action::EstablishTrust { .. } => Self::EstablishTrust,
            Action::Upload { .. } => Self::Upload,
            Action::WriteFiles { .. } => Self::WriteFiles,
            Action::IssueCertificates { .. } => Self::IssueCertificates,
            Action::StartUnit { .. } => Self::StartUnit,
            Action::RestartUnit { .. } => Self::RestartUnit,
            Action::ReloadUnit { .. } => Self::ReloadUnit,
            Action::EnableUnit { .. } => Self::EnableUnit,
            Action::BootstrapEtcd { .. } => Self::BootstrapEtcd,
            Action::RemoveEtcdMember { .. } => Self::RemoveEtcdMember,
            Action::AddEtcdLearner { .. } => Self::AddEtcdLearner,
            Action::StartEtcdLearner { .. } => Self::StartEtcdLearner,
            Action::PromoteEtcdLearner { .. } => Self::PromoteEtcdLearner,
            Action::ImportImage { .. } => Self::ImportImage,
            Action::StoreImage { .. } => Self::StoreImage,
            Action::PullImage { .. } => Self::PullImage,
            Action::InstallPackages { .. } => Self::InstallPackages,
            Action::MakeVolume { .. } => Self::MakeVolume,
            Action::MountVolume { .. } => Self::MountVolume,
            Action::GrowVolume { .. } => Self::GrowVolume,
            Action::CordonNode { .. } => Self::CordonNode,
            Action::DrainNode { .. } => Self::DrainNode,
            Action::UncordonNode { .. } => Self::UncordonNode,
            Action::StopUnits { .. } => Self::StopUnits,
            Action::DeleteNode { .. } => Self::DeleteNode,
            Action::ApplyNode { .. } => Self::ApplyNode,
            Action::DeleteObject { .. } => Self::DeleteObject,
            Action::ApplyObject { .. } => Self::ApplyObject,
        }
    }

    /// Whether it sends megabytes from the operator's computer.
    pub const fn is_upload(self) -> bool {
        matches!(self, Self::Upload | Self::ImportImage | Self::StoreImage | Self::InstallPackages)
    }
}

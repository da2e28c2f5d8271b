//! Actions, checks and verbs in words.

use fmp_core::resource::{Capability, Check, VirtualMachine};

use crate::{
    action::{Action, Evict, MemberBefore, PackagesFrom, TrustSource, UnitBefore},
    plan::Verb,
};

pub(super) const fn sign(verb: Verb) -> char {
    match verb {
        Verb::Create => '+',
        Verb::Update => '~',
        Verb::Remove => '-',
        Verb::Restart => '!',
    }
}

fn machine(vm: Option<&VirtualMachine>) -> String {
    vm.map_or_else(
        || "make the machine and start it".to_owned(),
        |VirtualMachine { disks }| format!("make the virtual machine with {} empty disks and start it", disks.len()),
    )
}

/// What an action does, in a few words.
pub(super) fn action(action: &Action) -> String {
    match action {
        Action::CreateMachine { vm, .. } => machine(vm.as_ref()),
        Action::StartMachine => "switch the machine on".to_owned(),
        Action::EstablishTrust { items } => {
            let made = items.iter().filter(|item| item.from == TrustSource::Create).count();
            match (made, items.len() - made) {
                (made, 0) => format!("make {made} shared things for the first time"),
                (0, copied) => format!("copy {copied} shared things from a main"),
                (made, copied) => format!("make {made} shared things, copy {copied}"),
            }
        }
        Action::Upload { digest, bytes, .. } => format!("upload {} bytes, {}", bytes, digest.short()),
        Action::WriteFiles { files, remove } if remove.is_empty() => format!("write {} files", files.len()),
        Action::WriteFiles { files, remove } => format!("write {} files, remove {}", files.len(), remove.len()),
        Action::IssueCertificates { certificates } => format!("issue {} certificates", certificates.len()),
        Action::StartUnit { .. } => "enable and start".to_owned(),
        Action::RestartUnit { before: UnitBefore::Active, .. } => "restart".to_owned(),
        Action::RestartUnit { before: UnitBefore::Starting, .. } => "restart, unless it has come up".to_owned(),
        Action::ReloadUnit { .. } => "reload".to_owned(),
        Action::EnableUnit { .. } => "enable, leave it running".to_owned(),
        Action::BootstrapEtcd { members } => format!("give life to the first member of {}", members.len()),
        Action::RemoveEtcdMember { peer_url, id, before: MemberBefore::Silent } => {
            format!("remove etcd member {id} at {peer_url}")
        }
        Action::RemoveEtcdMember { peer_url, id, before: MemberBefore::Answering } => {
            format!("remove etcd member {id} at {peer_url}, while it answers")
        }
        Action::AddEtcdLearner { peer_url } => format!("announce etcd learner {peer_url}"),
        Action::StartEtcdLearner { .. } => "start the learner on an empty data directory".to_owned(),
        Action::PromoteEtcdLearner { peer_url } => format!("promote etcd learner {peer_url} once it is in sync"),
        Action::ImportImage { bytes, .. } => format!("import and pin, {bytes} bytes"),
        Action::StoreImage { bytes, manifest, .. } => {
            format!("store for nodes to pull, {bytes} bytes, {}", manifest.short())
        }
        Action::PullImage { manifest, .. } => format!("pull {} from the image storage, and pin", manifest.short()),
        Action::InstallPackages { packages, from, .. } => {
            let names = packages.iter().map(|package| &*package.name).collect::<Vec<_>>().join(", ");
            match from {
                PackagesFrom::Repository => format!("install {names} from the system's repository"),
                PackagesFrom::Bundle(files) => {
                    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
                    format!("install {names}: {} files, {bytes} bytes", files.len())
                }
            }
        }
        Action::MakeVolume { disk, filesystem, group: None, .. } => {
            format!("make {filesystem} on {disk}, which is empty")
        }
        Action::MakeVolume { disk, filesystem, group: Some(group), .. } => {
            format!("join {} to {disk}, make {filesystem} on it", disks(group.disks.len()))
        }
        Action::MountVolume { mounts, .. } => format!("mount at {} places, now and at each boot", mounts.len()),
        Action::GrowVolume { filesystem, bytes, group: None, .. } => {
            format!("let {filesystem} take all {bytes} bytes of its disk")
        }
        Action::GrowVolume { filesystem, bytes, group: Some(group), .. } => {
            format!("let {filesystem} take all {bytes} bytes of its {}", disks(group.disks.len()))
        }
        Action::CordonNode { .. } => "keep new pods away".to_owned(),
        Action::DrainNode { evict: Evict::Replaceable, .. } => "evict the pods that come back elsewhere".to_owned(),
        Action::DrainNode { evict: Evict::All, .. } => "evict all pods, with what only they hold".to_owned(),
        Action::UncordonNode { .. } => "let pods come again".to_owned(),
        Action::StopUnits { units } if units.len() == 1 => "stop and disable".to_owned(),
        Action::StopUnits { units } => format!("stop and disable {} units", units.len()),
        Action::DeleteNode { .. } => "delete its Node object".to_owned(),
        Action::ApplyNode { .. } => "apply its Node object".to_owned(),
        Action::DeleteObject { .. } => "delete".to_owned(),
        Action::ApplyObject { taking, .. } if taking.is_empty() => "apply".to_owned(),
        Action::ApplyObject { taking, .. } => format!("apply, take over {} fields", taking.len()),
    }
}

fn disks(number: usize) -> String {
    if number == 1 { "one disk".to_owned() } else { format!("{number} disks") }
}

/// What is awaited, in a few words.
pub(super) fn check(check: &Check) -> String {
    match check {
        Check::UnitActive { unit, .. } => format!("{unit} is active"),
        Check::Listening { unit, port, .. } => format!("{unit} listens on {port}"),
        Check::EtcdHealthy { .. } => "the etcd member is healthy".to_owned(),
        Check::ApiReady { .. } => "the apiserver is ready".to_owned(),
        Check::NodeReady { .. } => "the node is Ready".to_owned(),
        Check::MachineUp { .. } => "the machine answers".to_owned(),
    }
}

/// What a step takes away, in a few words.
pub(super) fn capability(capability: &Capability) -> String {
    match capability {
        Capability::Voter(node) => format!("etcd voter on {node}"),
        Capability::Apiserver(node) => format!("apiserver on {node}"),
        Capability::ControllerManager(node) => format!("controller-manager on {node}"),
        Capability::Scheduler(node) => format!("scheduler on {node}"),
        Capability::Pods(node) => format!("new pods on {node}"),
        Capability::Membership(node) => format!("other changes of etcd's members than that of {node}"),
    }
}

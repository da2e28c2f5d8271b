//! What each action does to the world: a file a family.

mod certificates;
mod cluster;
mod etcd;
mod files;
mod groups;
mod images;
mod machine;
mod packages;
mod trust;
mod units;
mod volumes;

use fmp_core::NodeName;
use fmp_exec::{Applied, Context, Effect, Failure, FailureKind, Mismatch, Retry};
use fmp_plan::{Action, Step, step::Subject};

use super::{Deed, World, host::Host, never};

impl World {
    /// Makes a step's change: compares, and changes all or nothing.
    ///
    /// # Errors
    /// What a host would say.
    pub fn apply(&mut self, cx: &Context, step: &Step) -> Result<Applied, Failure> {
        self.carry_out(cx, step, None)
    }

    /// The same, broken off after `strokes` of its changes where that many are not enough.
    ///
    /// # Errors
    /// What a host would say; that the connection was lost where it was broken off.
    pub fn carry_out(&mut self, cx: &Context, step: &Step, strokes: Option<u32>) -> Result<Applied, Failure> {
        self.there = step.subject.node().cloned();
        let by = self.by(step);
        let fenced = by.as_ref().map_or(Ok(()), |by| self.fence(by, cx.epoch));
        self.strokes = strokes;
        let applied = fenced.and_then(|()| self.act(cx, step, by.as_ref()));
        let broken = self.strokes == Some(0);
        self.there = None;
        self.settle();
        match (applied, by) {
            // Whoever is broken off says nothing, not even that nothing was left to do.
            (Ok(Applied::AlreadyDone), Some(by)) if broken => Err(lost(&by)),
            (Ok(Applied::Done), Some(by)) => {
                self.note_write(&by, cx.epoch);
                if broken { Err(lost(&by)) } else { Ok(Applied::Done) }
            }
            (applied, _) => applied,
        }
    }

    /// The host on which a step's change is made.
    fn by(&self, step: &Step) -> Option<NodeName> {
        let node = step.subject.node();
        match &step.action {
            Action::RemoveEtcdMember { .. } | Action::AddEtcdLearner { .. } | Action::PromoteEtcdLearner { .. } => {
                self.way_to_cluster(node, Self::by_etcd)
            }
            Action::CordonNode { .. }
            | Action::DrainNode { .. }
            | Action::UncordonNode { .. }
            | Action::DeleteNode { .. }
            | Action::ApplyNode { .. }
            | Action::DeleteObject { .. }
            | Action::ApplyObject { .. } => self.way_to_cluster(node, Self::by_api),
            Action::CreateMachine { .. } | Action::StartMachine => None,
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
            | Action::StartEtcdLearner { .. }
            | Action::ImportImage { .. }
            | Action::StoreImage { .. }
            | Action::PullImage { .. }
            | Action::InstallPackages { .. }
            | Action::MakeVolume { .. }
            | Action::MountVolume { .. }
            | Action::GrowVolume { .. } => node.cloned(),
        }
    }

    /// A host refuses a run that is older than the newest it has heard of.
    fn fence(&mut self, node: &NodeName, epoch: u64) -> Result<(), Failure> {
        let guarded = self.guards.fencing;
        let host = self.running(node)?;
        if guarded && host.epoch > epoch {
            return Err(never(FailureKind::Fenced { host: node.to_string(), newer: host.epoch }));
        }
        if host.epoch < epoch {
            (host.epoch, host.epoch_of) = (epoch, None);
        }
        let machine = host.machine;
        self.tell(Deed::Heard { machine, epoch });
        Ok(())
    }

    fn note_write(&mut self, node: &NodeName, epoch: u64) {
        if let Some(host) = self.hosts.get(node) {
            let (machine, strange) = (host.machine, host.strange);
            self.tell(Deed::Wrote { node: node.clone(), machine, epoch, strange });
        }
    }

    /// A host whose disk has room.
    fn with_room(&mut self, node: &NodeName, path: &str, needed: u64) -> Result<&mut Host, Failure> {
        let host = self.running(node)?;
        if host.full {
            return Err(never(FailureKind::NoRoom { host: node.to_string(), path: path.to_owned(), needed }));
        }
        Ok(host)
    }

    fn act(&mut self, cx: &Context, step: &Step, by: Option<&NodeName>) -> Result<Applied, Failure> {
        let node = || node(step);
        match &step.action {
            Action::CreateMachine { address, vm: _ } => self.create_machine(node()?, *address),
            Action::StartMachine => self.start_machine(node()?),
            Action::EstablishTrust { items } => self.establish_trust(node()?, items),
            Action::Upload { name, digest, path, bytes, before } => {
                self.upload(node()?, name, (*digest, *bytes), path, *before)
            }
            Action::WriteFiles { files, remove } => self.write_files(cx, node()?, files, remove),
            Action::IssueCertificates { certificates } => self.issue(node()?, certificates),
            Action::StartUnit { unit } => self.start_unit(node()?, unit),
            Action::RestartUnit { unit, before } => self.restart_unit(node()?, unit, *before),
            Action::ReloadUnit { unit } => self.reload_unit(node()?, unit),
            Action::EnableUnit { unit } => self.enable_unit(node()?, unit),
            Action::BootstrapEtcd { members } => self.bootstrap_etcd(node()?, members),
            Action::RemoveEtcdMember { peer_url, id, before } => self.remove_member(by, peer_url, (id, *before)),
            Action::AddEtcdLearner { peer_url } => self.add_learner(by, peer_url),
            Action::StartEtcdLearner { members } => self.start_learner(node()?, members),
            Action::PromoteEtcdLearner { peer_url } => self.promote_learner(by, peer_url),
            Action::ImportImage { reference, .. } => self.import_image(node()?, reference),
            Action::StoreImage { reference, manifest, path, before, .. } => {
                self.store_image(node()?, reference, *manifest, (path, *before))
            }
            Action::PullImage { reference, manifest } => self.pull_image(node()?, reference, *manifest),
            Action::InstallPackages { packages, from, .. } => self.install_packages(node()?, packages, from),
            Action::MakeVolume { disk, filesystem, uuid, before, group: None } => {
                self.make_volume(node()?, disk, (*filesystem, uuid), before.as_ref())
            }
            Action::MakeVolume { disk, filesystem, uuid, before: _, group: Some(group) } => {
                self.make_group(node()?, disk, (*filesystem, uuid), group)
            }
            Action::MountVolume { uuid, mounts, .. } => self.mount_volume(node()?, uuid, mounts),
            Action::GrowVolume { disk, uuid, group: None, .. } => self.grow_volume(node()?, disk, uuid),
            Action::GrowVolume { uuid, group: Some(group), .. } => self.grow_group(node()?, uuid, group),
            Action::CordonNode { node } => self.cordon(by, node),
            Action::DrainNode { node, .. } => self.drain(by, node),
            Action::UncordonNode { node } => self.uncordon(by, node),
            Action::StopUnits { units } => self.stop_units(node()?, units),
            Action::DeleteNode { node } => self.delete_node(by, node),
            Action::ApplyNode { node, object } => self.apply_node(by, node.as_str(), object),
            Action::DeleteObject { key, before } => self.delete_object(by, key, before),
            Action::ApplyObject { key, manifest, .. } => self.apply_object(by, key, *manifest),
        }
    }
}

/// A change that was begun, and nobody heard of its end.
pub(crate) fn lost(node: &NodeName) -> Failure {
    let kind = FailureKind::Lost(node.to_string());
    Failure { effect: Effect::MayHaveHappened, retry: Retry::Later, kind, source: None }
}

fn node(step: &Step) -> Result<&NodeName, Failure> {
    match &step.subject {
        Subject::Machine(node) | Subject::Host(node) => Ok(node),
        Subject::Cluster => {
            Err(never(FailureKind::Other(format!("step {} is done to a host, and names none", step.id))))
        }
    }
}

fn stale(what: String, expected: impl Into<String>, found: impl Into<String>) -> Applied {
    Applied::Stale(Mismatch { what, expected: expected.into(), found: found.into() })
}

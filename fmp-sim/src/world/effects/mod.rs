//! What each action does to the world: a file a family.

mod certificates;
mod cluster;
mod etcd;
mod files;
mod images;
mod machine;
mod trust;
mod units;

use fmp_core::NodeName;
use fmp_exec::{Applied, Context, Failure, FailureKind, Mismatch};
use fmp_plan::{Action, Step, step::Subject};

use super::{World, never};

impl World {
    /// Makes a step's change: compares, and changes all or nothing.
    ///
    /// # Errors
    /// What a host would say.
    pub fn apply(&mut self, cx: &Context, step: &Step) -> Result<Applied, Failure> {
        let applied = self.act(cx, step);
        self.settle();
        applied
    }

    fn act(&mut self, cx: &Context, step: &Step) -> Result<Applied, Failure> {
        let node = || node(step);
        match &step.action {
            Action::CreateMachine { address } => self.create_machine(node()?, *address),
            Action::StartMachine => self.start_machine(node()?),
            Action::EstablishTrust { items } => self.establish_trust(node()?, items),
            Action::Upload { name, digest, path, bytes, before } => {
                self.upload(node()?, name, (*digest, *bytes), path, *before)
            }
            Action::WriteFiles { files, remove } => self.write_files(cx, node()?, files, remove),
            Action::IssueCertificates { certificates } => self.issue(node()?, certificates),
            Action::StartUnit { unit } => self.start_unit(node()?, unit),
            Action::RestartUnit { unit } => self.restart_unit(node()?, unit),
            Action::ReloadUnit { unit } => self.reload_unit(node()?, unit),
            Action::EnableUnit { unit } => self.enable_unit(node()?, unit),
            Action::BootstrapEtcd { members } => self.bootstrap_etcd(node()?, members),
            Action::RemoveEtcdMember { peer_url, id } => self.remove_member(peer_url, id),
            Action::AddEtcdLearner { peer_url } => self.add_learner(peer_url),
            Action::StartEtcdLearner { members } => self.start_learner(node()?, members),
            Action::PromoteEtcdLearner { peer_url } => self.promote_learner(peer_url),
            Action::ImportImage { reference, .. } => self.import_image(node()?, reference),
            Action::ApplyNode { object } => self.apply_node(step, object),
            Action::ApplyObject { key, manifest } => self.apply_object(key, *manifest),
        }
    }
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

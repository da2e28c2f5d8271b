//! Changes on hosts: a file an action, each one command on one host.
//!
//! Every command takes the host's lock, refuses an older epoch, compares what there is with what the action expects (a
//! restart and a new certificate have nothing to compare with), notes what it is about to make, and only then makes it:
//! `scripts/prelude.sh` has the parts, [`answer`] reads what came of it. Contents and secrets go over standard input.

mod answer;
mod certificates;
mod content;
mod etcd;
mod files;
mod image;
mod nodes;
mod objects;
mod packages;
mod trust;
mod unit;
mod upload;
mod volumes;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, path::PathBuf};

use fmp_bundle::Store;
use fmp_core::{Digest, NodeName, Secret, profile::Directories};
use fmp_exec::{Applied, Context, Effect, Failure, FailureKind, Retry};
use fmp_plan::{
    Step,
    action::{Action, Before, Evict, MemberBefore, UnitBefore},
};

use self::volumes::Which;
use super::{Managed, Packing};
use crate::transport::{Input, TransportError};

const EPOCH: &str = include_str!("../../epoch.sh");
const PRELUDE: &str = include_str!("scripts/prelude.sh");

/// One step being carried out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work<'a> {
    pub(super) hosts: &'a BTreeMap<NodeName, Managed>,
    pub(super) store: &'a Store,
    pub(super) packing: Packing,
    pub(super) directories: &'a Directories,
    pub(super) files: &'a BTreeMap<Digest, PathBuf>,
    pub(super) cx: &'a Context,
    pub(super) step: &'a Step,
    /// Seconds since 1970, for certificates.
    pub(super) now: i64,
}

/// Carries out the step's action.
pub(super) async fn apply(work: Work<'_>) -> Result<Applied, Failure> {
    match &work.step.action {
        Action::CreateMachine { .. } | Action::StartMachine => Err(nothing("a host can't make machines")),
        Action::EstablishTrust { items } => trust::establish(work, items).await,
        Action::Upload { name, digest, path, bytes, before } => {
            upload::upload(work, upload::Program { name, digest: *digest, path, bytes: *bytes, before: *before }).await
        }
        Action::WriteFiles { files, remove } => files::write(work, files, remove).await,
        Action::IssueCertificates { certificates } => certificates::issue(work, certificates).await,
        Action::StartUnit { unit } => unit::change(work, "start", unit).await,
        Action::RestartUnit { unit, before: UnitBefore::Active } => unit::change(work, "restart", unit).await,
        Action::RestartUnit { unit, before: UnitBefore::Starting } => {
            unit::change(work, "restart-starting", unit).await
        }
        Action::ReloadUnit { unit } => unit::change(work, "reload", unit).await,
        Action::EnableUnit { unit } => unit::change(work, "enable", unit).await,
        Action::BootstrapEtcd { members } => etcd::start(work, "new", members).await,
        Action::StartEtcdLearner { members } => etcd::start(work, "existing", members).await,
        Action::RemoveEtcdMember { peer_url, id, before: MemberBefore::Silent } => {
            etcd::change(work, "remove", peer_url, id).await
        }
        Action::RemoveEtcdMember { peer_url, id, before: MemberBefore::Answering } => {
            etcd::change(work, "remove-answering", peer_url, id).await
        }
        Action::AddEtcdLearner { peer_url } => etcd::change(work, "add", peer_url, "-").await,
        Action::PromoteEtcdLearner { peer_url } => etcd::change(work, "promote", peer_url, "-").await,
        Action::ImportImage { reference, archive, bytes } => image::import(work, reference, *archive, *bytes).await,
        Action::StoreImage { reference, archive, bytes, manifest, path, before } => {
            let image = image::Stored { reference, archive: *archive, bytes: *bytes, manifest: *manifest, path };
            image::store(work, image, *before).await
        }
        Action::PullImage { reference, manifest } => image::pull(work, reference, *manifest).await,
        Action::InstallPackages { manager, packages, from } => packages::install(work, *manager, packages, from).await,
        Action::MakeVolume { disk, filesystem, uuid, before, group } => {
            let which = Which { disk, filesystem: *filesystem, uuid };
            match group {
                Some(group) => volumes::make_group(work, which, group).await,
                None => volumes::make(work, which, before.as_ref()).await,
            }
        }
        Action::MountVolume { disk, filesystem, uuid, mounts } => {
            volumes::mount(work, Which { disk, filesystem: *filesystem, uuid }, mounts).await
        }
        Action::GrowVolume { disk, filesystem, uuid, directory, bytes: _, group } => {
            let which = Which { disk, filesystem: *filesystem, uuid };
            match group {
                Some(group) => volumes::grow_group(work, which, directory, group).await,
                None => volumes::grow(work, which, directory).await,
            }
        }
        Action::CordonNode { node } => nodes::change(work, "cordon", node, Evict::Replaceable).await,
        Action::DrainNode { node, evict } => nodes::change(work, "drain", node, *evict).await,
        Action::UncordonNode { node } => nodes::change(work, "uncordon", node, Evict::Replaceable).await,
        Action::StopUnits { units } => unit::stop(work, units).await,
        Action::DeleteNode { node } => nodes::change(work, "delete", node, Evict::Replaceable).await,
        Action::ApplyNode { node, object } => objects::node(work, node, object).await,
        Action::DeleteObject { key, before } => objects::delete(work, key, before).await,
        Action::ApplyObject { key, manifest, taking } => objects::object(work, key, *manifest, taking).await,
    }
}

impl<'a> Work<'a> {
    /// The host that the step is about.
    pub(super) fn host(self) -> Result<(&'a NodeName, &'a Managed), Failure> {
        let node = self.step.subject.node().ok_or_else(|| nothing("the step names no host"))?;
        self.named(node)
    }

    /// A host by its name.
    fn named(self, node: &'a NodeName) -> Result<(&'a NodeName, &'a Managed), Failure> {
        let host = self.hosts.get(node).ok_or_else(|| nothing(format!("there is no way to reach {node}")))?;
        Ok((node, host))
    }

    /// The mains, whoever the step is about last: a member that is changed is not the one to ask about it.
    fn mains(self) -> Vec<(&'a NodeName, &'a Managed)> {
        let mut mains: Vec<_> = self.hosts.iter().filter(|(_, host)| host.main).collect();
        mains.sort_by_key(|(node, _)| self.step.subject.node() == Some(node));
        // A drain takes its time: those of many nodes don't queue on the first main.
        if let (Action::DrainNode { node, .. }, false) = (&self.step.action, mains.is_empty()) {
            let spread = node.as_str().bytes().map(usize::from).sum::<usize>();
            let from = spread % mains.len();
            mains.rotate_left(from);
        }
        mains
    }

    /// Runs one of our scripts on a host.
    pub(super) async fn run(
        self,
        (node, host): (&NodeName, &Managed),
        script: &str,
        args: &[&str],
        input: Input,
    ) -> Result<Applied, Failure> {
        let (script, command) = (self::script(script), command(self.cx.epoch, self.step.id.as_str()));
        let epoch = self.cx.epoch.to_string();
        let mut words = vec!["-c", &script, "fmp", &epoch, &command];
        words.extend(args);
        match host.transport.run("sh", &words, input).await {
            Ok(output) => answer::read(node, self.step, &output),
            Err(error) => Err(not_run(node, error)),
        }
    }

    /// Reads a file of a host that may be a secret.
    async fn read(self, (node, host): (&NodeName, &Managed), path: &str) -> Result<Secret, Failure> {
        let output = host.transport.run("cat", &["--", path], Input::Empty).await;
        let output = output.map_err(|error| Failure { effect: Effect::None, ..not_run(node, error) })?;
        // Taken before anything else can fail, so that it is overwritten whatever happens.
        let (success, status, complaint) = (output.success(), output.status, output.complaint().into_owned());
        let secret = Secret::new(output.stdout);
        if success {
            return Ok(secret);
        }
        let (host, program) = (node.to_string(), format!("cat {path}"));
        let kind = FailureKind::Program { host, program, status, stderr: complaint };
        Err(Failure { effect: Effect::None, retry: Retry::Later, kind, source: None })
    }

    /// Reads from the first of several hosts that gives it.
    async fn read_from_any(self, holders: &'a [NodeName], path: &str) -> Result<Secret, Failure> {
        let mut failure = nothing(format!("nobody holds {path}"));
        for node in holders {
            match self.read(self.named(node)?, path).await {
                Ok(secret) => return Ok(secret),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

/// One of our scripts as a host gets it.
pub(super) fn script(script: &str) -> String {
    format!("{EPOCH}\n{PRELUDE}\n{script}")
}

/// What a step's command is called on its host, as the name of a unit: `fmp-7-main-1-files`.
pub(super) fn command(epoch: u64, step: &str) -> String {
    let plain = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' };
    format!("fmp-{epoch}-{}", step.chars().map(plain).collect::<String>())
}

/// A failure before anything was tried, which trying again does not mend.
fn nothing(what: impl Into<String>) -> Failure {
    Failure { effect: Effect::None, retry: Retry::Never, kind: FailureKind::Other(what.into()), source: None }
}

/// A failure with a cause, before anything was tried.
fn nothing_because(what: &str, source: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure { source: Some(Box::new(source)), ..nothing(what) }
}

/// A script that was not started, or not heard of again.
pub(super) fn not_run(node: &NodeName, error: TransportError) -> Failure {
    let lost = error.may_have_happened();
    let name = node.to_string();
    Failure {
        effect: if lost { Effect::MayHaveHappened } else { Effect::None },
        retry: if error.is_transient() { Retry::Later } else { Retry::Never },
        kind: if lost { FailureKind::Lost(name) } else { FailureKind::Unreachable(name) },
        source: Some(Box::new(error)),
    }
}

/// What a script is told of what lies there.
fn before_word(before: Before) -> String {
    match before {
        Before::Absent => "absent".to_owned(),
        Before::Digest(digest) => digest.hex(),
    }
}

/// The text with this digest.
fn text<'a>(cx: &'a Context, digest: &Digest) -> Result<&'a str, Failure> {
    cx.texts.get(digest).map(|text| &**text).ok_or_else(|| nothing(format!("the plan lacks the text {digest}")))
}

//! What is left of a plan that was approved and broke off: the approval covers it, and nothing beyond it.
//!
//! A remainder holds steps of the approved plan alone, each with the same action or a part of it, and rests on the same
//! facts, but for those that steps wrote which are done. Whoever changed something else meanwhile made it another plan.

use std::{collections::BTreeMap, fmt};

use fmp_core::{NodeName, observed::Observed, resource::Holding, role::paths::unit_file};
use fmp_plan::{
    Action, Changed, Plan, Step, StepId,
    action::{CertificateIssue, TrustItem, TrustSource, UnitBefore},
    fact::FactKey,
    step::Subject,
};

const ETCD: &str = "etcd.service";
const KUBELET: &str = "kubelet.service";

/// Why an approval does not cover what is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Uncovered {
    /// A step that was not approved, or not like this.
    Step(StepId),
    /// A consent that was not given.
    Consent(String),
    /// A fact that is another one, and no step that was done wrote it.
    Fact(Changed),
}

impl fmt::Display for Uncovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step(step) => write!(f, "{step} is to be done now, and was not approved like this"),
            Self::Consent(words) => write!(f, "cluster.toml agrees to `{words}` now, and did not then"),
            Self::Fact(changed) => write!(f, "{} was `{}`, is `{}`", changed.fact, changed.then, changed.now),
        }
    }
}

/// What of the plan `now`, made from `observed`, the approval of `approved` does not cover: nothing where it is a remainder.
/// Both are of the same file and bundle, which the caller has looked at.
pub fn uncovered(approved: &Plan, now: &Plan, observed: &Observed) -> Vec<Uncovered> {
    let (whole, left) = (Steps::new(&approved.steps), Steps::new(&now.steps));
    let is_other = |step: &Step| !whole.covers(step);
    let other = now.steps.iter().filter(|step| is_other(step)).map(|step| Uncovered::Step(step.id.clone()));
    let consents = now.consents.difference(&approved.consents).cloned().map(Uncovered::Consent);
    // Wholly or in part: it is not to be done as a whole any more, and nobody made something else of it.
    let is_done = |own: &Step| {
        left.beside(own).iter().all(|step| step.action != own.action && !(step.id == own.id && is_other(step)))
    };
    let is_ours = |fact: &FactKey| whole.near(fact).any(|step| writes(step, fact) && is_done(step));
    let changed = fmp_plan::changed(approved, observed).into_iter().filter(|changed| !is_ours(&changed.fact));
    other.chain(consents).chain(changed.map(Uncovered::Fact)).collect()
}

/// Steps by the host that they are done on, the cluster's by no name: a plan of a large cluster has a hundred thousand.
struct Steps<'a>(BTreeMap<&'a str, Vec<&'a Step>>);

impl<'a> Steps<'a> {
    fn new(steps: &'a [Step]) -> Self {
        let mut by_node: BTreeMap<&str, Vec<&Step>> = BTreeMap::new();
        for step in steps {
            by_node.entry(name(&step.subject)).or_default().push(step);
        }
        Self(by_node)
    }

    /// Those that are done where a step is done.
    fn beside(&self, step: &Step) -> &[&'a Step] {
        self.0.get(name(&step.subject)).map_or(&[], Vec::as_slice)
    }

    /// Those that may change a fact: what is seen on a host is changed there, and a Node by its own kubelet, too.
    fn near(&self, fact: &FactKey) -> impl Iterator<Item = &'a Step> {
        let (own, others) = match (host(fact), fact) {
            (Some(node), _) => (Some(node.as_str()), false),
            (None, FactKey::Node { node, .. }) => (Some(node.as_str()), true),
            (None, _) => (None, true),
        };
        let wanted = move |at: &str| match own {
            Some(own) => at == own || others && at.is_empty(),
            None => true,
        };
        self.0.iter().filter(move |(at, _)| wanted(at)).flat_map(|(_, steps)| steps.iter().copied())
    }

    /// Whether one of these is the step, or the same by another name: a node that was to be given back after a restart is
    /// given back after none, and a unit that was to be restarted only comes up.
    fn covers(&self, step: &Step) -> bool {
        let starts = |own: &Action| matches!(&step.action, Action::StartUnit { unit } if own.starts() == Some(unit));
        self.beside(step).iter().filter(|own| own.subject == step.subject).any(|own| {
            own.action == step.action || own.id == step.id && covers(&own.action, &step.action) || starts(&own.action)
        })
    }
}

fn name(subject: &Subject) -> &str {
    subject.node().map_or("", NodeName::as_str)
}

/// Whether an action is the approved one, or a part of it. Who lends something is no part of what was approved: more do,
/// the further it came.
fn covers(approved: &Action, left: &Action) -> bool {
    match (approved, left) {
        (Action::WriteFiles { files, remove }, Action::WriteFiles { files: some, remove: others }) => {
            some.iter().all(|file| files.contains(file)) && others.iter().all(|file| remove.contains(file))
        }
        (Action::EstablishTrust { items }, Action::EstablishTrust { items: some }) => {
            some.iter().all(|item| items.iter().any(|own| is_same_item(own, item)))
        }
        (Action::IssueCertificates { certificates }, Action::IssueCertificates { certificates: some }) => {
            some.iter().all(|issue| certificates.iter().any(|own| is_same_issue(own, issue)))
        }
        (Action::StopUnits { units }, Action::StopUnits { units: some }) => {
            some.iter().all(|unit| units.contains(unit))
        }
        (Action::RestartUnit { unit, .. }, Action::RestartUnit { unit: own, before: UnitBefore::Starting }) => {
            unit == own
        }
        _ => approved == left,
    }
}

fn is_same_item(one: &TrustItem, other: &TrustItem) -> bool {
    let is_made = |item: &TrustItem| matches!(item.from, TrustSource::Create);
    (one.what, one.private, is_made(one)) == (other.what, other.private, is_made(other))
}

fn is_same_issue(one: &CertificateIssue, other: &CertificateIssue) -> bool {
    (&one.path, &one.key_path, &one.request) == (&other.path, &other.key_path, &other.request)
}

/// Whether a step changes a fact where it is done.
fn writes(step: &Step, fact: &FactKey) -> bool {
    if let (Some(here), Some(there)) = (step.subject.node(), host(fact)) {
        // The first thing of ours ends that a host is bare, and the first shared thing says whose it is.
        return here == there && (matches!(fact, FactKey::Host { .. }) || writes_there(&step.action, fact));
    }
    match (&step.action, fact) {
        (
            Action::BootstrapEtcd { members } | Action::StartEtcdLearner { members },
            FactKey::EtcdMember { peer_url },
        ) => members.values().any(|member| member == peer_url),
        (
            Action::RemoveEtcdMember { peer_url: own, .. }
            | Action::AddEtcdLearner { peer_url: own }
            | Action::PromoteEtcdLearner { peer_url: own },
            FactKey::EtcdMember { peer_url },
        ) => own == peer_url,
        (Action::ApplyObject { key: own, .. } | Action::DeleteObject { key: own, .. }, FactKey::Object { key }) => {
            own == key
        }
        // A kubelet makes its own Node.
        (action, FactKey::Node { node, .. }) => {
            action.api_node() == Some(node) || action.starts() == Some(KUBELET) && step.node() == Some(node)
        }
        _ => false,
    }
}

/// The host on which a fact is seen.
const fn host(fact: &FactKey) -> Option<&NodeName> {
    match fact {
        FactKey::Machine { node }
        | FactKey::Host { node }
        | FactKey::File { node, .. }
        | FactKey::Unit { node, .. }
        | FactKey::Certificate { node, .. }
        | FactKey::Trust { node, .. }
        | FactKey::EtcdData { node }
        | FactKey::Image { node, .. }
        | FactKey::Volume { node } => Some(node),
        FactKey::EtcdMember { .. } | FactKey::Node { .. } | FactKey::Object { .. } => None,
    }
}

/// The same of an action on the very host.
fn writes_there(action: &Action, fact: &FactKey) -> bool {
    match action {
        // Of a machine that was not there nothing was seen.
        Action::CreateMachine { .. } | Action::StartMachine => true,
        Action::EstablishTrust { items } => items.iter().any(|item| is_shared(item.what, fact)),
        Action::Upload { path, .. } => is_file(fact, path),
        Action::WriteFiles { files, remove } => {
            let mut paths = files.iter().map(|file| &file.path).chain(remove.iter().map(|file| &file.path));
            // A unit that was not read again says so.
            matches!(fact, FactKey::Unit { .. }) || paths.any(|path| is_file(fact, path))
        }
        Action::IssueCertificates { certificates } => {
            certificates.iter().any(|issue| matches!(fact, FactKey::Certificate { path, .. } if *path == issue.path))
        }
        Action::StartUnit { unit }
        | Action::RestartUnit { unit, .. }
        | Action::ReloadUnit { unit }
        | Action::EnableUnit { unit } => is_unit(fact, unit),
        Action::StopUnits { units } => units.iter().any(|unit| is_unit(fact, unit)),
        Action::BootstrapEtcd { .. } | Action::StartEtcdLearner { .. } => {
            matches!(fact, FactKey::EtcdData { .. }) || is_unit(fact, ETCD)
        }
        Action::ImportImage { reference: own, .. } => {
            matches!(fact, FactKey::Image { reference, .. } if reference == own)
        }
        Action::MakeVolume { .. } | Action::GrowVolume { .. } => matches!(fact, FactKey::Volume { .. }),
        Action::MountVolume { mounts, .. } => {
            let is_mount = |unit: &str| is_unit(fact, unit) || is_file(fact, &unit_file(unit));
            matches!(fact, FactKey::Volume { .. }) || mounts.iter().any(|mount| is_mount(&mount.unit))
        }
        // Whoever hears of its own removal ends.
        Action::RemoveEtcdMember { .. } => is_unit(fact, ETCD),
        Action::AddEtcdLearner { .. }
        | Action::PromoteEtcdLearner { .. }
        | Action::CordonNode { .. }
        | Action::DrainNode { .. }
        | Action::UncordonNode { .. }
        | Action::DeleteNode { .. }
        | Action::ApplyNode { .. }
        | Action::DeleteObject { .. }
        | Action::ApplyObject { .. } => false,
    }
}

fn is_shared(what: Holding, fact: &FactKey) -> bool {
    match fact {
        FactKey::Trust { what: own, .. } => *own == what,
        FactKey::Certificate { path, .. } => {
            matches!(what, Holding::Authority(authority) if authority.certificate() == &**path)
        }
        _ => false,
    }
}

fn is_file(fact: &FactKey, path: &str) -> bool {
    matches!(fact, FactKey::File { path: own, .. } if &**own == path)
}

fn is_unit(fact: &FactKey, unit: &str) -> bool {
    matches!(fact, FactKey::Unit { unit: own, .. } if &**own == unit)
}

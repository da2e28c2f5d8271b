//! What is left of a plan that was approved and broke off: the approval covers it, and nothing beyond it.
//!
//! A remainder holds steps of the approved plan alone, each with the same action or a part of it, and rests on the same
//! facts, but for those that steps wrote which are done. Whoever changed something else meanwhile made it another plan.

use std::{collections::BTreeMap, fmt};

use fmp_core::{
    NodeName,
    observed::Observed,
    resource::Holding,
    role::paths::{
        unit::{ETCD, KUBELET},
        unit_file,
    },
};
use fmp_plan::{
    Action, Changed, Plan, Step, StepId,
    action::{CertificateIssue, PackagesFrom, TrustItem, TrustSource, UnitBefore},
    fact::FactKey,
    step::Subject,
};

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
    // Wholly or in part. What only waits now, or stays for a reason that is told, was not done.
    let is_done = |own: &Step| {
        left.beside(own)
            .iter()
            .all(|step| step.action != own.action && (step.id != own.id || has_begun(&own.action, &step.action)))
            && !is_held_back(now, own)
    };
    let is_ours = |changed: &Changed| {
        whole.near(&changed.fact).any(|step| writes(step, &changed.fact) && is_done(step) && explains(step, changed))
    };
    // What nobody can tell now holds up whoever rests on it, and nothing else.
    let rests_on = |fact: &FactKey| now.basis.facts.binary_search_by(|premise| premise.key.cmp(fact)).is_ok();
    let matters = |changed: &Changed| changed.now != "unknown" || rests_on(&changed.fact);
    let changed = fmp_plan::changed(approved, observed).into_iter().filter(matters).filter(|changed| !is_ours(changed));
    other.chain(consents).chain(changed.map(Uncovered::Fact)).collect()
}

/// Whether less is left of a step than there was, or only that what it started comes up.
fn has_begun(own: &Action, left: &Action) -> bool {
    let comes_up = match left {
        Action::StartUnit { unit } | Action::RestartUnit { unit, before: UnitBefore::Starting } => {
            own.starts() == Some(unit)
        }
        _ => false,
    };
    comes_up || parts(left) < parts(own)
}

/// How many things an action does that can be done without the others.
fn parts(action: &Action) -> usize {
    match action {
        Action::WriteFiles { files, remove } => files.len() + remove.len(),
        Action::EstablishTrust { items } => items.len(),
        Action::IssueCertificates { certificates } => certificates.len(),
        Action::StopUnits { units } => units.len(),
        Action::InstallPackages { packages, from, .. } => packages.len() + from.files().len(),
        _ => 1,
    }
}

/// Whether the plan says of what a step is about that it waits, or why it stays.
fn is_held_back(now: &Plan, own: &Step) -> bool {
    let object = match &own.action {
        Action::ApplyObject { key, .. } | Action::DeleteObject { key, .. } => Some(key),
        _ => None,
    };
    now.waiting.iter().any(|item| item.concerns(&own.id)) || now.notes.iter().any(|note| object == Some(&note.about))
}

/// Whether what a fact is now is what a step that was done can have made of it.
fn explains(step: &Step, Changed { fact, then, now }: &Changed) -> bool {
    let was_unseen = then == "absent" || then == "unknown";
    match (fact, &step.action) {
        // Whose machine it is may have changed, which machine it is has not.
        (FactKey::Host { .. }, _) => was_unseen || then.split(", ").take(3).eq(now.split(", ").take(3)),
        (FactKey::Object { .. }, Action::DeleteObject { .. }) => now == "absent",
        (FactKey::Unit { .. }, Action::WriteFiles { remove, .. }) => {
            let removed =
                |words: &str| remove.iter().fold(words.to_owned(), |words, file| without_drop_in(&words, &file.path));
            was_unseen || removed(then).replace(REREAD, "") == removed(now).replace(REREAD, "")
        }
        // Whoever disables a unit means it to stay down.
        (
            FactKey::Unit { .. },
            Action::StartUnit { .. }
            | Action::RestartUnit { .. }
            | Action::ReloadUnit { .. }
            | Action::EnableUnit { .. },
        ) => was_unseen || now.split(' ').any(|word| word == "enabled"),
        _ => true,
    }
}

/// What the words for a unit say where systemd has not read its files again.
const REREAD: &str = " needs-daemon-reload";

/// The words for a unit without those for one drop-in.
fn without_drop_in(words: &str, path: &str) -> String {
    let Some((before, rest)) = words.split_once(&format!(" drop-in {path} ")) else { return words.to_owned() };
    let after = rest.find(' ').map_or("", |end| &rest[end..]);
    format!("{before}{after}")
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
        let own = match fact {
            FactKey::Node { node, .. } => Some(node),
            other => host(other),
        };
        let by_api = matches!(fact, FactKey::Node { .. });
        let wanted = move |at: &str| own.is_none_or(|own| at == own.as_str() || by_api && at.is_empty());
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
        (
            Action::InstallPackages { manager, packages, from },
            Action::InstallPackages { manager: by, packages: some, from: rest },
        ) => {
            let is_part = match (from, rest) {
                (PackagesFrom::Repository, PackagesFrom::Repository) => true,
                (PackagesFrom::Bundle(files), PackagesFrom::Bundle(some)) => {
                    some.iter().all(|file| files.contains(file))
                }
                (PackagesFrom::Repository, PackagesFrom::Bundle(_))
                | (PackagesFrom::Bundle(_), PackagesFrom::Repository) => false,
            };
            manager == by && is_part && some.iter().all(|package| packages.contains(package))
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
        | FactKey::Volume { node }
        | FactKey::Package { node, .. } => Some(node),
        FactKey::EtcdMember { .. } | FactKey::Node { .. } | FactKey::Object { .. } => None,
    }
}

/// The same of an action on the very host.
fn writes_there(action: &Action, fact: &FactKey) -> bool {
    match action {
        // Of a machine that was not there nothing was seen.
        Action::CreateMachine { .. } | Action::StartMachine => true,
        Action::EstablishTrust { items } => items.iter().any(|item| is_shared(item.what, fact)),
        Action::Upload { path, .. } | Action::StoreImage { path, .. } => is_file(fact, path),
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
        Action::ImportImage { reference: own, .. } | Action::PullImage { reference: own, .. } => {
            matches!(fact, FactKey::Image { reference, .. } if reference == own)
        }
        Action::InstallPackages { packages, from, .. } => match fact {
            FactKey::Package { package, .. } => {
                packages.iter().any(|installed| installed.name == *package)
                    || from.files().iter().any(|file| file.package == *package)
            }
            _ => false,
        },
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

#[cfg(test)]
mod tests {
    use fmp_core::{Digest, os::Manager};
    use fmp_plan::action::{FileRemoval, PackageInstall};

    use super::*;

    fn step(action: Action) -> Step {
        Step {
            id: StepId::new("main-1/step"),
            subject: Subject::Host("main-1".parse().unwrap()),
            action,
            after: Vec::new(),
            unit: None,
            disrupts: [].into(),
            watch: None,
            reason: String::new(),
        }
    }

    #[track_caller]
    fn check(action: Action, fact: FactKey, then: &str, now: &str, explained: bool) {
        let changed = Changed { fact, then: then.to_owned(), now: now.to_owned() };
        assert_eq!(explains(&step(action), &changed), explained, "{changed:?}");
    }

    fn unit() -> FactKey {
        FactKey::Unit { node: "main-1".parse().unwrap(), unit: "etcd.service".into() }
    }

    #[test]
    fn another_machine_is_nobodys_step() {
        let (host, upload) =
            (|| FactKey::Host { node: "main-1".parse().unwrap() }, || Action::EstablishTrust { items: vec![] });
        check(upload(), host(), "machine-id a, h, x86, no cluster, bare", "machine-id a, h, x86, cluster 1", true);
        check(upload(), host(), "machine-id a, h, x86, no cluster, bare", "machine-id b, h, x86, no cluster", false);
        check(upload(), host(), "absent", "machine-id b, h, x86, no cluster, bare", true);
    }

    #[test]
    fn an_object_that_was_to_go_and_is_another_one_was_not_deleted() {
        let key = "ConfigMap/a/b".to_owned();
        let delete = || Action::DeleteObject { key: key.clone(), before: "d".to_owned() };
        let object = || FactKey::Object { key: key.clone() };
        check(delete(), object(), "d", "absent", true);
        check(delete(), object(), "d", "e", false);
    }

    #[test]
    fn files_explain_that_a_unit_was_not_read_again_and_no_more() {
        let path = "/etc/systemd/system/etcd.service.d/a.conf";
        let remove = vec![FileRemoval { path: path.into(), before: Digest::of("a") }];
        let write = || Action::WriteFiles { files: Vec::new(), remove: remove.clone() };
        let then = format!("active enabled drop-in {path} sha256:1 started with sha256:2");
        check(write(), unit(), &then, "active enabled needs-daemon-reload started with sha256:2", true);
        check(write(), unit(), &then, "not active disabled no stamp", false);
    }

    #[test]
    fn packages_that_came_are_a_part_of_their_step() {
        let install = |names: &[&str]| {
            let of = |name: &&str| PackageInstall { name: (*name).into(), quiet: Vec::new() };
            let (manager, packages) = (Manager::Dpkg, names.iter().map(of).collect());
            Action::InstallPackages { manager, packages, from: PackagesFrom::Repository }
        };
        assert!(has_begun(&install(&["haproxy", "kmod"]), &install(&["kmod"])));
        assert!(!has_begun(&install(&["kmod"]), &install(&["kmod"])));
    }

    #[test]
    fn whoever_disables_a_unit_means_it_to_stay_down() {
        let restart = || Action::RestartUnit { unit: "etcd.service".into(), before: UnitBefore::Active };
        check(restart(), unit(), "active enabled started with sha256:1", "not active enabled no stamp", true);
        check(restart(), unit(), "active enabled started with sha256:1", "not active disabled no stamp", false);
        check(restart(), unit(), "absent", "not active disabled no stamp", true);
    }
}

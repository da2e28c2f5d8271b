//! Skew: which versions of Kubernetes' parts may stand beside each other.
//!
//! Owns [upstream's rules](https://kubernetes.io/releases/version-skew-policy/) as data, and reads which versions there
//! are: what runs says its version by the path of the program that it started, and a host that does not answer is known
//! by what its Node says of its kubelet. Knows nothing of order: that kubelets come after all apiservers is an edge of
//! the graph.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use fmp_core::{
    KubeVersion, NodeName,
    graph::Desired,
    observed::{Api, Fact, FileSeen, Host, Observed},
    resource::{Resource, ResourceId},
    role::paths::{STORE, key, kubernetes_version, unit_file},
    spec::{Role, Spec},
};

use crate::{diff::NOT_ASKED, fact::FactKey, plan::Waiting, safety};

/// A part of Kubernetes whose version counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Apiserver,
    ControllerManager,
    Scheduler,
    Kubelet,
    Proxy,
}

/// What upstream's policy says of one part.
struct Rule {
    part: Part,
    /// Its program; its unit is called the same.
    program: &'static str,
    /// Which apiservers it asks, and so is compared with.
    asks: Asks,
    /// How many minors it may be newer than the oldest of them.
    newer: u16,
    /// How many minors it may be older than the newest of them: the last row that begins at or below its own minor.
    older: &'static [(u16, u16)],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Asks {
    /// The one on its own main: controllers go by no balancer.
    Own,
    /// Any of them, by the node's balancer.
    Any,
}

/// The policy, a row a part. Apiservers are compared with each other.
const RULES: [Rule; 5] = [
    Rule { part: Part::Apiserver, program: "kube-apiserver", asks: Asks::Any, newer: 1, older: &[(0, 1)] },
    Rule {
        part: Part::ControllerManager,
        program: "kube-controller-manager",
        asks: Asks::Own,
        newer: 0,
        older: &[(0, 1)],
    },
    Rule { part: Part::Scheduler, program: "kube-scheduler", asks: Asks::Own, newer: 0, older: &[(0, 1)] },
    Rule { part: Part::Kubelet, program: "kubelet", asks: Asks::Any, newer: 0, older: &[(0, 2), (25, 3)] },
    Rule { part: Part::Proxy, program: "kube-proxy", asks: Asks::Any, newer: 0, older: &[(0, 2), (25, 3)] },
];

impl Part {
    fn rule(self) -> &'static Rule {
        &RULES[self as usize]
    }

    const fn is_on_work_nodes(self) -> bool {
        match self {
            Self::Kubelet | Self::Proxy => true,
            Self::Apiserver | Self::ControllerManager | Self::Scheduler => false,
        }
    }

    fn of_unit(unit: &str) -> Option<Self> {
        let program = unit.strip_suffix(".service")?;
        RULES.iter().find(|rule| rule.program == program).map(|rule| rule.part)
    }
}

impl Rule {
    fn may_be_older(&self, minor: u16) -> u16 {
        self.older.iter().rev().find(|(from, _)| *from <= minor).map_or(0, |(_, older)| *older)
    }
}

/// A version, and whether it runs or only would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    version: KubeVersion,
    runs: bool,
}

/// Which part on which node: a Node may be called what no node of ours is.
type At = (Part, String);

/// What is too old, and the minor that it must have at least.
type Lags = BTreeMap<At, (u16, KubeVersion)>;

/// The versions that were seen.
#[derive(Debug, Clone)]
pub(crate) struct Versions {
    wanted: KubeVersion,
    /// Nodes of the file. What others have is compared, and decides nothing.
    ours: BTreeSet<String>,
    seen: BTreeMap<At, Fact<Seen>>,
    /// Whether anything is of another minor than what is wanted.
    changes: bool,
    /// The newest kubelet.
    floor: Option<KubeVersion>,
    /// What is too old for an apiserver of the wanted version, in words.
    too_old: Option<String>,
}

impl Versions {
    pub(crate) fn new(spec: &Spec, desired: &Desired, observed: &Observed) -> Self {
        let mut seen = BTreeMap::new();
        for (node, is) in spec.nodes.iter().filter(|(_, is)| is.role.is_of_kubernetes()) {
            for rule in RULES.iter().filter(|rule| is.role == Role::Main || rule.part.is_on_work_nodes()) {
                let as_wanted = |host: &Host| wants_file(desired, node, rule, host).then_some(spec.kubernetes);
                let fact = match observed.hosts.get(node) {
                    Some(Fact::Known(host)) => of_unit(host, rule, || as_wanted(host)),
                    Some(Fact::Absent) => Fact::Absent,
                    Some(Fact::Unknown(why)) => Fact::Unknown(why.clone()),
                    None => Fact::Unknown(NOT_ASKED.to_owned()),
                };
                seen.insert((rule.part, node.to_string()), fact);
            }
        }
        // What leaves counts as long as it runs, or may.
        for (name, node) in &spec.retired {
            let votes = observed.etcd.known().is_some_and(|etcd| etcd.members.contains_key(&safety::peer_url(node)));
            for rule in &RULES {
                let fact = match observed.hosts.get(name) {
                    Some(Fact::Known(host)) => of_unit(host, rule, || None),
                    Some(Fact::Unknown(why)) if votes && rule.part == Part::Apiserver && !spec.is_destroyed(name) => {
                        Fact::Unknown(why.clone())
                    }
                    Some(Fact::Unknown(_) | Fact::Absent) | None => Fact::Absent,
                };
                if !matches!(&fact, Fact::Known(seen) if !seen.runs) && fact != Fact::Absent {
                    seen.insert((rule.part, name.to_string()), fact);
                }
            }
        }
        add_nodes(&mut seen, &observed.api);
        let ours = spec.nodes.keys().map(ToString::to_string).collect();
        let mut versions = Self { wanted: spec.kubernetes, ours, seen, changes: false, floor: None, too_old: None };
        let changes = versions.known().any(|(_, seen)| seen.version.minor != spec.kubernetes.minor);
        let kubelets = versions.own().filter(|((part, _), _)| *part == Part::Kubelet);
        let floor = kubelets.map(|(_, seen)| seen.version).max();
        (versions.changes, versions.floor) = (changes, floor);
        versions.too_old = versions.too_old();
        versions
    }

    /// Whether anything is of another minor than what is wanted.
    pub(crate) const fn changes(&self) -> bool {
        self.changes
    }

    /// Why this version can't be gone to at all: then nothing is planned.
    pub(crate) fn refused(&self) -> Option<Waiting> {
        let told = |until: String| Waiting { what: format!("kubernetes {}", self.wanted), until, node: None };
        // A controller keeps nothing: one that is down was never there.
        let counts = |((part, _), seen): &(&At, &Seen)| seen.runs || part.rule().asks == Asks::Any;
        let newer = self.own().filter(counts).find(|(_, seen)| seen.version.minor > self.wanted.minor);
        if let Some((at, seen)) = newer {
            let minor = seen.version.minor;
            return Some(told(format!(
                "cluster.toml says 1.{minor} or newer: {} is {}, and a minor version is never gone back",
                name(at),
                seen.version
            )));
        }
        let apiservers = || self.own().filter(|((part, _), _)| *part == Part::Apiserver);
        let any_runs = apiservers().any(|(_, seen)| seen.runs);
        let (at, seen) = apiservers()
            .filter(|(_, seen)| seen.runs == any_runs)
            .min_by_key(|(_, seen)| seen.version)
            .filter(|(_, seen)| seen.version.minor + 1 < self.wanted.minor)?;
        Some(told(format!(
            "cluster.toml says 1.{} first: {} is {}, and no minor version may be skipped",
            seen.version.minor + 1,
            name(at),
            seen.version
        )))
    }

    /// Why `unit` may not be started in the wanted version now, or `None` where it may: also where it is none of
    /// Kubernetes, or has the wanted minor already.
    ///
    /// What this plan does before it counts as done: all apiservers that are wanted, before a kubelet; its main's own, before a
    /// controller. Where a rule is broken already, its cure and what makes it no worse are not held up.
    ///
    /// `is_raised`: whether a main's apiserver has the wanted version or gets it in this plan, with nothing in its way.
    pub(crate) fn blocked(&self, node: &NodeName, unit: &str, is_raised: impl Fn(&NodeName) -> bool) -> Option<String> {
        let part = Part::of_unit(unit).filter(|_| self.changes)?;
        let own = self.seen.get(&(part, node.to_string())).and_then(Fact::known);
        if own.is_some_and(|own| own.runs && own.version.minor == self.wanted.minor) {
            return None;
        }
        match part {
            Part::Apiserver => self.apiserver_blocked(node),
            // What is down would be started with what lies there, whatever its apiserver waits for.
            Part::ControllerManager | Part::Scheduler if is_raised(node) => None,
            Part::ControllerManager | Part::Scheduler => {
                let fact = self.seen.get(&(Part::Apiserver, node.to_string()))?;
                self.older(Part::Apiserver, node.as_str(), fact, self.wanted.minor)
            }
            Part::Kubelet | Part::Proxy => {
                let is_raised = |name: &str| name.parse().is_ok_and(|node| is_raised(&node));
                let mut others = self.of(Part::Apiserver).filter(|(name, _)| !is_raised(name));
                others.find_map(|(name, fact)| self.older(Part::Apiserver, name, fact, self.wanted.minor))
            }
        }
    }

    fn apiserver_blocked(&self, node: &NodeName) -> Option<String> {
        let wanted = self.wanted.minor;
        let own_controller = |part: Part| {
            let fact = self.seen.get(&(part, node.to_string()))?;
            self.older(part, node.as_str(), fact, wanted.saturating_sub(part.rule().may_be_older(wanted)))
        };
        let raised = self.of(Part::Apiserver).filter_map(|(_, fact)| fact.known()).filter(|seen| seen.runs);
        let is_first = raised.map(|seen| seen.version.minor).max() != Some(wanted);
        let others = || {
            let mut others = self.of(Part::Apiserver).filter(|(name, _)| *name != node.as_str());
            others.find_map(|(name, fact)| self.older(Part::Apiserver, name, fact, wanted.saturating_sub(1)))
        };
        let of_first = || if is_first { others().or_else(|| self.too_old.clone()) } else { None };
        own_controller(Part::ControllerManager).or_else(|| own_controller(Part::Scheduler)).or_else(of_first)
    }

    /// The first kubelet or proxy that is too old for an apiserver of the wanted version.
    fn too_old(&self) -> Option<String> {
        let wanted = self.wanted.minor;
        [Part::Kubelet, Part::Proxy].into_iter().flat_map(|part| self.of(part).map(move |it| (part, it))).find_map(
            |(part, (name, fact))| {
                let minor = fact.known().map_or(wanted, |seen| seen.version.minor);
                self.older(part, name, fact, wanted.saturating_sub(part.rule().may_be_older(minor)))
            },
        )
    }

    /// Whether something runs that is older than `least`, or nobody can say, and what is to be waited for then.
    fn older(&self, part: Part, name: &str, fact: &Fact<Seen>, least: u16) -> Option<String> {
        match fact {
            Fact::Absent => None,
            Fact::Known(seen) if !seen.runs || seen.version.minor >= least => None,
            Fact::Known(seen) => Some(demand(part, name, least, seen.version)),
            // An apiserver that can't be seen is as new as the newest kubelet at least: no kubelet was ever made newer.
            Fact::Unknown(_) if part == Part::Apiserver && self.floor.is_some() => {
                let floor = self.floor.filter(|floor| floor.minor < least)?;
                Some(demand(part, name, least, floor))
            }
            Fact::Unknown(why) => Some(format!("{name} says which version its {} is: {why}", part.rule().program)),
        }
    }

    /// All of one part, by name.
    fn of(&self, part: Part) -> impl Iterator<Item = (&str, &Fact<Seen>)> {
        let from = (part, String::new());
        let all = self.seen.range(from..).take_while(move |((other, _), _)| *other == part);
        all.map(|((_, name), fact)| (name.as_str(), fact))
    }

    /// Every part that is too old for the others, in words.
    fn broken(&self) -> Vec<String> {
        self.lags().iter().map(|((part, name), (least, now))| demand(*part, name, *least, *now)).collect()
    }

    fn known(&self) -> impl Iterator<Item = (&At, &Seen)> {
        self.seen.iter().filter_map(|(at, fact)| Some((at, fact.known()?)))
    }

    fn own(&self) -> impl Iterator<Item = (&At, &Seen)> {
        self.known().filter(|((_, node), _)| self.ours.contains(node))
    }

    /// What the rules find too old. Each break of a rule is that of the older side: to raise it is the cure.
    fn lags(&self) -> Lags {
        let mut lags = Lags::new();
        let mut note = |at: &At, least: u16, now: KubeVersion| {
            if now.minor < least {
                let lag = lags.entry(at.clone()).or_insert((least, now));
                lag.0 = lag.0.max(least);
            }
        };
        let running = || self.known().filter(|(_, seen)| seen.runs);
        for (at, seen) in running() {
            let (rule, minor) = (at.0.rule(), seen.version.minor);
            let asked = running()
                .filter(|((part, node), _)| *part == Part::Apiserver && (rule.asks == Asks::Any || *node == at.1));
            for (apiserver, asked) in asked {
                note(apiserver, minor.saturating_sub(rule.newer), asked.version);
                note(at, asked.version.minor.saturating_sub(rule.may_be_older(minor)), seen.version);
            }
        }
        lags
    }
}

/// What the order of an upgrade rests on besides what it changes: which version each apiserver runs.
pub(crate) fn versions_used(spec: &Spec) -> BTreeSet<FactKey> {
    let unit = || "kube-apiserver.service".into();
    spec.mains().map(|(node, _)| FactKey::Unit { node: node.clone(), unit: unit() }).collect()
}

/// Every rule of skew that does not hold now among the parts that run, in words.
pub fn broken_skew(spec: &Spec, observed: &Observed) -> Vec<String> {
    Versions::new(spec, &Desired::default(), observed).broken()
}

fn demand(part: Part, name: &str, least: u16, now: KubeVersion) -> String {
    format!("{} on {name} is 1.{least} or newer, now {now}", part.rule().program)
}

fn name((part, node): &At) -> String {
    format!("{} on {node}", part.rule().program)
}

/// Whether a unit's file holds what is wanted.
fn wants_file(desired: &Desired, node: &NodeName, rule: &Rule, host: &Host) -> bool {
    let path = unit_file(&format!("{}.service", rule.program));
    let wanted = desired.find(&ResourceId::node(node, key::file(&path)));
    let Some(Resource::File(file)) = wanted.map(|handle| desired.resource(handle)) else { return false };
    let seen = host.files.get(&path).and_then(Fact::known);
    seen.is_some_and(|seen| seen.digest == Some(file.content.digest))
}

/// What a unit runs, or would run.
fn of_unit(host: &Host, rule: &Rule, as_wanted: impl FnOnce() -> Option<KubeVersion>) -> Fact<Seen> {
    let unit = format!("{}.service", rule.program);
    let seen = match host.units.get(&unit) {
        Some(Fact::Known(seen)) => seen,
        Some(Fact::Absent) => return Fact::Absent,
        Some(Fact::Unknown(why)) => return Fact::Unknown(why.clone()),
        None => return Fact::Unknown(NOT_ASKED.to_owned()),
    };
    if let Some(stamp) = &seen.stamp {
        let version = stamp.version_of(rule.program).map(|version| Seen { version, runs: true });
        return version.map_or_else(|| Fact::Unknown("it started a program of no version".to_owned()), Fact::Known);
    }
    let runs = !seen.is_down();
    // Nobody asks a controller anything, and its restart comes right after its apiserver's: what its file would start may
    // stand for a process that left no word of itself. Else neither of the two could ever be mended.
    if runs && rule.asks == Asks::Any {
        return Fact::Unknown("what it read at its start is not known".to_owned());
    }
    if let Some(version) = as_wanted() {
        return Fact::Known(Seen { version, runs });
    }
    match host.files.get(&unit_file(&unit)) {
        Some(Fact::Known(file)) => of_file(file, rule, runs),
        Some(Fact::Absent) => Fact::Absent,
        Some(Fact::Unknown(why)) => Fact::Unknown(why.clone()),
        None => Fact::Unknown(NOT_ASKED.to_owned()),
    }
}

/// What a unit's file would start: nothing of ours, where it names none of our programs.
fn of_file(file: &FileSeen, rule: &Rule, runs: bool) -> Fact<Seen> {
    let Some(text) = &file.text else { return Fact::Unknown("its unit's file can't be read".to_owned()) };
    let mut words = text.split(|c: char| c.is_whitespace() || c == '=').filter(|word| word.starts_with(STORE));
    let version = words.find_map(|word| kubernetes_version(word, rule.program));
    version.map_or(Fact::Absent, |version| Fact::Known(Seen { version, runs }))
}

/// Kubelets by their Nodes, where their hosts say nothing.
fn add_nodes(seen: &mut BTreeMap<At, Fact<Seen>>, api: &Fact<Api>) {
    let Fact::Known(api) = api else { return };
    for (name, node) in api.nodes.iter().filter(|(_, node)| !node.kubelet_version.is_empty()) {
        let version = kubelet_version(&node.kubelet_version);
        let fact = || match version {
            Some(version) => Fact::Known(Seen { version, runs: true }),
            None => Fact::Unknown(format!("its Node says `{}`", node.kubelet_version)),
        };
        for part in [Part::Kubelet, Part::Proxy] {
            let at = (part, name.clone());
            match seen.get(&at) {
                // A host that answers knows better; without a kubelet, its machine is another one now.
                Some(Fact::Known(_) | Fact::Absent) => {}
                Some(Fact::Unknown(_)) | None => _ = seen.insert(at, fact()),
            }
        }
    }
}

/// A kubelet's version, as its Node says it; others than ours put their own words behind it.
fn kubelet_version(text: &str) -> Option<KubeVersion> {
    let plain = text.split_once(['-', '+']).map_or(text, |(plain, _)| plain);
    plain.parse().ok()
}

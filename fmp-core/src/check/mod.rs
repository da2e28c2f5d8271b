//! Hosts compared with the profile: what a person should mend before anything is deployed.
//!
//! Pure: facts come in, findings go out, sorted, each with figures and a way out. Knows nothing of how facts are
//! gathered; [`questions`] says which to ask for. Read [`host`] and [`cluster`] first.

mod clock;
mod entrance;
mod network;
mod platform;
mod ports;
mod programs;
mod questions;
mod size;
mod storage;
mod system;
mod together;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

pub use questions::{Questions, questions};

use crate::{
    Finding, NodeName, Severity,
    observed::{Fact, HostFacts, Observed},
    os::{self, Need},
    profile::{Profile, Size},
    role::packages,
    spec::{Node, Packages, Spec, Storage},
};

/// The subject of findings about several hosts.
pub const CLUSTER: &str = "cluster";

/// One host and what it is compared with.
struct Case<'a> {
    /// The word of the check that looks at it.
    check: &'static str,
    name: &'a NodeName,
    node: &'a Node,
    profile: &'a Profile,
    size: &'a Size,
    /// What it shares with others, where it does.
    shared: Option<&'a entrance::Shared>,
    /// Where an ingress answers there, where one does.
    ingress: &'static [u16],
    /// What becomes of disks; None where none is used.
    storage: Option<&'a Storage>,
    /// What FMP installs there by itself.
    installed: &'a BTreeSet<Need>,
    facts: &'a HostFacts,
}

/// What one check finds on one host.
type Check = fn(&Case<'_>) -> Vec<Finding>;

/// Every check of one host, by the word that its findings carry.
const CHECKS: &[(&str, Check)] = &[
    ("address", system::address),
    ("architecture", system::architecture),
    ("cgroup", system::cgroup),
    ("cpu", size::cpu),
    ("disk", size::disk),
    ("entrance", entrance::entrance),
    ("hostname", system::hostname),
    ("kernel", system::kernel),
    ("memory", size::memory),
    ("module", programs::modules),
    ("port", ports::ports),
    ("program", programs::programs),
    ("root", size::root),
    ("root-free", size::root_free),
    ("storage", storage::storage),
    ("swap", system::swap),
    ("sysctl", programs::sysctls),
    ("system", system::system),
    ("systemd", system::systemd),
    ("time-service", clock::time_service),
];

/// Those of a machine that only stores images: no pod ever runs there.
const OF_IMAGES: &[&str] = &[
    "address",
    "architecture",
    "cpu",
    "disk",
    "hostname",
    "memory",
    "port",
    "program",
    "root",
    "root-free",
    "system",
    "systemd",
    "time-service",
];

/// What is wrong with the host of `node`. A node that the specification does not name has no requirements.
pub fn host(spec: &Spec, name: &NodeName, facts: &HostFacts) -> Vec<Finding> {
    let Some(node) = spec.nodes.get(name) else { return Vec::new() };
    let profile = spec.profile_of(node);
    let size = profile.size(spec.machines, node.role);
    let (shared, ingress) = (entrance::shared(spec, node.role), entrance::ingress(spec, node.role));
    let storage = spec.storage.as_ref();
    let shared = shared.as_ref();
    let installed = match spec.packages {
        Packages::None => BTreeSet::new(),
        Packages::Repository | Packages::Bundle => packages::needs(spec, node.role, !node.disks.is_empty()),
    };
    let installed = &installed;
    let case = |check| Case { check, name, node, profile, size, shared, ingress, storage, installed, facts };
    let looks = |word: &str| node.role.is_of_kubernetes() || OF_IMAGES.contains(&word);
    CHECKS.iter().filter(|(word, _)| looks(word)).flat_map(|(word, check)| check(&case(word))).collect()
}

/// What is wrong with hosts together: what must differ and what must not.
pub fn cluster(spec: &Spec, hosts: &BTreeMap<&NodeName, &HostFacts>) -> Vec<Finding> {
    [
        together::hostnames(hosts),
        together::machine_ids(hosts),
        together::links(spec, hosts),
        clock::skew(&spec.profile, hosts),
        platform::databases(spec),
    ]
    .concat()
}

/// All findings about all hosts that answered, and a warning for each that did not.
pub fn all(spec: &Spec, observed: &Observed) -> Vec<Finding> {
    let mut hosts = BTreeMap::new();
    let mut findings = Vec::new();
    for name in spec.nodes.keys() {
        match observed.hosts.get(name) {
            Some(Fact::Known(seen)) => {
                findings.extend(host(spec, name, &seen.facts));
                hosts.insert(name, &seen.facts);
            }
            Some(Fact::Unknown(why)) => findings.push(unseen(name, why)),
            // The environment will make it, or nobody asked.
            Some(Fact::Absent) | None => {}
        }
    }
    findings.extend(cluster(spec, &hosts));
    findings.extend(network::policies(spec, observed));
    findings.sort();
    findings
}

fn unseen(name: &NodeName, why: &str) -> Finding {
    let fix = format!("mend the way to {name}: [nodes.{name}.ssh] in the file, `ssh` by hand");
    finding(name, "reach", Severity::Warning, format!("the host could not be looked at: {why}"), fix)
}

fn finding(subject: impl fmt::Display, check: &str, severity: Severity, message: String, fix: String) -> Finding {
    Finding { subject: subject.to_string(), check: check.to_owned(), severity, message, fix }
}

impl Case<'_> {
    fn error(&self, message: String, fix: impl Into<String>) -> Vec<Finding> {
        vec![finding(self.name, self.check, Severity::Error, message, fix.into())]
    }

    /// Those of `programs` that nothing has brought to the host, and that FMP does not bring either.
    fn missing<'p>(&self, programs: impl Iterator<Item = &'p str>) -> impl Iterator<Item = &'p str> {
        let system = os::of_host(self.facts).map(|(system, _)| system);
        let comes = move |program: &str| {
            let packaged = self.installed.iter().filter_map(|need| system?.needs.get(need));
            packaged.into_iter().any(|packaged| packaged.programs.contains(program))
        };
        programs.filter(move |program| !self.facts.programs.contains_key(*program) && !comes(program))
    }

    /// How `program` comes to this very host.
    fn way_to(&self, program: &str) -> String {
        match os::install(self.facts, program).or_else(|| self.named_by_profile(program)) {
            Some(install) => format!("`{install}`"),
            None => format!("install the package that brings `{program}`"),
        }
    }

    /// What a person's own profile says of a program that nobody else asks for.
    fn named_by_profile(&self, program: &str) -> Option<String> {
        let system = self.profile.systems.iter().find(|system| system.id == self.facts.os_id)?;
        let package = self.profile.host.programs.get(program)?.get(&system.packages)?;
        Some(system.packages.manager().install(package))
    }

    fn warning(&self, message: String, fix: impl Into<String>) -> Vec<Finding> {
        vec![finding(self.name, self.check, Severity::Warning, message, fix.into())]
    }

    /// `profile fmp-23.12`: who asks.
    fn asks(&self) -> String {
        format!("profile {}", self.profile.name)
    }
}

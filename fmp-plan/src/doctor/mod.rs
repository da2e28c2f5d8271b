//! The doctor: what ails a cluster, as far as an observation shows it.
//!
//! Each ailment has what was seen, the likely cause, and a way out: the plan's own steps where the plan mends it, what the
//! plan waits for, or what a person can do. Pure, and knows nothing of how to plan: it reads a plan. A file a part of the
//! cluster.

mod budgets;
mod certificate;
mod disk;
mod entrance;
mod etcd;
mod host;
mod images;
mod leases;
mod names;
mod network;
mod node;
mod pods;
mod services;
#[cfg(test)]
mod tests;
mod unseen;
mod versions;
mod zombies;

use fmp_core::{
    Finding, NodeName, Severity, check,
    observed::{Observed, UnitSeen},
    spec::Spec,
};
use serde::{Deserialize, Serialize};

use crate::{Plan, Step, StepId};

/// So many of a kind are named; more are counted.
const NAMED: usize = 5;

/// What ails something, by a stable word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Its environment knows that a machine is off.
    MachineOff,
    /// A host gives no answer.
    HostSilent,
    /// A clock differs from most others'.
    Clock,
    /// A certificate is not valid, or will not be for long.
    Certificate,
    /// A unit that should run does not.
    UnitDown,
    /// A disk is nearly full.
    DiskFull,
    /// Nobody answers for etcd.
    EtcdSilent,
    /// A member of etcd does not answer.
    EtcdMember,
    /// A member of etcd raised an alarm.
    EtcdAlarm,
    /// A member of etcd is far behind its leader.
    EtcdLag,
    /// The database of a member of etcd nears its quota.
    EtcdDatabase,
    /// A disk is slow to take what etcd writes.
    EtcdFsync,
    /// Nobody answers for the API.
    ApiSilent,
    /// An apiserver is not ready.
    Apiserver,
    /// Nobody holds an entrance's address, or several machines do.
    Entrance,
    /// Nobody renews a lease that somebody should.
    Lease,
    /// A node has no way to the pods of others.
    Route,
    /// A link takes smaller packets than others, or than pods send.
    Mtu,
    /// Names in the cluster don't resolve.
    Dns,
    /// A node is not Ready.
    NodeNotReady,
    /// A kubelet is short of room, memory or process numbers.
    Pressure,
    /// Pods are kept away from a node.
    Cordoned,
    /// Something is of another minor version than what is wanted, or than others allow.
    VersionSkew,
    /// Something goes on that ended: commands of a run, a machine that left, what stands for nobody.
    Zombie,
    /// Pods have no image.
    ImagePull,
    /// Nobody serves the images that nodes pull, or some are missing there.
    ImageStorage,
    /// Pods do not stay up.
    PodFails,
    /// Pods find no node.
    PodUnbound,
    /// Pods are to end on nodes that are lost.
    PodStuck,
    /// Budgets keep pods from leaving a node.
    EvictionBlocked,
    /// Services of type `LoadBalancer` are not reached.
    LoadBalancer,
    /// Something was asked and not answered.
    Unseen,
}

impl Kind {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MachineOff => "machine-off",
            Self::HostSilent => "host-silent",
            Self::Clock => "clock",
            Self::Certificate => "certificate",
            Self::UnitDown => "unit-down",
            Self::DiskFull => "disk-full",
            Self::EtcdSilent => "etcd-silent",
            Self::EtcdMember => "etcd-member",
            Self::EtcdAlarm => "etcd-alarm",
            Self::EtcdLag => "etcd-lag",
            Self::EtcdDatabase => "etcd-database",
            Self::EtcdFsync => "etcd-fsync",
            Self::ApiSilent => "api-silent",
            Self::Apiserver => "apiserver",
            Self::Entrance => "entrance",
            Self::Lease => "lease",
            Self::Route => "route",
            Self::Mtu => "mtu",
            Self::Dns => "dns",
            Self::NodeNotReady => "node-not-ready",
            Self::Pressure => "pressure",
            Self::Cordoned => "cordoned",
            Self::VersionSkew => "version-skew",
            Self::Zombie => "zombie",
            Self::ImagePull => "image-pull",
            Self::ImageStorage => "image-storage",
            Self::PodFails => "pod-fails",
            Self::PodUnbound => "pod-unbound",
            Self::PodStuck => "pod-stuck",
            Self::EvictionBlocked => "eviction-blocked",
            Self::LoadBalancer => "load-balancer",
            Self::Unseen => "unseen",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ailment {
    /// Where: a node's name, or `cluster`.
    pub subject: String,
    /// What it is.
    pub kind: Kind,
    /// How much it matters.
    pub severity: Severity,
    /// What is wrong, as one line.
    pub what: String,
    /// What was seen, a fact a line.
    pub evidence: Vec<String>,
    /// The likely cause.
    pub cause: String,
    /// The way out.
    pub fix: Fix,
}

/// A way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fix {
    /// `fmp apply` does it, by these steps of the plan and what they come after.
    Apply(Vec<StepId>),
    /// The plan has it, and waits for this.
    Waits(String),
    /// A person does it.
    Hand(String),
}

/// What ails the cluster, what matters most first.
pub fn diagnose(spec: &Spec, observed: &Observed, plan: &Plan) -> Vec<Ailment> {
    let patient = Patient { spec, observed, plan, findings: check::all(spec, observed) };
    let mut ailments = etcd::ailments(&patient);
    ailments.extend(node::api(&patient));
    ailments.extend(entrance::ailments(&patient));
    ailments.extend(pods::ailments(&patient));
    ailments.extend(images::ailments(&patient));
    ailments.extend(budgets::ailments(&patient));
    ailments.extend(services::ailments(&patient));
    ailments.extend(leases::controllers(&patient));
    ailments.extend(names::ailments(&patient));
    ailments.extend(network::mtus(&patient));
    ailments.extend(versions::broken(&patient));
    ailments.extend(zombies::ailments(&patient));
    ailments.extend(unseen::of_cluster(&patient));
    for name in spec.nodes.keys() {
        let mut own = host::ailments(&patient, name);
        own.extend(certificate::ailments(&patient, name));
        own.extend(network::routes(&patient, name));
        own.extend(unseen::of_host(&patient, name));
        own.extend(node::ailments(&patient, name, &own));
        ailments.extend(own);
    }
    ailments.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| place(a).cmp(&place(b))));
    ailments
}

fn place(ailment: &Ailment) -> (bool, &str, Kind, &str) {
    (ailment.subject != check::CLUSTER, &ailment.subject, ailment.kind, &ailment.what)
}

/// What is looked at.
struct Patient<'a> {
    spec: &'a Spec,
    observed: &'a Observed,
    plan: &'a Plan,
    /// What the profile finds.
    findings: Vec<Finding>,
}

impl Patient<'_> {
    /// The plan's steps that mend something, or what the plan waits for with it; else what a person can do.
    fn fix(&self, mends: impl Fn(&Step) -> bool, waits: impl Fn(&str) -> bool, hand: impl FnOnce() -> String) -> Fix {
        let steps: Vec<StepId> =
            self.plan.steps.iter().filter(|step| mends(step)).map(|step| step.id.clone()).collect();
        let waiting = self.plan.waiting.iter().find(|waiting| waits(&waiting.what));
        match (steps.is_empty(), waiting) {
            (false, _) => Fix::Apply(steps),
            (true, Some(waiting)) => Fix::Waits(waiting.until.clone()),
            (true, None) => Fix::Hand(hand()),
        }
    }

    /// How a unit is mended.
    fn fix_unit(&self, node: &NodeName, unit: &str) -> Fix {
        let own = format!("{node}/unit/{unit}");
        let waits = |what: &str| what == own || what == node.as_str();
        let mends = |step: &Step| starts(step, Some(node), unit);
        self.fix(mends, waits, || format!("`journalctl -u {unit}` on {node}, then `systemctl restart {unit}` there"))
    }

    fn unit(&self, node: &NodeName, unit: &str) -> Option<&UnitSeen> {
        self.observed.host(node)?.units.get(unit)?.known()
    }
}

/// Whether a step starts a unit, on `node` or, without one, anywhere.
fn starts(step: &Step, node: Option<&NodeName>, unit: &str) -> bool {
    step.action.starts() == Some(unit) && node.is_none_or(|node| step.node() == Some(node))
}

/// The first few of these in words, and how many more there are.
fn first<T>(all: &[T], told: impl Fn(&T) -> String) -> Vec<String> {
    let more = all.len().saturating_sub(NAMED);
    let named = all.iter().take(NAMED).map(told);
    named.chain((more > 0).then(|| format!("and {more} more"))).collect()
}

/// A unit as systemd tells it.
fn told(seen: &UnitSeen) -> String {
    format!("{} ({}), {}", seen.active, seen.sub, seen.enabled)
}

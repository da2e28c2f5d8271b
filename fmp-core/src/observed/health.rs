//! What only `fmp doctor` asks for: how a host and the cluster feel. All of it is volatile, and in no plan's basis.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use serde::{Deserialize, Serialize};

use super::Fact;
use crate::net::Cidr;

/// How a host is, beyond what a plan rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostHealth {
    /// The file systems of the directories that were asked for, by directory; those on the root file system, and those that
    /// are not there, are missing here.
    pub file_systems: BTreeMap<String, FileSystem>,
    /// The network's links that are up, by name.
    pub links: BTreeMap<String, Link>,
    /// The routes of the main table, IPv4.
    pub routes: BTreeSet<Route>,
    /// How long etcd's writes to its log took since it started. Absent: nobody asked, as on a work node.
    pub etcd_fsync: Fact<Latencies>,
    /// What the cluster's DNS told this host about a name. Absent: nobody asked.
    pub name: Fact<NameAnswer>,
    /// Whether somebody took a connection at entrances of somebody else, by `HOST:PORT`. Absent: nobody asked.
    pub entrances: Fact<BTreeMap<String, bool>>,
}

/// Room in a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSystem {
    /// Its size in bytes.
    pub bytes: u64,
    /// What is free of it for programs, in bytes.
    pub free_bytes: u64,
    /// How many files it can hold; 0 where that has no limit.
    pub inodes: u64,
    /// How many more it can hold.
    pub free_inodes: u64,
}

/// A network link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The largest packet that goes over it, in bytes.
    pub mtu: u32,
    /// Its addresses.
    pub addresses: BTreeSet<Ipv4Addr>,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Where it leads.
    pub to: Cidr,
    /// By way of whom. None: whoever is there is on the link itself.
    pub via: Option<Ipv4Addr>,
    /// Over which link.
    pub link: String,
}

/// How long something took, as a histogram.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latencies {
    /// How many times it took at most so many microseconds: each bound counts what those before it count.
    pub at_most_us: BTreeMap<u64, u64>,
    /// How many times it was done.
    pub total: u64,
}

impl Latencies {
    /// The time in microseconds within which it was done `percent` times out of a hundred, estimated within its bucket as
    /// [Prometheus does](https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile). Beyond the
    /// last bound it is that bound. None: it was never done.
    pub fn within_us(&self, percent: u8) -> Option<u64> {
        let rank = u128::from(self.total) * u128::from(percent);
        let (mut from_us, mut before) = (0, 0);
        for (bound_us, count) in &self.at_most_us {
            if u128::from(*count) * 100 >= rank && *count > before {
                let (inside, all) = (rank.saturating_sub(u128::from(before) * 100), u128::from(count - before) * 100);
                let part = u128::from(bound_us - from_us) * inside / all;
                return Some(from_us + u64::try_from(part).unwrap_or(u64::MAX));
            }
            (from_us, before) = (*bound_us, *count);
        }
        (self.total > 0).then_some(from_us)
    }
}

/// What was answered to a question for a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NameAnswer {
    /// The address that the name has.
    Right,
    /// Something else: another address, or a refusal (`SERVFAIL`, `NXDOMAIN`).
    Wrong(String),
    /// Nothing, in several seconds.
    Silence,
}

/// How the cluster is, beyond what a plan rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiHealth {
    /// Leases of nodes, of the controller-manager and of the scheduler.
    pub leases: Fact<Vec<LeaseSeen>>,
    /// Disruption budgets that let no pod go now.
    pub budgets: Fact<TightBudgets>,
    /// The pods behind the cluster's DNS, ready or not.
    pub dns: Fact<Vec<EndpointSeen>>,
    /// Services of type `LoadBalancer` that name no class: those that whoever gives addresses is to serve.
    pub load_balancers: Fact<Vec<LoadBalancerSeen>>,
}

/// A lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseSeen {
    /// Its namespace: [`Self::OF_NODES`] or `kube-system`.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Who holds it, or did.
    pub holder: String,
    /// How long ago it was renewed, by the clock of the main that was asked, in seconds.
    pub age_s: i64,
    /// How long it lasts, in seconds.
    pub lasts_s: i64,
}

impl LeaseSeen {
    /// The namespace in which kubelets renew theirs.
    pub const OF_NODES: &str = "kube-node-lease";

    /// Controllers whose leases are asked for, in `kube-system`: without them the cluster stands still.
    pub const CONTROLLERS: [&str; 2] = ["kube-controller-manager", "kube-scheduler"];
}

/// A disruption budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetSeen {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How many pods it protects.
    pub pods: u32,
    /// How many of them are healthy.
    pub healthy: u32,
    /// How many must be.
    pub needed: u32,
}

impl BudgetSeen {
    /// Whether it lets no pod go although all are healthy: then it never will.
    const fn is_never_loose(&self) -> bool {
        self.healthy >= self.pods
    }
}

/// Disruption budgets that let no pod go, by why that is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TightBudgets {
    /// Those that never let one go.
    pub never: BudgetsSeen,
    /// Those that would, if more of their pods were healthy.
    pub now: BudgetsSeen,
}

/// Budgets of one sort: all are counted, few are told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetsSeen {
    /// How many there are.
    pub count: usize,
    /// The first five.
    pub first: Vec<BudgetSeen>,
}

impl BudgetsSeen {
    /// How many are told: enough to find out whose they are.
    const MOST: usize = 5;

    fn add(&mut self, budget: BudgetSeen) {
        self.count += 1;
        if self.first.len() < Self::MOST {
            self.first.push(budget);
        }
    }
}

impl FromIterator<BudgetSeen> for TightBudgets {
    fn from_iter<I: IntoIterator<Item = BudgetSeen>>(budgets: I) -> Self {
        let mut tight = Self::default();
        for budget in budgets {
            let sort = if budget.is_never_loose() { &mut tight.never } else { &mut tight.now };
            sort.add(budget);
        }
        tight
    }
}

/// A Service of type `LoadBalancer`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadBalancerSeen {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether only a node with a pod of its own answers for it: `externalTrafficPolicy: Local`.
    pub is_local: bool,
    /// The addresses at which it is reached, as its status says.
    pub addresses: BTreeSet<Ipv4Addr>,
}

/// A pod behind a Service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointSeen {
    /// The pod's name.
    pub pod: String,
    /// Where it runs.
    pub node: Option<String>,
    /// Whether it is ready.
    pub ready: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(buckets: &[(u64, u64)], total: u64, percent: u8) -> Option<u64> {
        Latencies { at_most_us: buckets.iter().copied().collect(), total }.within_us(percent)
    }

    #[test]
    fn a_percentile_lies_within_its_bucket() {
        let buckets = [(1_000, 50), (2_000, 90), (4_000, 100), (8_000, 100)];
        assert_eq!(within(&buckets, 100, 50), Some(1_000));
        assert_eq!(within(&buckets, 100, 70), Some(1_500));
        assert_eq!(within(&buckets, 100, 99), Some(3_800));
        assert_eq!(within(&buckets, 100, 100), Some(4_000));
    }

    #[test]
    fn what_lies_beyond_the_last_bound_is_that_bound_at_least() {
        assert_eq!(within(&[(1_000, 1), (2_000, 2)], 100, 99), Some(2_000));
        assert_eq!(within(&[(1_000, 0), (2_000, 0)], 0, 99), None);
        assert_eq!(within(&[], 0, 99), None);
    }
}

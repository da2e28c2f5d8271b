//! Verdicts: what was decided, by which rule, from which facts.
//!
//! A [`Ground`] is what one rule counted, as small data, and decides by that alone: who has it can decide again, and no
//! verdict says more than its facts. Words are made here and nowhere else.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use fmp_core::{NodeName, observed::Fact};
use serde::{Deserialize, Serialize};

/// Whether a set of disruptions is safe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything that holds now holds meanwhile, and this shows it. Empty: nothing is there that could be lost.
    Safe(Vec<Ground>),
    /// A person agreed to what would be lost.
    Consented {
        /// The consents that were used, as cluster.toml has them: `outage main-1`.
        consents: BTreeSet<String>,
        /// What was counted.
        grounds: Vec<Ground>,
    },
    /// It would break what holds, or can't be judged.
    Unsafe(Refusal),
}

impl Verdict {
    /// Whether the step may begin.
    pub const fn permits(&self) -> bool {
        match self {
            Self::Safe(_) | Self::Consented { .. } => true,
            Self::Unsafe(_) => false,
        }
    }
}

/// Why something may not be taken away now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// What was counted.
    pub ground: Ground,
    /// The consent that would let it through; of what nobody can agree to, none.
    pub consent: Option<String>,
}

/// What one rule counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "rule", deny_unknown_fields)]
pub enum Ground {
    /// A cluster that has a quorum keeps it.
    Quorum {
        /// Every voter, by its node; by peer URL where no node has that address.
        voters: BTreeMap<String, Health>,
        /// Those that are taken away.
        taken: BTreeSet<String>,
    },
    /// Another apiserver answers meanwhile.
    Apiservers {
        /// Every main's.
        apiservers: BTreeMap<String, Health>,
        /// Those that are taken away.
        taken: BTreeSet<String>,
    },
    /// No more nodes are away at once than may be.
    Nodes {
        /// Nodes that are taken away.
        taken: usize,
        /// Those of them that are Ready.
        ready: usize,
        /// Other nodes that are not Ready.
        away: usize,
        /// The first of these.
        first: Option<NodeName>,
        /// How many may be away at once.
        most: usize,
    },
    /// One change of membership at a time, while the others have a quorum.
    Membership {
        /// Nodes whose member is changed.
        changing: BTreeSet<NodeName>,
        /// Every voter, as above.
        voters: BTreeMap<String, Health>,
        /// A learner of somebody else, by peer URL.
        learner: Option<String>,
    },
    /// What would have to be counted can't be seen.
    Unseen {
        /// What.
        what: Unseen,
        /// Why not.
        why: String,
    },
}

/// What is known of one voter or apiserver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// It answers.
    Healthy,
    /// It is known not to.
    Unhealthy,
    /// It could not be asked. It may be the one that others rest on, and nothing rests on it.
    Unknown,
}

/// What can't be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unseen {
    /// etcd's members.
    Members,
    /// Which apiservers answer.
    Apiservers,
    /// Which nodes are Ready.
    Nodes,
}

impl Health {
    /// What an answer says.
    pub const fn of(answer: &Fact<bool>) -> Self {
        match answer {
            Fact::Known(true) => Self::Healthy,
            Fact::Known(false) => Self::Unhealthy,
            Fact::Absent | Fact::Unknown(_) => Self::Unknown,
        }
    }
}

/// Voters that must answer for a write: more than half.
pub(super) const fn quorum(voters: usize) -> usize {
    voters / 2 + 1
}

impl Ground {
    /// Whether what was counted is enough.
    ///
    /// What is known to be down already may always be started again: that is its cure. What can't be seen may be what the
    /// others rest on, so it is no more to be spared than what is healthy, and counts as little as what is down among
    /// those that stay.
    pub fn holds(&self) -> bool {
        match self {
            Self::Quorum { voters, taken } => {
                all_down(voters, taken) || healthy_without(voters, |name| taken.contains(name)) >= quorum(voters.len())
            }
            Self::Apiservers { apiservers, taken } => {
                all_down(apiservers, taken) || healthy_without(apiservers, |name| taken.contains(name)) > 0
            }
            Self::Nodes { taken, ready, away, most, .. } => *ready == 0 || away + taken <= *most,
            Self::Membership { changing, voters, learner } => {
                let changes = |name: &str| changing.iter().any(|node| node.as_str() == name);
                changing.len() <= 1 && learner.is_none() && healthy_without(voters, changes) >= quorum(voters.len())
            }
            Self::Unseen { .. } => false,
        }
    }
}

fn all_down(all: &BTreeMap<String, Health>, taken: &BTreeSet<String>) -> bool {
    taken.iter().filter_map(|name| all.get(name)).all(|health| *health == Health::Unhealthy)
}

fn healthy_without(all: &BTreeMap<String, Health>, without: impl Fn(&str) -> bool) -> usize {
    all.iter().filter(|(name, health)| **health == Health::Healthy && !without(name)).count()
}

/// What is to be waited for, where it does not hold.
impl fmt::Display for Ground {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quorum { voters, taken } => {
                let (quorum, total) = (quorum(voters.len()), voters.len());
                let stay = healthy_without(voters, |name| taken.contains(name));
                write!(f, "{quorum} of etcd's {total} voters stay healthy meanwhile, now {stay} would")
            }
            Self::Apiservers { .. } => f.write_str("another apiserver answers meanwhile"),
            Self::Nodes { taken, away, first, most, .. } => {
                let nodes = if *most == 1 { "node is" } else { "nodes are" };
                write!(f, "at most {most} {nodes} away at once; ")?;
                match (first, away) {
                    (None, _) => write!(f, "{taken} would be"),
                    (Some(only), 0 | 1) => write!(f, "{only} is not Ready"),
                    (Some(first), more) => write!(f, "{first} and {} more are not Ready", more - 1),
                }
            }
            Self::Membership { changing, .. } if changing.len() > 1 => {
                f.write_str("one change of etcd's members is over before the next one begins")
            }
            Self::Membership { learner: Some(learner), .. } => {
                write!(f, "etcd's learner {learner} has its vote or is removed")
            }
            Self::Membership { changing, voters, learner: None } => {
                let changes = |name: &str| changing.iter().any(|node| node.as_str() == name);
                let (quorum, total, healthy) = (quorum(voters.len()), voters.len(), healthy_without(voters, changes));
                write!(f, "{quorum} of etcd's {total} voters are healthy without ")?;
                for (at, node) in changing.iter().enumerate() {
                    write!(f, "{}{node}", if at == 0 { "" } else { ", " })?;
                }
                write!(f, "; now {healthy}")
            }
            Self::Unseen { what, why } => {
                let what = match what {
                    Unseen::Members => "etcd's members are seen",
                    Unseen::Apiservers => "an apiserver answers",
                    Unseen::Nodes => "the API says which nodes are Ready",
                };
                write!(f, "{what}: {why}")
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.ground)?;
        match &self.consent {
            Some(consent) => write!(f, ", or cluster.toml says `consent = [\"{consent}\"]`"),
            None => Ok(()),
        }
    }
}

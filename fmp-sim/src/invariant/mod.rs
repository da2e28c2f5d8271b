//! Invariants: what no step may break, judged from the world itself.
//!
//! Whoever judges here sees everything, also what no observation sees, and nothing of a plan but the step that just took
//! effect. What a fault takes away is nobody's fault; a step that takes away what a fault left standing is wrong, unless
//! the fault came after the observation that the step was judged by.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use fmp_core::{NodeName, resource::Holding, spec::Spec};
use fmp_plan::{Step, StepId};

use crate::world::{Deed, Standing};

/// Something that must never be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// A step took etcd's quorum.
    QuorumTaken(StepId),
    /// A step took the last apiserver that answered.
    ApiTaken(StepId),
    /// A step took a node, and more were away than may be.
    NodesTaken {
        /// Which step.
        step: StepId,
        /// How many were away then.
        away: usize,
    },
    /// A controller had two changes of etcd's membership under way.
    TwoMemberships(StepId),
    /// A learner got its vote before it had caught up.
    PromotedTooEarly(String),
    /// Something that is made once in a cluster's life was made again.
    MadeAgain(Holding, NodeName),
    /// A run changed something on a machine that had heard of a newer one.
    OldEpoch {
        /// Where.
        node: NodeName,
        /// The run's epoch.
        epoch: u64,
        /// The newest that the machine had heard of.
        newest: u64,
    },
    /// A run began a step that changed something after another run had got the lease, wherever that was heard of.
    Overtaken {
        /// Which step.
        step: StepId,
        /// The run's epoch.
        epoch: u64,
        /// The epoch of the newest run that got the lease.
        newest: u64,
    },
    /// Something was changed on somebody else's machine.
    StrangerTouched(NodeName),
    /// A member voted, lost its data, and voted again under its old id.
    VotedTwice(String),
    /// A member was taken out of etcd that still had its data, and would have voted again.
    RemovedAlive(String),
    /// A step left a set of pods with fewer than its budget demands.
    BudgetTaken(StepId),
    /// A Node was deleted whose machine still ran pods.
    DeletedBeneathPods(NodeName),
    /// A step started a program beside another one of a version that it must not meet.
    SkewBroken {
        /// Which step.
        step: StepId,
        /// What runs beside what.
        what: String,
    },
    /// A kubelet got another minor version beneath pods.
    UpgradedBeneathPods(NodeName),
    /// A step was done, nothing went wrong, and the next plan has it again.
    DoneAndPlannedAgain {
        /// Which.
        step: StepId,
        /// Why it was planned.
        reason: String,
    },
    /// Nothing was said to be left to do, and a process had read something else than what lies there.
    RunsOnAnother {
        /// Where.
        node: NodeName,
        /// Whose process.
        unit: String,
        /// What it read.
        path: String,
    },
    /// There was no plan, or one that can't be carried out.
    NoPlan {
        /// Why.
        why: String,
    },
    /// All faults had ended, a quorum of the data was there, and it did not converge.
    NotConverged(String),
    /// A quorum of the data was lost, and the plan says neither that a backup helps nor what would.
    NotTold(String),
}

impl Violation {
    /// Its kind, for counting.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::QuorumTaken(_) => "quorum-taken",
            Self::ApiTaken(_) => "api-taken",
            Self::NodesTaken { .. } => "nodes-taken",
            Self::TwoMemberships(_) => "two-memberships",
            Self::PromotedTooEarly(_) => "promoted-too-early",
            Self::MadeAgain(..) => "made-again",
            Self::OldEpoch { .. } => "old-epoch",
            Self::Overtaken { .. } => "overtaken",
            Self::StrangerTouched(_) => "stranger-touched",
            Self::VotedTwice(_) => "voted-twice",
            Self::RemovedAlive(_) => "removed-alive",
            Self::BudgetTaken(_) => "budget-taken",
            Self::DeletedBeneathPods(_) => "deleted-beneath-pods",
            Self::SkewBroken { .. } => "skew-broken",
            Self::UpgradedBeneathPods(_) => "upgraded-beneath-pods",
            Self::DoneAndPlannedAgain { .. } => "done-and-planned-again",
            Self::RunsOnAnother { .. } => "runs-on-another",
            Self::NoPlan { .. } => "no-plan",
            Self::NotConverged(_) => "not-converged",
            Self::NotTold(_) => "not-told",
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self:?}", self.kind())
    }
}

/// A step that just took effect.
#[derive(Debug)]
pub(crate) struct Landed<'a> {
    pub(crate) step: &'a Step,
    /// What the cluster offered when the step was judged, where it was. What came up since then nobody could know of; what
    /// nobody looked at may take nothing that is there.
    pub(crate) seen: Option<Standing>,
    pub(crate) before: Standing,
    pub(crate) after: Standing,
    /// Whether a fault came after the observation that it was judged by.
    pub(crate) excused: bool,
    /// What a person agreed to.
    pub(crate) spec: &'a Spec,
}

/// What has been seen so far.
#[derive(Debug)]
pub(crate) struct Invariants {
    /// Nodes that may be away at once.
    most_away: usize,
    /// The newest epoch that each machine has heard of.
    newest: BTreeMap<u64, u64>,
    /// The newest epoch of a run that got the lease.
    granted: u64,
    /// With which data each member voted.
    voted: BTreeMap<String, u64>,
    pub(crate) violations: Vec<Violation>,
}

impl Invariants {
    pub(crate) fn new(spec: &Spec) -> Self {
        let mut new =
            Self { most_away: 1, newest: BTreeMap::new(), granted: 0, voted: BTreeMap::new(), violations: Vec::new() };
        new.follow(spec);
        new
    }

    /// Another file is wanted from now on. At most one node is away at once, or a tenth of the work nodes.
    pub(crate) fn follow(&mut self, spec: &Spec) {
        self.most_away = (spec.workers().count() / 10).max(1);
    }

    pub(crate) fn add(&mut self, violation: Violation) {
        if !self.violations.contains(&violation) {
            self.violations.push(violation);
        }
    }

    /// A step took effect.
    pub(crate) fn landed(&mut self, landed: &Landed<'_>) {
        let Landed { step, seen, before, after, excused, spec } = landed;
        let seen = seen.as_ref().unwrap_or(before);
        // A consent is about one node: for no other one may anything be taken.
        let agreed = |to: &str| step.node().is_some_and(|node| spec.consents.contains(&format!("{to} {node}")));
        if *excused || agreed("outage") {
            return;
        }
        if seen.quorum && before.quorum && !after.quorum {
            self.add(Violation::QuorumTaken(step.id.clone()));
        } else if seen.api && before.api && !after.api {
            self.add(Violation::ApiTaken(step.id.clone()));
        }
        if after.short > before.short.max(seen.short) && !agreed("evict") {
            self.add(Violation::BudgetTaken(step.id.clone()));
        }
        let away = after.away.saturating_sub(seen.hidden);
        if after.up < before.up.min(seen.up) && away > self.most_away {
            self.add(Violation::NodesTaken { step: step.id.clone(), away: after.away });
        }
    }

    /// A run got the lease.
    pub(crate) fn granted(&mut self, epoch: u64) {
        self.granted = self.granted.max(epoch);
    }

    /// The newest run that got the lease, where that is another one than the run of `epoch`.
    pub(crate) fn overtook(&self, epoch: u64) -> Option<u64> {
        (epoch < self.granted).then_some(self.granted)
    }

    /// A step started something, and these pairs of versions meet since then. No consent is about that.
    pub(crate) fn met(&mut self, step: &StepId, pairs: impl IntoIterator<Item = String>) {
        for what in pairs {
            self.add(Violation::SkewBroken { step: step.clone(), what });
        }
    }

    pub(crate) fn two_changes_of_membership(&mut self, step: &Step) {
        self.add(Violation::TwoMemberships(step.id.clone()));
    }

    /// What was done in the world.
    pub(crate) fn hear(&mut self, deeds: Vec<Deed>) {
        for deed in deeds {
            self.judge(deed);
        }
    }

    fn judge(&mut self, deed: Deed) {
        match deed {
            Deed::Heard { machine, epoch } => {
                let newest = self.newest.entry(machine).or_default();
                *newest = epoch.max(*newest);
            }
            Deed::Wrote { strange: true, node, .. } => self.add(Violation::StrangerTouched(node)),
            Deed::Wrote { node, machine, epoch, .. } => {
                let newest = self.newest.get(&machine).copied().unwrap_or_default();
                if epoch < newest {
                    self.add(Violation::OldEpoch { node, epoch, newest });
                }
            }
            Deed::Voted { member, life } => {
                let first = *self.voted.entry(member.clone()).or_insert(life);
                if first != life {
                    self.add(Violation::VotedTwice(member));
                }
            }
            Deed::Made { again: true, what, node } => self.add(Violation::MadeAgain(what, node)),
            Deed::Removed { may_vote: true, member } => self.add(Violation::RemovedAlive(member)),
            Deed::Promoted { in_sync: false, member } => self.add(Violation::PromotedTooEarly(member)),
            Deed::Deleted { beneath_pods: true, node } => self.add(Violation::DeletedBeneathPods(node)),
            Deed::Upgraded { drained: false, node } => self.add(Violation::UpgradedBeneathPods(node)),
            Deed::Made { again: false, .. }
            | Deed::Deleted { beneath_pods: false, .. }
            | Deed::Upgraded { drained: true, .. }
            | Deed::Removed { may_vote: false, .. }
            | Deed::Promoted { in_sync: true, .. } => {}
        }
    }
}

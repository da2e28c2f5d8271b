//! The oracle's own cluster: members of etcd, apiservers, kubelets, and what may be done to them.
//!
//! Small enough to try every order of all actions. Its rules are those of the design's page on safety, written down once
//! more: it knows nothing of the planner, of facts or of steps.

use std::collections::{BTreeMap, BTreeSet};

/// A main's member of etcd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Member {
    Healthy,
    /// It runs with older inputs.
    Outdated,
    /// It has its data.
    Stopped,
    /// Its data is gone.
    Wiped,
    /// It was taken out, and its data is gone.
    Removed,
    /// It was added as a learner and never started.
    Announced,
    /// It runs without a vote.
    Learner,
}

/// An apiserver or a kubelet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Service {
    Healthy,
    Outdated,
    Stopped,
}

/// A cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct State {
    pub(super) members: Vec<Member>,
    pub(super) apiservers: Vec<Service>,
    /// Those of mains first.
    pub(super) kubelets: Vec<Service>,
    /// Whether a person agreed to an outage of each node.
    pub(super) agreed: bool,
}

/// What can be done, to the main or the kubelet of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    StartMember(usize),
    RestartMember(usize),
    Remove(usize),
    Add(usize),
    StartLearner(usize),
    Promote(usize),
    StartApiserver(usize),
    RestartApiserver(usize),
    StartKubelet(usize),
    RestartKubelet(usize),
}

impl State {
    pub(super) fn is_wanted(&self) -> bool {
        let healthy = |service: &Service| *service == Service::Healthy;
        self.members.iter().all(|member| *member == Member::Healthy)
            && self.apiservers.iter().chain(&self.kubelets).all(healthy)
    }

    /// Whether something is stopped that has all it needs to be started: that is always safe.
    pub(super) fn something_is_down(&self) -> bool {
        let would_serve = |main: usize| matches!(self.members[main], Member::Healthy | Member::Outdated);
        let apiserver =
            |main: usize| self.apiservers[main] == Service::Stopped && would_serve(main) && self.has_quorum();
        self.members.contains(&Member::Stopped)
            || (0..self.members.len()).any(apiserver)
            || (self.any_serves() && self.kubelets.contains(&Service::Stopped))
    }

    fn votes(&self) -> usize {
        let votes = [Member::Healthy, Member::Outdated, Member::Stopped, Member::Wiped];
        self.members.iter().filter(|member| votes.contains(member)).count()
    }

    fn answering(&self) -> usize {
        self.members.iter().filter(|member| matches!(member, Member::Healthy | Member::Outdated)).count()
    }

    pub(super) fn has_quorum(&self) -> bool {
        self.answering() * 2 > self.votes()
    }

    /// Whether a main's apiserver is ready: it asks its own member alone.
    pub(super) fn serves(&self, main: usize) -> bool {
        self.has_quorum()
            && self.apiservers[main] != Service::Stopped
            && matches!(self.members[main], Member::Healthy | Member::Outdated)
    }

    pub(super) fn any_serves(&self) -> bool {
        (0..self.members.len()).any(|main| self.serves(main))
    }

    fn another_serves(&self, main: usize) -> bool {
        (0..self.members.len()).any(|other| other != main && self.serves(other))
    }

    fn changes_membership(&self) -> bool {
        let under_way = [Member::Removed, Member::Announced, Member::Learner];
        self.members.iter().any(|member| under_way.contains(member))
    }

    /// What follows from an action; `None` where it can't be done or is not safe.
    pub(super) fn after(&self, act: Act) -> Option<Self> {
        let mut next = self.clone();
        let allowed = match act {
            Act::StartMember(at) => turn(&mut next.members[at], Member::Stopped, Member::Healthy),
            Act::RestartMember(at) => {
                let spared = || {
                    let stay = self.answering() - 1;
                    stay * 2 > self.votes() && (!self.serves(at) || self.another_serves(at))
                };
                turn(&mut next.members[at], Member::Outdated, Member::Healthy) && (self.agreed || spared())
            }
            Act::Remove(at) => {
                let alone = !self.changes_membership();
                turn(&mut next.members[at], Member::Wiped, Member::Removed) && alone && self.has_quorum()
            }
            Act::Add(at) => turn(&mut next.members[at], Member::Removed, Member::Announced) && self.has_quorum(),
            Act::StartLearner(at) => {
                turn(&mut next.members[at], Member::Announced, Member::Learner) && self.has_quorum()
            }
            Act::Promote(at) => turn(&mut next.members[at], Member::Learner, Member::Healthy) && self.has_quorum(),
            Act::StartApiserver(at) => turn(&mut next.apiservers[at], Service::Stopped, Service::Healthy),
            Act::RestartApiserver(at) => {
                let spared = !self.serves(at) || self.another_serves(at);
                turn(&mut next.apiservers[at], Service::Outdated, Service::Healthy) && (spared || self.agreed)
            }
            Act::StartKubelet(at) => turn(&mut next.kubelets[at], Service::Stopped, Service::Healthy),
            Act::RestartKubelet(at) => {
                // One node may be away, and who is away is known only while the API answers.
                let spared = self.any_serves() && !self.kubelets.contains(&Service::Stopped);
                turn(&mut next.kubelets[at], Service::Outdated, Service::Healthy) && (spared || self.agreed)
            }
        };
        allowed.then_some(next)
    }

    fn acts(&self) -> impl Iterator<Item = Act> + use<> {
        let of_main = |at| {
            [
                Act::StartMember(at),
                Act::RestartMember(at),
                Act::Remove(at),
                Act::Add(at),
                Act::StartLearner(at),
                Act::Promote(at),
                Act::StartApiserver(at),
                Act::RestartApiserver(at),
            ]
        };
        let of_kubelet = |at| [Act::StartKubelet(at), Act::RestartKubelet(at)];
        (0..self.members.len()).flat_map(of_main).chain((0..self.kubelets.len()).flat_map(of_kubelet))
    }
}

fn turn<T: PartialEq + Copy>(what: &mut T, from: T, to: T) -> bool {
    let is_so = *what == from;
    *what = to;
    is_so
}

/// Every state from which some order of safe actions leads to what is wanted: breadth first, backwards, over all that can
/// be reached.
pub(super) fn hopeful(starts: &[State]) -> BTreeSet<State> {
    let mut before: BTreeMap<State, Vec<State>> = BTreeMap::new();
    let mut next: Vec<State> = starts.to_vec();
    let mut seen: BTreeSet<State> = starts.iter().cloned().collect();
    while let Some(state) = next.pop() {
        for after in state.acts().filter_map(|act| state.after(act)) {
            before.entry(after.clone()).or_default().push(state.clone());
            if seen.insert(after.clone()) {
                next.push(after);
            }
        }
    }
    let mut hopeful: BTreeSet<State> = seen.into_iter().filter(State::is_wanted).collect();
    let mut next: Vec<State> = hopeful.iter().cloned().collect();
    while let Some(state) = next.pop() {
        for earlier in before.get(&state).into_iter().flatten() {
            if hopeful.insert(earlier.clone()) {
                next.push(earlier.clone());
            }
        }
    }
    hopeful
}

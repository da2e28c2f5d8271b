//! Quorum: which voters may be spared now.
//!
//! Owns the arithmetic of voters. Knows nothing of hosts and steps.

use std::collections::BTreeMap;

use fmp_core::{
    NodeName,
    observed::{Etcd, Fact},
    spec::{Node, Spec},
};

/// How the member of a main is known, before and after it has a name.
pub(crate) fn peer_url(main: &Node) -> String {
    format!("https://{}:2380", main.address)
}

/// The main whose member is known by `url`.
pub(crate) fn owner<'a>(spec: &'a Spec, url: &str) -> Option<&'a NodeName> {
    spec.mains().find(|(_, main)| peer_url(main) == url).map(|(name, _)| name)
}

/// The voters of one etcd cluster and which of them answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voters {
    /// How each is, by the node that it runs on; by peer URL where no node has that address.
    health: BTreeMap<String, Health>,
}

/// What is known of one voter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Healthy,
    Unhealthy,
    Unknown,
}

impl Voters {
    /// The voters that etcd itself names. A learner has no vote.
    pub fn new(spec: &Spec, etcd: &Etcd) -> Self {
        let owner = |url: &str| owner(spec, url).map_or_else(|| url.to_owned(), ToString::to_string);
        let health = |healthy: &Fact<bool>| match healthy {
            Fact::Known(true) => Health::Healthy,
            Fact::Known(false) => Health::Unhealthy,
            Fact::Absent | Fact::Unknown(_) => Health::Unknown,
        };
        let voters = etcd.members.iter().filter(|(_, member)| !member.learner);
        Self { health: voters.map(|(url, member)| (owner(url), health(&member.healthy))).collect() }
    }

    /// Voters that must answer for a write: more than half.
    pub fn quorum(&self) -> usize {
        self.health.len() / 2 + 1
    }

    /// Why the voters on the nodes that are `down` can't be spared, or `None` where they can.
    ///
    /// What is known to be unhealthy already may always be started again: that is its cure. A voter that can't be seen
    /// may be the one that holds the quorum, so it is no more to be spared than a healthy one, and counts as little as
    /// an unhealthy one among those that stay.
    pub fn blocked(&self, down: impl Fn(&NodeName) -> bool) -> Option<String> {
        let is_down = |name: &String| name.parse::<NodeName>().is_ok_and(|node| down(&node));
        let (taken, staying): (Vec<_>, Vec<_>) = self.health.iter().partition(|(name, _)| is_down(name));
        let stay = staying.iter().filter(|(_, health)| **health == Health::Healthy).count();
        let harmless = taken.iter().all(|(_, health)| **health == Health::Unhealthy);
        let (quorum, total) = (self.quorum(), self.health.len());
        (!harmless && stay < quorum)
            .then(|| format!("{quorum} of etcd's {total} voters stay healthy meanwhile, now {stay} would"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `+` is healthy, `-` is not, `?` is unknown; whether those at `taken` may be.
    fn spared(voters: &str, taken: &[usize]) -> bool {
        let health = |c: char| match c {
            '+' => Health::Healthy,
            '-' => Health::Unhealthy,
            _ => Health::Unknown,
        };
        let name = |at: usize| format!("main-{at}");
        let voters = Voters { health: voters.chars().enumerate().map(|(at, c)| (name(at), health(c))).collect() };
        voters.blocked(|node| taken.iter().any(|at| node.as_str() == name(*at))).is_none()
    }

    #[test]
    fn one_of_three_may_be_spared() {
        assert!(spared("+++", &[0]));
        assert!(!spared("+++", &[0, 1]));
    }

    #[test]
    fn a_second_voter_is_not_spared() {
        assert!(!spared("++-", &[0]));
        assert!(!spared("++?", &[0]));
    }

    #[test]
    fn the_only_voter_is_not_spared() {
        assert!(!spared("+", &[0]));
        assert!(!spared("?", &[0]));
    }

    #[test]
    fn two_of_five_down_spare_nobody_else() {
        assert!(!spared("+++--", &[0]));
        assert!(spared("++++-", &[0]));
    }

    #[test]
    fn an_unhealthy_voter_may_be_started_again_whatever_the_others_do() {
        assert!(spared("-+-", &[0]));
        assert!(spared("---", &[0]));
        assert!(spared("-??", &[0]));
    }

    #[test]
    fn without_a_quorum_the_last_healthy_voter_is_not_taken_too() {
        assert!(!spared("+--", &[0]));
    }

    #[test]
    fn a_voter_that_cannot_be_seen_may_hold_the_quorum() {
        assert!(!spared("+??", &[0]), "one of the two is healthy, or nobody had answered");
        assert!(!spared("?+-", &[0]));
        assert!(spared("?++", &[0]));
    }

    #[test]
    fn whoever_has_no_vote_takes_none_away() {
        assert!(spared("+--", &[7]));
    }
}

//! Quorum: which voters may be spared now.
//!
//! Owns the arithmetic of voters. Knows nothing of hosts and steps.

use std::collections::BTreeMap;

use fmp_core::{
    NodeName,
    observed::{Etcd, Fact},
    spec::Spec,
};

/// The voters of one etcd cluster and which of them answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voters {
    /// Whether each is known to be healthy, by the node that it runs on; by peer URL where no node has that address.
    healthy: BTreeMap<String, bool>,
}

impl Voters {
    /// The voters that etcd itself names. A learner has no vote.
    pub fn new(spec: &Spec, etcd: &Etcd) -> Self {
        let owner = |peer_url: &str| {
            let node = spec.mains().find(|(_, node)| peer_url == format!("https://{}:2380", node.address));
            node.map_or_else(|| peer_url.to_owned(), |(name, _)| name.to_string())
        };
        let voters = etcd.members.iter().filter(|(_, member)| !member.learner);
        Self { healthy: voters.map(|(url, member)| (owner(url), member.healthy == Fact::Known(true))).collect() }
    }

    /// Voters that must answer for a write: more than half.
    pub fn quorum(&self) -> usize {
        self.healthy.len() / 2 + 1
    }

    /// Why the voters on the nodes that are `down` can't be spared, or `None` where they can.
    ///
    /// Unknown health counts as down: a member that can't be seen may be the one that holds the quorum. Where there is
    /// no quorum to lose, nothing is lost.
    pub fn blocked(&self, down: impl Fn(&NodeName) -> bool) -> Option<String> {
        let is_down = |name: &String| name.parse::<NodeName>().is_ok_and(|node| down(&node));
        let healthy_now = self.healthy.values().filter(|healthy| **healthy).count();
        let healthy_then = self.healthy.iter().filter(|(name, healthy)| **healthy && !is_down(name)).count();
        let (quorum, total) = (self.quorum(), self.healthy.len());
        (healthy_now >= quorum && healthy_then < quorum)
            .then(|| format!("{quorum} of etcd's {total} voters stay healthy meanwhile, now {healthy_then} would"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voters(healthy: &[bool]) -> Voters {
        let name = |at: usize| format!("main-{at}");
        Voters { healthy: healthy.iter().enumerate().map(|(at, healthy)| (name(at), *healthy)).collect() }
    }

    fn first_down(node: &NodeName) -> bool {
        node.as_str() == "main-0"
    }

    #[test]
    fn one_of_three_may_be_spared() {
        assert_eq!(voters(&[true, true, true]).blocked(first_down), None);
    }

    #[test]
    fn a_second_voter_is_not_spared() {
        assert!(voters(&[true, true, false]).blocked(first_down).is_some());
    }

    #[test]
    fn the_only_voter_is_not_spared() {
        assert!(voters(&[true]).blocked(first_down).is_some());
    }

    #[test]
    fn two_of_five_down_spare_nobody_else() {
        assert!(voters(&[true, true, true, false, false]).blocked(first_down).is_some());
        assert_eq!(voters(&[true, true, true, true, false]).blocked(first_down), None);
    }

    #[test]
    fn without_a_quorum_nothing_is_lost() {
        assert_eq!(voters(&[true, false, false]).blocked(first_down), None);
    }
}

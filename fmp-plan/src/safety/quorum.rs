//! Quorum: which voters may be spared now, and when membership may change.
//!
//! Owns who etcd's voters are. Knows nothing of hosts and steps; the arithmetic is the verdict's.

use std::collections::{BTreeMap, BTreeSet};

use fmp_core::{
    NodeName,
    observed::{Etcd, EtcdMember, Fact},
    resource::Capability,
    spec::{Node, Spec},
};

use super::verdict::{Ground, Health, Unseen};

/// How the member of a main is known, before and after it has a name.
pub(crate) fn peer_url(main: &Node) -> String {
    format!("https://{}:2380", main.address)
}

/// The main whose member is known by `url`, be it one that leaves.
pub(crate) fn owner<'a>(spec: &'a Spec, url: &str) -> Option<&'a NodeName> {
    let mut mains = spec.mains().chain(&spec.retired);
    mains.find(|(_, main)| peer_url(main) == url).map(|(name, _)| name)
}

/// The voters that etcd itself names, by the node that each runs on; by peer URL where no node has that address. A
/// learner has no vote.
///
/// While there is an alarm anywhere, `etcdctl endpoint health` finds no member healthy, those that hold the quorum among
/// them: that says nothing of who can be spared.
/// (<https://github.com/etcd-io/etcd/blob/v3.5.21/etcdctl/ctlv3/command/ep_command.go>)
fn voters(spec: &Spec, etcd: &Etcd) -> BTreeMap<String, Health> {
    let owner = |url: &str| owner(spec, url).map_or_else(|| url.to_owned(), ToString::to_string);
    let voters = etcd.members.iter().filter(|(_, member)| !member.learner);
    let alarmed = etcd.members.values().any(|member| !member.alarms.is_empty());
    let health = |member: &EtcdMember| match Health::of(&member.healthy) {
        Health::Unhealthy if alarmed => Health::Unknown,
        health @ (Health::Healthy | Health::Unhealthy | Health::Unknown) => health,
    };
    voters.map(|(url, member)| (owner(url), health(member))).collect()
}

/// What is counted where voters are taken away. `None`: there is no etcd.
pub(super) fn quorum(spec: &Spec, etcd: &Fact<Etcd>, disrupts: &BTreeSet<Capability>) -> Option<Ground> {
    let taken = disrupts.iter().filter_map(|capability| match capability {
        Capability::Voter(node) => Some(node.to_string()),
        Capability::Apiserver(_)
        | Capability::ControllerManager(_)
        | Capability::Scheduler(_)
        | Capability::Pods(_)
        | Capability::Membership(_) => None,
    });
    seen(etcd, |etcd| Ground::Quorum { voters: voters(spec, etcd), taken: taken.collect() })
}

/// What is counted where membership changes.
pub(super) fn membership(spec: &Spec, etcd: &Fact<Etcd>, disrupts: &BTreeSet<Capability>) -> Option<Ground> {
    let changing: BTreeSet<NodeName> = disrupts
        .iter()
        .filter_map(|capability| match capability {
            Capability::Membership(node) => Some(node.clone()),
            Capability::Voter(_)
            | Capability::Apiserver(_)
            | Capability::ControllerManager(_)
            | Capability::Scheduler(_)
            | Capability::Pods(_) => None,
        })
        .collect();
    seen(etcd, |etcd| {
        let is_own = |url: &String| owner(spec, url).is_some_and(|node| changing.contains(node));
        let mut others = etcd.members.iter().filter(|(url, member)| member.learner && !is_own(url));
        let learner = others.next().map(|(url, _)| url.clone());
        Ground::Membership { voters: voters(spec, etcd), learner, changing }
    })
}

fn seen(etcd: &Fact<Etcd>, count: impl FnOnce(&Etcd) -> Ground) -> Option<Ground> {
    match etcd {
        Fact::Known(etcd) => Some(count(etcd)),
        Fact::Absent => None,
        Fact::Unknown(why) => Some(Ground::Unseen { what: Unseen::Members, why: why.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(at: usize) -> String {
        format!("main-{at}")
    }

    /// `+` is healthy, `-` is not, `?` is unknown.
    fn of(voters: &str) -> BTreeMap<String, Health> {
        let health = |c: char| match c {
            '+' => Health::Healthy,
            '-' => Health::Unhealthy,
            _ => Health::Unknown,
        };
        voters.chars().enumerate().map(|(at, c)| (name(at), health(c))).collect()
    }

    /// Whether the voters at `taken` may be spared.
    fn spared(voters: &str, taken: &[usize]) -> bool {
        Ground::Quorum { voters: of(voters), taken: taken.iter().copied().map(name).collect() }.holds()
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

    /// Whether the members of `changing` may be changed, with a learner of somebody else or without.
    fn changes(voters: &str, changing: &[usize], learner: Option<&str>) -> bool {
        let changing = changing.iter().map(|at| name(*at).parse().unwrap()).collect();
        Ground::Membership { voters: of(voters), changing, learner: learner.map(str::to_owned) }.holds()
    }

    #[test]
    fn one_member_is_changed_at_a_time_while_the_others_have_a_quorum() {
        assert!(changes("-++", &[0], None));
        assert!(changes("+++", &[3], None), "one that joins");
        assert!(!changes("--+++", &[0, 1], None));
        assert!(changes("--+++", &[0], None));
        assert!(!changes("-+-", &[0], None));
        assert!(!changes("-+?", &[0], None), "unknown is not healthy");
        assert!(!changes("++-", &[1], None), "its own vote does not count");
        assert!(!changes("-++", &[0], Some("https://198.18.0.12:2380")), "etcd takes one learner");
    }
}

//! Who leads etcd. Without a leader nothing is written, and nobody is told who belongs to it.
//!
//! Stricter than real commands, which wait some seconds for a leader: here they fail at once, and are tried again.

use super::{World, etcd::Member};

impl World {
    /// A majority of voters that answers each other elects a leader where it has none, which takes a moment. When the
    /// election is due, where one is.
    pub(crate) fn elect(&mut self) -> Option<u64> {
        let candidates = self.candidates();
        let (clock_ms, pace) = (self.clock_ms, self.pace);
        let serial = self.serial;
        let etcd = self.etcd.as_mut()?;
        if etcd.leader.as_ref().is_some_and(|leader| candidates.contains(leader)) {
            etcd.election_ms = None;
            return None;
        }
        etcd.leader = None;
        if candidates.is_empty() {
            etcd.election_ms = None;
            return None;
        }
        let due = *etcd.election_ms.get_or_insert_with(|| clock_ms + pace.election(serial));
        if due > clock_ms {
            return Some(due);
        }
        etcd.election_ms = None;
        etcd.term += 1;
        // Anybody may win.
        etcd.leader = candidates.into_iter().cycle().nth(usize::try_from(etcd.term % 7).unwrap_or_default());
        None
    }

    /// The voters that answer in the part that has the quorum, in order of their URLs.
    fn candidates(&self) -> Vec<String> {
        let quorum = self.quorum_part();
        let answers =
            |member: &&Member| quorum.is_some() && self.runner(member).is_some_and(|host| Some(host.part) == quorum);
        let voters = self.etcd.iter().flat_map(|etcd| etcd.members.values()).filter(|member| !member.learner);
        voters.filter(answers).map(|member| member.id.clone()).collect()
    }

    /// Whether etcd has a leader.
    pub(crate) fn has_leader(&self) -> bool {
        self.etcd.as_ref().is_some_and(|etcd| etcd.leader.is_some())
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        World,
        scenario::Shape,
        testing::{settled, wait},
        world::etcd::ETCD,
    };

    /// Who leads, in which term.
    fn leader(world: &World) -> (u64, Option<String>) {
        let etcd = world.etcd.as_ref().unwrap();
        let leads =
            |id: &String| etcd.members.values().find(|member| member.id == *id).map(|member| member.name.clone());
        (etcd.term, etcd.leader.as_ref().and_then(leads))
    }

    #[test]
    fn whoever_leads_is_followed_by_another_one_after_a_moment() {
        let mut world = settled(&Shape::usual());
        let (term, first) = leader(&world);
        let first = first.unwrap().parse().unwrap();
        world.stop(&first, ETCD);
        assert_eq!(leader(&world), (term, None), "nobody leads at first");
        assert!(!world.has_leader() && world.quorum_part().is_some());
        world.advance(world.due_ms().unwrap());
        let (next, second) = leader(&world);
        assert_eq!(next, term + 1);
        assert_ne!(second.as_deref().unwrap(), first.as_str());
    }

    #[test]
    fn without_a_majority_nobody_is_elected() {
        let mut world = settled(&Shape::usual());
        for main in ["main-1", "main-2"] {
            world.stop(&main.parse().unwrap(), ETCD);
        }
        world.advance(world.clock_ms() + 60_000);
        assert!(!world.has_leader());
        world.restart(&"main-2".parse().unwrap(), ETCD);
        wait(&mut world);
        assert!(world.has_leader());
    }
}

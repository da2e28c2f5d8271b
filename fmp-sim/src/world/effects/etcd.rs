//! etcd's members: born together, or announced, started and promoted one by one.

use std::collections::BTreeMap;

use fmp_core::{
    NodeName,
    role::paths::{ETCD_BORN, ETCD_PERMIT, key},
};
use fmp_exec::{Applied, Failure, FailureKind};
use fmp_plan::action::MemberBefore;

use super::stale;
use crate::world::{
    Deed, World,
    etcd::{ETCD, EtcdCluster, Member, short_id},
    files::Content,
    host::Host,
    later, never,
};

impl World {
    pub(crate) fn bootstrap_etcd(
        &mut self,
        node: &NodeName,
        members: &BTreeMap<NodeName, String>,
    ) -> Result<Applied, Failure> {
        own_url(node, members)?;
        self.begin_member(node, "new", members)
    }

    pub(crate) fn start_learner(
        &mut self,
        node: &NodeName,
        members: &BTreeMap<NodeName, String>,
    ) -> Result<Applied, Failure> {
        own_url(node, members)?;
        self.begin_member(node, "existing", members)
    }

    /// Starts the unit; where it is to be born, with a permit that lies there until the member is ready.
    fn begin_member(
        &mut self,
        node: &NodeName,
        state: &str,
        members: &BTreeMap<NodeName, String>,
    ) -> Result<Applied, Failure> {
        let host = self.running(node)?;
        if host.etcd_data.is_some() && host.runs(ETCD) {
            return Ok(Applied::AlreadyDone);
        }
        if host.cluster_id().is_none() {
            return Ok(stale(format!("{node}: /var/lib/fmp/cluster-id"), "the cluster's id", "absent"));
        }
        if state == "new" && host.etcd_data.is_none() && host.files.contains_key(ETCD_BORN) {
            return Ok(stale(format!("{node}: {ETCD_BORN}"), "absent", "there: it was a voter once"));
        }
        host.note(key::ETCD_MEMBER.to_owned(), "etcd-member", |_| "absent".to_owned());
        if host.etcd_data.is_none() {
            let urls: String = members.values().map(|url| format!("{url}\n")).collect();
            self.put(node.as_str(), ETCD_PERMIT, Content::Text(format!("{state}\n{urls}").into()), 0o600);
        }
        self.start_unit(node, ETCD)?;
        Ok(Applied::Done)
    }

    pub(crate) fn remove_member(
        &mut self,
        by: Option<&NodeName>,
        peer_url: &str,
        (id, before): (&str, MemberBefore),
    ) -> Result<Applied, Failure> {
        let holds = |host: &Host| host.etcd_data.as_ref().is_some_and(|data| data.member == id);
        let may_start = |host: &Host| host.units.get(ETCD).is_some_and(|unit| unit.enabled || unit.running.is_some());
        // One that answers hears of it.
        let hears = self.etcd.iter().flat_map(|etcd| etcd.members.values()).any(|member| {
            member.id == id && self.runner(member).is_some_and(|host| Some(host.part) == self.quorum_part())
        });
        let may_vote = !hears && self.hosts.values().any(|host| holds(host) && may_start(host));
        let etcd = self.with_quorum(by)?;
        match etcd.members.get(peer_url) {
            None => Ok(Applied::AlreadyDone),
            Some(member) if member.id != id => {
                Ok(stale(format!("etcd member {peer_url}"), format!("id {id}"), format!("id {}", member.id)))
            }
            Some(_) if before == MemberBefore::Answering && !hears => {
                Ok(stale(format!("etcd member {peer_url}"), "it answers", "it does not"))
            }
            Some(_) => {
                etcd.members.remove(peer_url);
                self.tell(Deed::Removed { member: id.to_owned(), may_vote });
                Ok(Applied::Done)
            }
        }
    }

    pub(crate) fn add_learner(&mut self, by: Option<&NodeName>, peer_url: &str) -> Result<Applied, Failure> {
        let id = short_id(&format!("{peer_url} {}", self.next()));
        let etcd = self.with_quorum(by)?;
        match etcd.members.get(peer_url) {
            Some(member) if member.learner => return Ok(Applied::AlreadyDone),
            Some(_) => return Ok(stale(format!("etcd member {peer_url}"), "unknown to etcd", "a voter")),
            None => {}
        }
        if etcd.members.values().any(|member| member.learner) {
            return Err(later(FailureKind::Other("etcd: too many learner members in cluster".to_owned())));
        }
        etcd.members.insert(peer_url.to_owned(), Member { id, learner: true, ..Member::default() });
        Ok(Applied::Done)
    }

    pub(crate) fn promote_learner(&mut self, by: Option<&NodeName>, peer_url: &str) -> Result<Applied, Failure> {
        let in_sync = self.learner_is_in_sync(peer_url);
        let guarded = self.guards.in_sync;
        match self.with_quorum(by)?.members.get_mut(peer_url) {
            None => Ok(stale(format!("etcd member {peer_url}"), "a learner", "unknown to etcd")),
            Some(member) if !member.learner => Ok(Applied::AlreadyDone),
            Some(_) if guarded && !in_sync => {
                Err(later(FailureKind::Other("etcd: can only promote a learner member which is in sync".to_owned())))
            }
            Some(member) => {
                member.learner = false;
                let member = member.id.clone();
                self.tell(Deed::Promoted { member, in_sync });
                Ok(Applied::Done)
            }
        }
    }

    fn learner_is_in_sync(&self, peer_url: &str) -> bool {
        let member = self.etcd.as_ref().and_then(|etcd| etcd.members.get(peer_url));
        let runner = member.and_then(|member| self.runner(member));
        runner.is_some_and(|host| Some(host.part) == self.quorum_part() && self.is_in_sync(host))
    }

    /// etcd, by way of a main whose member answers.
    fn with_quorum(&mut self, by: Option<&NodeName>) -> Result<&mut EtcdCluster, Failure> {
        let none = || later(FailureKind::Other("etcd: no leader".to_owned()));
        self.etcd.as_mut().filter(|etcd| by.is_some() && etcd.leader.is_some()).ok_or_else(none)
    }
}

fn own_url<'m>(node: &NodeName, members: &'m BTreeMap<NodeName, String>) -> Result<&'m str, Failure> {
    let missing = || never(FailureKind::Other(format!("{node} is not among the members that it is to join")));
    members.get(node).map(String::as_str).ok_or_else(missing)
}

//! etcd's members: born together, or announced, started and promoted one by one.

use std::collections::BTreeMap;

use fmp_core::{
    Digest, NodeName,
    role::paths::{ETCD_BORN, ETCD_PERMIT, key},
};
use fmp_exec::{Applied, Failure, FailureKind};

use super::stale;
use crate::world::{
    World,
    etcd::{ETCD, EtcdCluster, Member},
    files::Content,
    later, never,
    units::Started,
};

impl World {
    pub(crate) fn bootstrap_etcd(
        &mut self,
        node: &NodeName,
        members: &BTreeMap<NodeName, String>,
    ) -> Result<Applied, Failure> {
        let host = self.running(node)?;
        if host.etcd_data.is_some() {
            let ran = host.runs(ETCD);
            return self.start_member(node, None).map(|()| if ran { Applied::AlreadyDone } else { Applied::Done });
        }
        if host.files.contains_key(ETCD_BORN) {
            return Ok(stale(format!("{node}: etcd data"), "a host that never held a voter", "one that was wiped"));
        }
        let token = host.cluster_id().unwrap_or_default().to_owned();
        let url = own_url(node, members)?;
        // Every first member comes to the same ids by itself: they are a hash of URLs and token.
        let id = |url: &str| short_id(&format!("{url} {token}"));
        let member = |url: &String| (url.clone(), Member { id: id(url), name: String::new(), learner: false });
        let first = EtcdCluster { id: short_id(&token), members: members.values().map(member).collect() };
        let etcd = self.etcd.get_or_insert(first);
        let Some(born) = etcd.members.get_mut(url).filter(|member| member.id == id(url)) else {
            return Ok(stale(format!("etcd member {url}"), "one of the first members", "not announced"));
        };
        node.as_str().clone_into(&mut born.name);
        let data = born.id.clone();
        self.start_member(node, Some(data))?;
        Ok(Applied::Done)
    }

    pub(crate) fn start_learner(
        &mut self,
        node: &NodeName,
        members: &BTreeMap<NodeName, String>,
    ) -> Result<Applied, Failure> {
        let url = own_url(node, members)?;
        let host = self.running(node)?;
        let (data, ran) = (host.etcd_data.clone(), host.runs(ETCD));
        let announced = self.etcd.as_mut().and_then(|etcd| etcd.members.get_mut(url));
        let Some(member) = announced else {
            return Ok(stale(format!("etcd member {url}"), "announced", "unknown to etcd"));
        };
        let id = member.id.clone();
        match data {
            Some(data) if data != id => {
                return Ok(stale(format!("{node}: etcd data"), "empty", format!("member {data}")));
            }
            Some(_) if ran => return Ok(Applied::AlreadyDone),
            Some(_) | None => {}
        }
        node.as_str().clone_into(&mut member.name);
        self.start_member(node, Some(id))?;
        Ok(Applied::Done)
    }

    /// Starts the unit; where it is to be born, with the permit that lies there meanwhile.
    fn start_member(&mut self, node: &NodeName, born: Option<String>) -> Result<(), Failure> {
        self.put(node.as_str(), ETCD_PERMIT, Content::Text("".into()), 0o600);
        let host = self.running(node)?;
        host.note(key::ETCD_MEMBER.to_owned(), "etcd-member", |_| "absent".to_owned());
        let enabled = host.enable(ETCD);
        if !host.runs(ETCD) {
            host.start(ETCD);
        }
        host.files.remove(ETCD_PERMIT);
        if enabled == Started::NoSuchUnit {
            return Err(never(FailureKind::Other(format!("{node} has no {ETCD}"))));
        }
        host.etcd_data = born.or(host.etcd_data.take());
        Ok(())
    }

    pub(crate) fn remove_member(&mut self, peer_url: &str, id: &str) -> Result<Applied, Failure> {
        let etcd = self.with_quorum()?;
        match etcd.members.get(peer_url) {
            None => Ok(Applied::AlreadyDone),
            Some(member) if member.id != id => {
                Ok(stale(format!("etcd member {peer_url}"), format!("id {id}"), format!("id {}", member.id)))
            }
            Some(_) => {
                etcd.members.remove(peer_url);
                Ok(Applied::Done)
            }
        }
    }

    pub(crate) fn add_learner(&mut self, peer_url: &str) -> Result<Applied, Failure> {
        let id = short_id(&format!("{peer_url} {}", self.next()));
        let etcd = self.with_quorum()?;
        match etcd.members.get(peer_url) {
            Some(member) if member.learner => return Ok(Applied::AlreadyDone),
            Some(_) => return Ok(stale(format!("etcd member {peer_url}"), "unknown to etcd", "a voter")),
            None => {}
        }
        if etcd.members.values().any(|member| member.learner) {
            return Err(later(FailureKind::Other("etcd: too many learner members in cluster".to_owned())));
        }
        etcd.members.insert(peer_url.to_owned(), Member { id, name: String::new(), learner: true });
        Ok(Applied::Done)
    }

    pub(crate) fn promote_learner(&mut self, peer_url: &str) -> Result<Applied, Failure> {
        let up = |world: &Self| {
            let etcd = world.etcd.as_ref()?;
            Some(world.is_up(etcd.members.get(peer_url)?))
        };
        let in_sync = up(self) == Some(true);
        match self.with_quorum()?.members.get_mut(peer_url) {
            None => Ok(stale(format!("etcd member {peer_url}"), "a learner", "unknown to etcd")),
            Some(member) if !member.learner => Ok(Applied::AlreadyDone),
            Some(_) if !in_sync => {
                Err(later(FailureKind::Other("etcd: can only promote a learner member which is in sync".to_owned())))
            }
            Some(member) => {
                member.learner = false;
                Ok(Applied::Done)
            }
        }
    }

    fn with_quorum(&mut self) -> Result<&mut EtcdCluster, Failure> {
        let quorum = self.has_quorum();
        let none = || later(FailureKind::Other("etcd: no leader".to_owned()));
        self.etcd.as_mut().filter(|_| quorum).ok_or_else(none)
    }
}

fn own_url<'m>(node: &NodeName, members: &'m BTreeMap<NodeName, String>) -> Result<&'m str, Failure> {
    let missing = || never(FailureKind::Other(format!("{node} is not among the members that it is to join")));
    members.get(node).map(String::as_str).ok_or_else(missing)
}

/// 64 bits, hexadecimal.
fn short_id(text: &str) -> String {
    let mut id = Digest::of(text).hex();
    id.truncate(16);
    id
}

//! Objects of the API.

use fmp_core::{
    Digest, NodeName,
    observed::ObjectSeen,
    resource::{CORDONED, DRAINED, EMPTYING, NodeObject},
};
use fmp_exec::{Applied, Effect, Failure, FailureKind, Retry};

use super::stale;
use crate::world::{Deed, World, api::no_node, later};

impl World {
    pub(crate) fn apply_node(
        &mut self,
        by: Option<&NodeName>,
        name: &str,
        object: &NodeObject,
    ) -> Result<Applied, Failure> {
        self.with_api(by)?;
        let before = self.nodes.get(name).cloned();
        let mut node = before.clone().unwrap_or_else(no_node);
        match (node.pod_cidr, object.pod_cidr) {
            (Some(found), Some(wanted)) if found != wanted => {
                // The API refuses to change it.
                return Ok(stale(format!("Node {name}: pod range"), wanted.to_string(), found.to_string()));
            }
            (found, wanted) => node.pod_cidr = found.or(wanted),
        }
        node.labels.extend(object.labels.clone());
        node.taints.extend(object.taints.iter().cloned());
        if before.as_ref() == Some(&node) {
            return Ok(Applied::AlreadyDone);
        }
        self.nodes.insert(name.to_owned(), node);
        Ok(Applied::Done)
    }

    /// A person's cordon stays a person's.
    pub(crate) fn cordon(&mut self, by: Option<&NodeName>, node: &NodeName) -> Result<Applied, Failure> {
        self.with_api(by)?;
        let Some(seen) = self.nodes.get_mut(node.as_str()) else { return Ok(no_such_node(node)) };
        if std::mem::replace(&mut seen.unschedulable, true) {
            return Ok(Applied::AlreadyDone);
        }
        seen.labels.insert(CORDONED.to_owned(), EMPTYING.to_owned());
        Ok(Applied::Done)
    }

    pub(crate) fn uncordon(&mut self, by: Option<&NodeName>, node: &NodeName) -> Result<Applied, Failure> {
        self.with_api(by)?;
        let Some(seen) = self.nodes.get_mut(node.as_str()) else { return Ok(Applied::AlreadyDone) };
        if seen.labels.remove(CORDONED).is_none() {
            return Ok(Applied::AlreadyDone);
        }
        seen.unschedulable = false;
        self.drained.remove(node.as_str());
        Ok(Applied::Done)
    }

    /// Goes round until no pod is left, as far as budgets let it; what is left is asked for again later.
    pub(crate) fn drain(&mut self, by: Option<&NodeName>, node: &NodeName) -> Result<Applied, Failure> {
        self.with_api(by)?;
        match self.nodes.get(node.as_str()).map(|seen| seen.unschedulable) {
            None => Ok(no_such_node(node)),
            Some(false) => Ok(stale(format!("Node {node}"), "cordoned", "schedulable")),
            Some(true) => match self.evict(node) {
                None => {
                    self.drained.insert(node.to_string());
                    let label = self.nodes.get_mut(node.as_str()).and_then(|seen| seen.labels.get_mut(CORDONED));
                    if let Some(label) = label {
                        DRAINED.clone_into(label);
                    }
                    Ok(Applied::Done)
                }
                Some(by) => {
                    let kind = FailureKind::Undrained { node: node.to_string(), by, pods: "some".to_owned() };
                    Err(Failure { effect: Effect::MayHaveHappened, retry: Retry::Later, kind, source: None })
                }
            },
        }
    }

    pub(crate) fn delete_node(&mut self, by: Option<&NodeName>, node: &NodeName) -> Result<Applied, Failure> {
        self.with_api(by)?;
        let beneath_pods = self.runs_pods(node);
        let gone = self.nodes.remove(node.as_str()).is_none();
        if !gone {
            self.tell(Deed::Deleted { node: node.clone(), beneath_pods });
        }
        self.drained.remove(node.as_str());
        Ok(if gone { Applied::AlreadyDone } else { Applied::Done })
    }

    pub(crate) fn apply_object(
        &mut self,
        by: Option<&NodeName>,
        key: &str,
        manifest: Digest,
    ) -> Result<Applied, Failure> {
        self.with_api(by)?;
        let applied = ObjectSeen::of(manifest.to_string());
        let before = self.objects.insert(key.to_owned(), applied.clone());
        Ok(if before == Some(applied) { Applied::AlreadyDone } else { Applied::Done })
    }

    pub(crate) fn delete_object(&mut self, by: Option<&NodeName>, key: &str, before: &str) -> Result<Applied, Failure> {
        self.with_api(by)?;
        match self.objects.get(key).map(|seen| seen.digest.clone()) {
            None => Ok(Applied::AlreadyDone),
            Some(found) if found != before => Ok(stale(key.to_owned(), before, found)),
            Some(_) => {
                self.objects.remove(key);
                Ok(Applied::Done)
            }
        }
    }

    fn with_api(&self, by: Option<&NodeName>) -> Result<(), Failure> {
        let refused = |why: &str| Err(later(FailureKind::Other(why.to_owned())));
        match by {
            None => refused("no apiserver answers"),
            Some(_) if !self.has_leader() => refused("etcdserver: no leader"),
            Some(_) if self.has_alarm() => refused("etcdserver: mvcc: database space exceeded"),
            Some(_) => Ok(()),
        }
    }
}

fn no_such_node(node: &NodeName) -> Applied {
    stale(format!("Node {node}"), "present", "absent")
}

//! Objects of the API.

use fmp_core::{Digest, NodeName, resource::NodeObject};
use fmp_exec::{Applied, Failure, FailureKind};
use fmp_plan::Step;

use super::stale;
use crate::world::{World, etcd::no_node, later};

impl World {
    pub(crate) fn apply_node(
        &mut self,
        step: &Step,
        by: Option<&NodeName>,
        object: &NodeObject,
    ) -> Result<Applied, Failure> {
        self.with_api(by)?;
        // A step on a Node object is done to the cluster; which node it is stands at the beginning of its name.
        let (name, _) = step.id.as_str().split_once('/').unwrap_or((step.id.as_str(), ""));
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

    pub(crate) fn apply_object(
        &mut self,
        by: Option<&NodeName>,
        key: &str,
        manifest: Digest,
    ) -> Result<Applied, Failure> {
        self.with_api(by)?;
        let digest = manifest.to_string();
        let before = self.objects.insert(key.to_owned(), digest.clone());
        Ok(if before == Some(digest) { Applied::AlreadyDone } else { Applied::Done })
    }

    fn with_api(&self, by: Option<&NodeName>) -> Result<(), Failure> {
        let refused = |why: &str| Err(later(FailureKind::Other(why.to_owned())));
        match by {
            None => refused("no apiserver answers"),
            Some(_) if self.has_alarm() => refused("etcdserver: mvcc: database space exceeded"),
            Some(_) => Ok(()),
        }
    }
}

//! Images.

use fmp_core::{NodeName, role::paths::key};
use fmp_exec::{Applied, Failure, FailureKind};

use crate::world::{World, etcd::CONTAINERD, later};

impl World {
    pub(crate) fn import_image(&mut self, node: &NodeName, reference: &str) -> Result<Applied, Failure> {
        let host = self.running(node)?;
        if !host.runs(CONTAINERD) {
            return Err(later(FailureKind::Other(format!("containerd does not run on {node}"))));
        }
        host.note(key::image(reference), "image", |_| "absent".to_owned());
        Ok(if host.images.insert(reference.to_owned()) { Applied::Done } else { Applied::AlreadyDone })
    }
}

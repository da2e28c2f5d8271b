//! Images.

use fmp_core::{NodeName, role::paths::key};
use fmp_exec::{Applied, Failure, FailureKind};

use crate::world::{World, api::CONTAINERD, later, never};

impl World {
    pub(crate) fn import_image(&mut self, node: &NodeName, reference: &str) -> Result<Applied, Failure> {
        let host = self.running(node)?;
        if !host.runs(CONTAINERD) {
            return Err(later(FailureKind::Other(format!("containerd does not run on {node}"))));
        }
        if host.full {
            let path = "/var/lib/containerd".to_owned();
            return Err(never(FailureKind::NoRoom { host: node.to_string(), path, needed: 1 << 20 }));
        }
        host.note(key::image(reference), "image", |_| "absent".to_owned());
        Ok(if host.images.insert(reference.to_owned()) { Applied::Done } else { Applied::AlreadyDone })
    }
}

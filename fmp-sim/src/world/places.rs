//! Places for machines: what an environment that makes machines could make.

use fmp_core::NodeName;

use super::{
    Setup, World,
    host::{Host, Power},
};

impl World {
    /// Nodes that came into the cluster's file since the world began get a place, with no machine yet.
    pub fn make_room(&mut self, setup: &Setup) {
        let places =
            setup.mains.iter().map(|place| (place, true)).chain(setup.works.iter().map(|place| (place, false)));
        for ((name, address), main) in places {
            if !self.hosts.contains_key(name) {
                let serial = self.next();
                let host = Host::bare(name, *address, main, &setup.machine, serial, false);
                self.pinned.insert(name.clone(), serial);
                self.hosts.insert(name.clone(), host);
            }
        }
    }

    /// Whether there is a machine of this name, switched on or off.
    pub fn has(&self, node: &NodeName) -> bool {
        self.hosts.get(node).is_some_and(|host| host.power != Power::Absent)
    }
}

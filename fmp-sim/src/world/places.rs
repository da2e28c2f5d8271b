//! Places for machines: what an environment that makes machines could make.

use std::net::Ipv4Addr;

use fmp_core::{NodeName, observed::HostFacts};

use super::{
    Setup, World,
    disks::Disk,
    host::{Host, Power},
    machine,
};

impl World {
    /// Nodes that came into the cluster's file since the world began get a place, with no machine yet.
    pub fn make_room(&mut self, setup: &Setup) {
        let others = setup.works.iter().chain(&setup.images).map(|place| (place, false));
        let places = setup.mains.iter().map(|place| (place, true)).chain(others);
        for ((name, address), main) in places {
            if !self.hosts.contains_key(name) {
                self.place(name, *address, main, &setup.machine, false);
            }
        }
        self.plug_in(&setup.disks);
    }

    /// One more machine is there, booted and bare.
    pub fn add_machine(&mut self, node: &NodeName, address: Ipv4Addr, main: bool) {
        self.place(node, address, main, &machine(), true);
    }

    /// A machine is gone for good, with all that it held.
    pub fn destroy_machine(&mut self, node: &NodeName) {
        let Some(host) = self.hosts.get(node) else { return };
        let Some(address) = host.facts.addresses.first().copied() else { return };
        self.place(node, address, host.main, &machine(), false);
        self.settle();
    }

    /// A machine of its own in a place, whatever stood there, and whoever runs FMP knows its key.
    pub(crate) fn place(&mut self, node: &NodeName, address: Ipv4Addr, main: bool, like: &HostFacts, exists: bool) {
        let serial = self.next();
        let mut host = Host::bare(node, address, main, like, serial, exists);
        host.disks = self.bays.get(node).into_iter().flatten().map(|name| Disk::empty(name, serial)).collect();
        self.hosts.insert(node.clone(), host);
        self.pinned.insert(node.clone(), serial);
    }

    /// Whether there is a machine of this name, switched on or off.
    pub fn has(&self, node: &NodeName) -> bool {
        self.hosts.get(node).is_some_and(|host| host.power != Power::Absent)
    }
}

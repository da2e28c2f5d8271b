//! What a person or an accident does to a world, for tests.

use std::sync::Arc;

use fmp_core::{Digest, NodeName, role::paths::unit_file};

use super::{
    World,
    files::Content,
    host::{Host, Power},
};

impl World {
    /// Time passes.
    pub fn pass_s(&mut self, seconds: i64) {
        self.began += seconds;
    }

    /// Somebody writes a file by hand. Of a unit's file systemd hears nothing.
    pub fn edit_file(&mut self, node: &NodeName, path: &str, text: impl Into<Arc<str>>) {
        self.put(node.as_str(), path, Content::Text(text.into()), 0o644);
    }

    /// Somebody removes a file by hand.
    pub fn remove_file(&mut self, node: &NodeName, path: &str) {
        self.change(node, |host| _ = host.files.remove(path));
    }

    /// `systemctl edit`: a drop-in, and systemd reads it.
    pub fn add_drop_in(&mut self, node: &NodeName, unit: &str, text: impl Into<Arc<str>>) {
        self.edit_file(node, &format!("{}.d/override.conf", unit_file(unit)), text);
        self.change(node, Host::reload_units);
    }

    /// `apt-get purge`.
    pub fn purge_package(&mut self, node: &NodeName, package: &str) {
        self.change(node, |host| _ = host.packages.remove(package));
    }

    /// `kubectl cordon`.
    pub fn cordon_by_hand(&mut self, node: &NodeName) {
        if let Some(seen) = self.nodes.get_mut(node.as_str()) {
            seen.unschedulable = true;
        }
    }

    /// `systemctl stop`.
    pub fn stop(&mut self, node: &NodeName, unit: &str) {
        self.change(node, |host| {
            if let Some(unit) = host.units.get_mut(unit) {
                unit.running = None;
            }
        });
    }

    /// `systemctl restart`.
    pub fn restart(&mut self, node: &NodeName, unit: &str) {
        self.change(node, |host| _ = host.start(unit));
    }

    /// `systemctl disable`: it runs on, and will not start at the next boot.
    pub fn disable_unit(&mut self, node: &NodeName, unit: &str) {
        self.change(node, |host| {
            if let Some(unit) = host.units.get_mut(unit) {
                unit.enabled = false;
            }
        });
    }

    /// Somebody puts another program in place of ours, under a process that runs.
    pub fn replace_program(&mut self, node: &NodeName, path: &str) {
        let content = Content::Program { digest: Digest::of(format!("not ours: {path}")), bytes: 4 << 20 };
        self.put(node.as_str(), path, content, 0o755);
    }

    /// The power is cut.
    pub fn power_off(&mut self, node: &NodeName) {
        self.change(node, Host::lose_power);
    }

    /// The power comes back: what is enabled starts.
    pub fn power_on(&mut self, node: &NodeName) {
        self.change(node, |host| {
            host.power = Power::On;
            host.boot();
        });
    }

    /// The disk below etcd's data directory is lost. A process that had it open ends.
    pub fn wipe_etcd(&mut self, node: &NodeName) {
        self.change(node, |host| {
            host.etcd_data = None;
            if let Some(unit) = host.units.get_mut(super::etcd::ETCD) {
                unit.running = None;
            }
        });
    }

    /// Something is changed on a host, and what follows from it comes true.
    pub(crate) fn change(&mut self, node: &NodeName, change: impl FnOnce(&mut Host)) {
        if let Some(host) = self.hosts.get_mut(node) {
            change(host);
        }
        self.settle();
    }
}

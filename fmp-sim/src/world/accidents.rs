//! What faults do to a world, and how they end. What persons do by hand is in [`hooks`](super::hooks).

use std::collections::BTreeSet;

use fmp_core::NodeName;

use super::{
    Guards, World,
    etcd::ETCD,
    files::{Content, File},
    host::{Host, Power},
    machine,
};

/// A machine in whose place another one stands.
#[derive(Debug)]
pub(crate) struct SetAside(Host);

/// What makes a host a main one.
const OF_A_MAIN: [&str; 4] =
    ["etcd.service", "kube-apiserver.service", "kube-controller-manager.service", "kube-scheduler.service"];

impl World {
    /// Takes guards away, for tests that look whether the harm is found.
    pub const fn guard(&mut self, guards: Guards) {
        self.guards = guards;
    }

    /// The units of a host that run, in order of names.
    pub(crate) fn running_units(&self, node: &NodeName) -> Vec<String> {
        let host = self.hosts.get(node).filter(|host| host.power.is_on());
        let units = host.into_iter().flat_map(|host| &host.units);
        units.filter(|(_, unit)| unit.running.is_some()).map(|(name, _)| name.clone()).collect()
    }

    /// Text files of a host that are FMP's, in order of paths.
    pub(crate) fn own_files(&self, node: &NodeName) -> Vec<String> {
        let Some(host) = self.hosts.get(node) else { return Vec::new() };
        let noted = host.ledger.keys().filter_map(|key| key.strip_prefix("file"));
        noted
            .filter(|path| host.files.get(*path).is_some_and(|file| file.text().is_some()))
            .map(str::to_owned)
            .collect()
    }

    /// A process ends by itself.
    pub(crate) fn crash(&mut self, node: &NodeName, unit: &str) {
        let name = unit.to_owned();
        self.change(node, |host| {
            host.end(unit);
            host.crashed.insert(name);
        });
    }

    /// systemd starts processes again that ended by themselves, as `Restart=always` says.
    pub(crate) fn start_crashed(&mut self, node: &NodeName) {
        let crashed = self.hosts.get_mut(node).map(|host| std::mem::take(&mut host.crashed)).unwrap_or_default();
        crashed.iter().for_each(|unit| self.start_again(node, unit));
    }

    fn start_again(&mut self, node: &NodeName, unit: &str) {
        let permits = self.guards.permits;
        self.change(node, |host| {
            if host.power.is_on() && host.units.contains_key(unit) && !host.runs(unit) {
                host.start_if(unit, permits);
            }
        });
    }

    /// Whether whoever runs FMP reaches a host.
    pub fn set_reachable(&mut self, node: &NodeName, reachable: bool) {
        self.change(node, |host| host.reachable = reachable);
    }

    /// Hosts talk to those of the same part of the network.
    pub(crate) fn set_part(&mut self, node: &NodeName, part: u8) {
        self.change(node, |host| host.part = part);
    }

    /// Whether a host's disk is full.
    pub fn set_full(&mut self, node: &NodeName, full: bool) {
        self.change(node, |host| host.full = full);
    }

    /// A host's clock minus the true time.
    pub fn set_clock_off(&mut self, node: &NodeName, seconds: i64) {
        self.change(node, |host| host.clock_off_s = seconds);
    }

    /// Switches a host on that is off.
    pub(crate) fn boot_if_off(&mut self, node: &NodeName) {
        let permits = self.guards.permits;
        self.change(node, |host| {
            if host.power == Power::Off {
                host.power = Power::On;
                host.boot_with(permits);
            }
        });
    }

    /// The disk below etcd's data is lost, and systemd starts the process that ended.
    pub(crate) fn wipe_and_restart(&mut self, node: &NodeName) {
        let ran = self.hosts.get(node).is_some_and(|host| host.runs(ETCD));
        self.wipe_etcd(node);
        if ran {
            self.start_again(node, ETCD);
        }
    }

    /// Another machine answers under a host's address. It belongs to somebody else.
    pub(crate) fn put_stranger(&mut self, node: &NodeName) -> Option<SetAside> {
        let serial = self.next();
        let host = self.hosts.get_mut(node)?;
        let address = *host.facts.addresses.first()?;
        let mut stranger = Host::bare(node, address, host.main, &machine(), serial, true);
        stranger.strange = true;
        stranger.put("/var/lib/fmp/cluster-id", File::new(Content::Text("somebodyelses\n".into()), 0o644, serial));
        let mut aside = std::mem::replace(host, stranger);
        aside.lose_power();
        // What else goes wrong at this address goes wrong for whoever stands there.
        (aside.reachable, aside.part, aside.full, aside.clock_off_s) = (true, 0, false, 0);
        self.settle();
        Some(SetAside(aside))
    }

    /// The machine itself stands there again, and boots.
    pub(crate) fn bring_back(&mut self, node: &NodeName, aside: SetAside) {
        self.hosts.insert(node.clone(), aside.0);
        self.boot_if_off(node);
    }

    /// Machines that their environment can switch on are off; on others all that makes a main one was stopped.
    pub(crate) fn stop_everything(&mut self) {
        let nodes: Vec<NodeName> = self.hosts.keys().cloned().collect();
        for node in nodes {
            if self.environment.makes_machines() {
                self.power_off(&node);
            } else {
                OF_A_MAIN.into_iter().for_each(|unit| self.stop(&node, unit));
            }
        }
    }

    /// A new machine stands in a host's place, booted and bare, and whoever runs FMP knows its key.
    pub fn replace_machine(&mut self, node: &NodeName) {
        let Some(host) = self.hosts.get(node) else { return };
        let Some(address) = host.facts.addresses.first().copied() else { return };
        self.add_machine(node, address, host.main);
        self.settle();
    }

    /// The member on a host raises an alarm.
    pub fn raise_alarm(&mut self, node: &NodeName, alarm: &str) {
        let id = self.hosts.get(node).and_then(|host| host.etcd_data.as_ref()).map(|data| data.member.clone());
        let members = self.etcd.iter_mut().flat_map(|etcd| etcd.members.values_mut());
        members.filter(|member| Some(&member.id) == id.as_ref()).for_each(|member| {
            member.alarms.insert(alarm.to_owned());
        });
    }

    /// Somebody has seen to all alarms.
    pub fn end_alarms(&mut self) {
        let members = self.etcd.iter_mut().flat_map(|etcd| etcd.members.values_mut());
        members.for_each(|member| member.alarms.clear());
        self.settle();
    }

    /// Members that have not caught up yet take that much longer.
    pub(crate) fn set_back(&mut self, ms: u64) {
        let clock_ms = self.clock_ms;
        let learners: BTreeSet<&String> = self
            .etcd
            .iter()
            .flat_map(|etcd| etcd.members.values())
            .filter(|member| member.learner)
            .map(|member| &member.id)
            .collect();
        for host in self.hosts.values_mut() {
            if let Some(data) = host.etcd_data.as_mut().filter(|data| learners.contains(&data.member)) {
                data.in_sync_ms = data.in_sync_ms.max(clock_ms) + ms;
            }
        }
    }
}

//! Machines.

use std::net::Ipv4Addr;

use fmp_core::NodeName;
use fmp_exec::{Applied, Failure, FailureKind};

use super::stale;
use crate::world::{World, host::Power, never};

impl World {
    pub(crate) fn create_machine(&mut self, node: &NodeName, address: Ipv4Addr) -> Result<Applied, Failure> {
        let unknown = || never(FailureKind::Other(format!("the environment has no room for {node}")));
        let host = self.hosts.get_mut(node).ok_or_else(unknown)?;
        Ok(match host.power {
            Power::On => Applied::AlreadyDone,
            Power::Off => stale(format!("{node}: machine"), "absent", "switched off"),
            Power::Absent => {
                host.facts.addresses = [address].into();
                host.power = Power::On;
                Applied::Done
            }
        })
    }

    pub(crate) fn start_machine(&mut self, node: &NodeName) -> Result<Applied, Failure> {
        let unknown = || never(FailureKind::Other(format!("the environment knows no {node}")));
        let host = self.hosts.get_mut(node).ok_or_else(unknown)?;
        Ok(match host.power {
            Power::On => Applied::AlreadyDone,
            Power::Absent => stale(format!("{node}: machine"), "switched off", "absent"),
            Power::Off => {
                host.power = Power::On;
                host.boot();
                Applied::Done
            }
        })
    }
}

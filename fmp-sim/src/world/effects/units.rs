//! Units.

use std::sync::Arc;

use fmp_core::{KubeVersion, NodeName, role::paths::key};
use fmp_exec::{Applied, Failure, FailureKind};
use fmp_plan::action::UnitBefore;

use super::stale;
use crate::world::{
    Deed, World,
    api::{CONTAINERD, KUBELET},
    host::Host,
    never,
    units::Started,
};

impl World {
    pub(crate) fn start_unit(&mut self, node: &NodeName, unit: &str) -> Result<Applied, Failure> {
        let host = self.running(node)?;
        let had = host.runs(unit);
        let before = had.then(|| host.unit_seen(unit));
        note(host, unit);
        self.enable(node, unit)?;
        if !had && self.stroke() {
            self.start(node, unit)?;
        }
        Ok(if before.is_some_and(|before| self.running(node).is_ok_and(|host| before == host.unit_seen(unit))) {
            Applied::AlreadyDone
        } else {
            Applied::Done
        })
    }

    pub(crate) fn restart_unit(
        &mut self,
        node: &NodeName,
        unit: &str,
        expected: UnitBefore,
    ) -> Result<Applied, Failure> {
        let host = self.running(node)?;
        if expected == UnitBefore::Starting && host.has_come_up(unit) {
            return Ok(stale(format!("{node}: {unit}"), "not active", "active"));
        }
        note(host, unit);
        let before = host.running_version(KUBELET, "kubelet");
        self.enable(node, unit)?;
        if self.stroke() {
            self.start(node, unit)?;
        }
        self.tell_upgrade(node, before);
        Ok(Applied::Done)
    }

    fn tell_upgrade(&mut self, node: &NodeName, before: Option<KubeVersion>) {
        let now = self.hosts.get(node).and_then(|host| host.running_version(KUBELET, "kubelet"));
        let other = before.zip(now).is_some_and(|(before, now)| before.minor != now.minor);
        if other && self.nodes.contains_key(node.as_str()) {
            let drained = self.drained.contains(node.as_str());
            self.tell(Deed::Upgraded { node: node.clone(), drained });
        }
    }

    pub(crate) fn stop_units(&mut self, node: &NodeName, units: &[Arc<str>]) -> Result<Applied, Failure> {
        let host = self.running(node)?;
        let is_left = |unit: &str| host.units.get(unit).is_some_and(|unit| unit.enabled || unit.running.is_some());
        let ends_pods = units.iter().any(|unit| [KUBELET, CONTAINERD].contains(&&**unit) && is_left(unit));
        let mut stopped = false;
        for unit in units {
            let Some(unit) = host.units.get_mut(&**unit) else { continue };
            stopped |= unit.enabled || unit.running.is_some();
            unit.enabled = false;
            unit.running = None;
        }
        if ends_pods {
            self.pods_end(node);
        }
        Ok(if stopped { Applied::Done } else { Applied::AlreadyDone })
    }

    pub(crate) fn reload_unit(&mut self, node: &NodeName, unit: &str) -> Result<Applied, Failure> {
        self.enable(node, unit)?;
        if self.stroke() {
            self.running(node)?.reload(unit);
        }
        Ok(Applied::Done)
    }

    pub(crate) fn enable_unit(&mut self, node: &NodeName, unit: &str) -> Result<Applied, Failure> {
        let host = self.running(node)?;
        let before = host.unit_seen(unit);
        self.enable(node, unit)?;
        Ok(if before == self.running(node)?.unit_seen(unit) { Applied::AlreadyDone } else { Applied::Done })
    }
}

impl World {
    fn enable(&mut self, node: &NodeName, unit: &str) -> Result<(), Failure> {
        let stroke = self.stroke();
        let host = self.running(node)?;
        if stroke { enabled(node, unit, host.enable(unit)) } else { Ok(()) }
    }

    /// `--no-block`: that a condition held it back is seen by whoever watches.
    fn start(&mut self, node: &NodeName, unit: &str) -> Result<(), Failure> {
        let permits = self.guards.permits;
        self.running(node)?.start_if(unit, permits);
        Ok(())
    }
}

fn note(host: &mut Host, unit: &str) {
    host.note(key::unit(unit), "unit", |_| "absent".to_owned());
}

fn enabled(node: &NodeName, unit: &str, started: Started) -> Result<(), Failure> {
    match started {
        Started::Runs | Started::HeldBack => Ok(()),
        Started::NoSuchUnit => Err(never(FailureKind::Program {
            host: node.to_string(),
            program: format!("systemctl enable {unit}"),
            status: 1,
            stderr: format!("Unit file {unit} does not exist."),
        })),
    }
}

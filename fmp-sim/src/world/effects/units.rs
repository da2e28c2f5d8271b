//! Units.

use fmp_core::{NodeName, role::paths::key};
use fmp_exec::{Applied, Failure, FailureKind};

use crate::world::{World, host::Host, never, units::Started};

impl World {
    pub(crate) fn start_unit(&mut self, node: &NodeName, unit: &str) -> Result<Applied, Failure> {
        let host = self.running(node)?;
        let (before, had) = (host.unit_seen(unit), host.runs(unit));
        note(host, unit);
        enabled(node, unit, host.enable(unit))?;
        if !had {
            // `--no-block`: that a condition held it back is seen by whoever watches.
            host.start(unit);
        }
        Ok(if had && before == host.unit_seen(unit) { Applied::AlreadyDone } else { Applied::Done })
    }

    pub(crate) fn restart_unit(&mut self, node: &NodeName, unit: &str) -> Result<Applied, Failure> {
        let host = self.running(node)?;
        note(host, unit);
        enabled(node, unit, host.enable(unit))?;
        host.start(unit);
        Ok(Applied::Done)
    }

    pub(crate) fn reload_unit(&mut self, node: &NodeName, unit: &str) -> Result<Applied, Failure> {
        let host = self.running(node)?;
        enabled(node, unit, host.enable(unit))?;
        host.reload(unit);
        Ok(Applied::Done)
    }

    pub(crate) fn enable_unit(&mut self, node: &NodeName, unit: &str) -> Result<Applied, Failure> {
        let host = self.running(node)?;
        let before = host.unit_seen(unit);
        enabled(node, unit, host.enable(unit))?;
        Ok(if before == host.unit_seen(unit) { Applied::AlreadyDone } else { Applied::Done })
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

//! Units.

use std::sync::Arc;

use fmp_core::role::paths::key;
use fmp_exec::{Applied, Failure};

use super::Work;
use crate::{hosts::ledger, transport::Input};

const SCRIPT: &str = include_str!("scripts/unit.sh");
const STOP: &str = include_str!("scripts/stop.sh");

/// Starts, restarts, reloads or enables a unit, without waiting for it.
pub(super) async fn change(work: Work<'_>, how: &str, unit: &str) -> Result<Applied, Failure> {
    let name = ledger::file_name(&key::unit(unit));
    work.run(work.host()?, SCRIPT, &[how, unit, &name], Input::Empty).await
}

/// Stops units and keeps them from starting at the next boot; returns when they have ended.
pub(super) async fn stop(work: Work<'_>, units: &[Arc<str>]) -> Result<Applied, Failure> {
    let units: Vec<&str> = units.iter().map(|unit| &**unit).collect();
    work.run(work.host()?, STOP, &units, Input::Empty).await
}

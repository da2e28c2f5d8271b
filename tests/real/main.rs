//! The cluster on real machines: three mains, four work nodes, everything that must be shown of them.
//!
//! One list of checks, in order, on one cluster. `cargo test --test real -- drift` runs those whose name contains
//! `drift`. A check that finds the cluster out of order has it mended first, so that each stands for itself.
//! Read [`runner`] first.

#![expect(clippy::expect_used, clippy::panic, reason = "in a test, an error that nobody expects is a failure")]

mod bring_up;
mod drift;
mod lab;
mod runner;
mod security;
mod stale;

use std::process::ExitCode;

use runner::{Begin, Check};

/// Bounds are several times what a computer with two processors needs: they end what hangs, they measure nothing.
const CHECKS: &[Check] = &[
    Check { name: "real_bring_up", begin: Begin::Nothing, minutes: 15, run: bring_up::run },
    Check { name: "real_security", begin: Begin::InSync, minutes: 6, run: security::run },
    Check { name: "real_drift", begin: Begin::InSync, minutes: 12, run: drift::run },
    Check { name: "real_stale_plan", begin: Begin::InSync, minutes: 8, run: stale::run },
];

fn main() -> ExitCode {
    runner::run(CHECKS)
}

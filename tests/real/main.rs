//! The cluster on real machines: three mains, four work nodes, everything that must be shown of them.
//!
//! One list of checks, in order, on one cluster. `cargo test --test real -- drift` runs those whose name contains
//! `drift`. A check that finds the cluster out of order has it mended first, so that each stands for itself.
//! Read [`runner`] first.

#![expect(clippy::expect_used, clippy::panic, reason = "in a test, an error that nobody expects is a failure")]

mod ailments;
mod apps;
mod bring_up;
mod components;
mod crash;
mod departure;
mod destroy;
mod drift;
mod entrance;
mod foreign;
mod hosts;
mod image;
mod images;
mod ingress;
mod killed;
mod kubeconfig;
mod lab;
mod main_off;
mod objects;
mod packages;
mod power;
mod rebirth;
mod rehearse;
mod runner;
mod secrets;
mod security;
mod services;
mod stale;
mod standin;
mod vm;
mod vxlan;
mod workload;

use std::process::ExitCode;

use runner::{Begin, Check};

/// Bounds are several times what a computer with two processors needs: they end what hangs, they measure nothing. Each is
/// longer than one run of `fmp` may take, which says what it was about when it is ended.
const CHECKS: &[Check] = &[
    Check { name: "real_bring_up", begin: Begin::Nothing, minutes: 15, run: bring_up::run },
    Check { name: "real_workload", begin: Begin::InSync, minutes: 15, run: workload::run },
    Check { name: "real_security", begin: Begin::InSync, minutes: 15, run: security::run },
    Check { name: "real_secrets", begin: Begin::InSync, minutes: 15, run: secrets::run },
    Check { name: "real_kubeconfig", begin: Begin::InSync, minutes: 15, run: kubeconfig::run },
    Check { name: "real_drift", begin: Begin::InSync, minutes: 15, run: drift::run },
    Check { name: "real_rehearse", begin: Begin::InSync, minutes: 15, run: rehearse::run },
    Check { name: "real_doctor", begin: Begin::InSync, minutes: 30, run: ailments::run },
    Check { name: "real_objects", begin: Begin::InSync, minutes: 15, run: objects::run },
    Check { name: "real_components", begin: Begin::InSync, minutes: 15, run: components::run },
    Check { name: "real_entrance", begin: Begin::InSync, minutes: 60, run: entrance::run },
    Check { name: "real_apps_entrance", begin: Begin::InSync, minutes: 15, run: apps::run },
    Check { name: "real_stale_plan", begin: Begin::InSync, minutes: 15, run: stale::run },
    Check { name: "real_foreign_host", begin: Begin::InSync, minutes: 15, run: foreign::run },
    Check { name: "real_bad_hosts", begin: Begin::InSync, minutes: 15, run: hosts::run },
    Check { name: "real_etcd_rebirth", begin: Begin::InSync, minutes: 15, run: rebirth::run },
    Check { name: "real_power_cut", begin: Begin::InSync, minutes: 15, run: power::cut },
    Check { name: "real_crash_kinds", begin: Begin::Nothing, minutes: 30, run: killed::run },
    Check { name: "real_crash_moments", begin: Begin::InSync, minutes: 60, run: crash::moments },
    Check { name: "real_crash_faults", begin: Begin::InSync, minutes: 20, run: crash::faults },
    Check { name: "real_takeover", begin: Begin::InSync, minutes: 15, run: crash::takeover },
    // What does not fit into every run: `scripts/full` has it.
    Check { name: "real_full_main_off", begin: Begin::InSync, minutes: 15, run: main_off::run },
    Check { name: "real_full_reboots", begin: Begin::InSync, minutes: 20, run: power::reboots },
    Check { name: "real_full_ingress", begin: Begin::InSync, minutes: 15, run: ingress::run },
    Check { name: "real_full_services", begin: Begin::InSync, minutes: 15, run: services::run },
    Check { name: "real_full_images", begin: Begin::Nothing, minutes: 30, run: images::run },
    Check { name: "real_full_departure", begin: Begin::InSync, minutes: 15, run: departure::run },
    Check { name: "real_full_packages", begin: Begin::InSync, minutes: 30, run: packages::run },
    Check { name: "real_full_vxlan", begin: Begin::Nothing, minutes: 15, run: vxlan::run },
    Check { name: "real_full_vm", begin: Begin::Nothing, minutes: 60, run: vm::run },
    Check { name: "real_full_platform", begin: Begin::Nothing, minutes: 60, run: standin::run },
    // Last: it leaves no cluster behind.
    Check { name: "real_destroy", begin: Begin::InSync, minutes: 20, run: destroy::run },
];

fn main() -> ExitCode {
    runner::run(CHECKS)
}

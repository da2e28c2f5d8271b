//! FMP for programs: the same library that the `fmp` binary is made of.
//!
//! [`plan`] needs no I/O at all: a specification, a lock and an observation go in, a plan comes out.
//! [`observe`] and [`plan`] with providers of one's own, and [`fmp_providers::driver`] to carry a plan out, are all that
//! `fmp apply` does.

pub mod observe;

pub use fmp_bundle as bundle;
pub use fmp_core as core;
pub use fmp_exec as exec;
pub use fmp_plan as planner;
pub use fmp_providers as providers;
pub use fmp_sim as sim;

use fmp_core::{bundle::Lock, observed::Observed, role, spec::Spec};
use fmp_plan::Plan;

/// What is to be done to bring what was observed to what is wanted.
///
/// # Errors
/// The bundle lacks something that the cluster is made of.
pub fn plan(spec: &Spec, lock: &Lock, observed: &Observed) -> Result<Plan, role::LowerError> {
    let lowered = role::lower(spec, lock, observed)?;
    Ok(fmp_plan::plan(fmp_plan::Inputs {
        spec,
        bundle: lock.digest(),
        desired: &lowered.desired,
        silent: &lowered.waiting,
        observed,
    }))
}

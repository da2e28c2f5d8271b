//! The driver: carries out what the executor commands.
//!
//! Owns tasks, time and the journal's file. Decides nothing: which step begins when is the executor's, whether it is safe
//! is the [`Judge`]'s, how it is done is its provider's. Read [`run`] first.

mod drive;
mod journal;
pub mod lease;
pub mod lease_host;
mod routes;
#[cfg(test)]
mod tests;

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use fmp_core::observed::Observed;
use fmp_exec::{
    Context, Judgement, Limits, Outcome, PlanError, Progress, Provider, Questions, absence, journal::Header,
    lease::Refused, merge,
};
use fmp_plan::{Plan, Step, step::Subject};
use tokio::sync::mpsc;

use self::lease::Hold;

/// Carries out a plan.
///
/// Returns when every step has come to its end, or when a person stopped the run. Steps in flight are tasks: dropping
/// this future stops waiting for them, not their effects on the hosts.
///
/// # Errors
/// Before the first step: the plan can't be carried out as a whole, or a subject has no provider, or two.
pub async fn run(
    plan: &Plan,
    providers: &[Arc<dyn Provider>],
    cx: Context,
    judge: &dyn Judge,
    options: Options,
    sink: &mut (dyn FnMut(&Progress) + Send),
) -> Result<Report, DriveError> {
    let routes = routes::Routes::new(plan, providers)?;
    let drive = drive::Drive::new(plan, routes, cx, judge, options, sink)?;
    Ok(drive.finish().await)
}

/// Asks all providers, one after the other: each asks its hosts all at once. `ask` names every main.
pub async fn observe(providers: &[Arc<dyn Provider>], cx: &Context, ask: &Questions) -> Observed {
    let mut observed = merge::nothing();
    for provider in providers {
        observed = merge(observed, provider.observe(cx, ask).await);
    }
    absence::infer(observed, ask)
}

/// The safety function, and what it wants to know.
pub trait Judge: Send + Sync {
    /// What is to be observed afresh before these steps are judged.
    fn questions(&self, steps: &[&Step]) -> Questions;

    /// Whether `step` may begin beside the steps that are in flight.
    fn judge(&self, observed: &Observed, step: &Step, in_flight: &[&Step]) -> Judgement;
}

/// How a plan is carried out.
#[derive(Debug)]
pub struct Options {
    /// How much at once, how often.
    pub limits: Limits,
    /// Where to append what happens, and the line that says which run it is.
    pub journal: Option<(PathBuf, Header)>,
    /// One message for each time that a person asks to stop.
    pub interrupts: mpsc::Receiver<()>,
    /// How long steps in flight are waited for once a person asked to stop.
    pub patience: Duration,
    /// The lease. When it is lost, that is as if a person asked to stop; while it may have run out, nothing begins.
    pub lease: Option<Hold>,
}

/// How long steps in flight are waited for after the first request to stop: most steps end within seconds, and a person
/// who asked to stop does not wait for a machine that boots.
pub const PATIENCE: Duration = Duration::from_mins(1);

impl Options {
    /// The usual limits, no journal, no lease.
    pub fn new(interrupts: mpsc::Receiver<()>) -> Self {
        Self { limits: Limits::default(), journal: None, interrupts, patience: PATIENCE, lease: None }
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Report {
    /// Every step of the plan, by how it ended.
    pub outcome: Outcome,
    /// Why the journal is not complete. A run does not end for it.
    pub journal: Option<io::Error>,
    /// The lease was lost: another run may go on.
    pub lease_lost: Option<Refused>,
    /// How long it took.
    pub took: Duration,
}

/// Why a plan is not begun.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// The plan can't be carried out as a whole.
    #[error("reading the plan's steps")]
    Plan(#[from] PlanError),
    /// Nobody carries out steps on this subject.
    #[error("no provider claims {}", name(.0))]
    NoProvider(Subject),
    /// More than one does.
    #[error("{claims} providers claim {}", name(.subject))]
    ManyProviders {
        /// Which subject.
        subject: Subject,
        /// How many.
        claims: usize,
    },
}

fn name(subject: &Subject) -> String {
    match subject {
        Subject::Machine(node) => format!("the machine {node}"),
        Subject::Host(node) => format!("the host {node}"),
        Subject::Cluster => "the cluster".to_owned(),
    }
}

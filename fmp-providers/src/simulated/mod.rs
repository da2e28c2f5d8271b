//! A simulated world that outlives the process: `kind = "sim"`.
//!
//! Owns the file that the world lies in. What happens in the world is the simulator's ([`fmp_sim`]); nothing here is
//! drawn by lot, so the same commands give the same world. Each change is read, made and written under a lock: two runs
//! of `fmp` see each other, and one that is killed leaves the world as it was after its last change.

mod file;
mod lease;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use fmp_core::{
    NodeName,
    observed::{Fact, Observed},
    resource::Check,
    spec::Spec,
};
use fmp_exec::{Applied, Context, Effect, Failure, FailureKind, Provider, Questions, Retry, Task, Watched, merge};
use fmp_plan::{Step, step::Subject};
use fmp_sim::{World, world::Setup};

pub use self::{file::SimError, lease::SimLease};

/// A simulated world in a file.
#[derive(Debug)]
pub struct SimWorld {
    path: PathBuf,
    setup: Setup,
}

impl SimWorld {
    /// The world of `spec` in the file at `path`, which is made when something is first changed.
    ///
    /// Machines are as large as anything needs; nodes that the file names later get a place in it.
    pub fn new(path: PathBuf, spec: &Spec) -> Self {
        // Whoever tries something out does not wait for machines: all of them are fast.
        Self { path, setup: Setup::of(spec) }
    }

    /// Changes the world by hand, as an accident or a person would.
    ///
    /// # Errors
    /// The file can't be read or written.
    pub async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut World) -> T + Send + 'static,
    ) -> Result<T, SimError> {
        file::change(self.path.clone(), self.setup.clone(), change).await
    }

    async fn look<T: Send + 'static>(&self, look: impl FnOnce(&World) -> T + Send + 'static) -> Result<T, SimError> {
        file::look(self.path.clone(), self.setup.clone(), look).await
    }

    /// The world as it was before anything was done.
    ///
    /// # Errors
    /// The file can't be removed.
    pub async fn forget(&self) -> Result<(), SimError> {
        file::forget(self.path.clone()).await
    }
}

/// Where the simulated world of the cluster's file lies: beside it.
pub fn state_file(cluster_file: &std::path::Path) -> PathBuf {
    cluster_file.with_extension("sim.json")
}

impl Provider for SimWorld {
    fn claims(&self, _: &Subject) -> bool {
        true
    }

    fn observe<'a>(&'a self, _: &'a Context, ask: &'a Questions) -> Task<'a, Observed> {
        Box::pin(async move {
            let asked = ask.clone();
            self.look(move |world| world.observe(&asked)).await.unwrap_or_else(|error| unseen(ask, &error))
        })
    }

    fn apply<'a>(&'a self, cx: &'a Context, step: &'a Step) -> Task<'a, Result<Applied, Failure>> {
        Box::pin(async move {
            let (cx, step) = (cx.clone(), step.clone());
            self.change(move |world| world.apply(&cx, &step)).await.unwrap_or_else(|error| Err(broken(error)))
        })
    }

    fn watch<'a>(&'a self, _: &'a Context, check: &'a Check) -> Task<'a, Result<Watched, Failure>> {
        Box::pin(async move {
            let check = check.clone();
            self.change(move |world| world.watch(&check)).await.unwrap_or_else(|error| Err(broken(error)))
        })
    }
}

fn unseen(ask: &Questions, error: &SimError) -> Observed {
    let unknown = |node: &NodeName| (node.clone(), Fact::Unknown(error.to_string()));
    Observed { hosts: ask.hosts.keys().map(unknown).collect(), ..merge::nothing() }
}

fn broken(error: SimError) -> Failure {
    let kind = FailureKind::Other(error.to_string());
    Failure { effect: Effect::MayHaveHappened, retry: Retry::Never, kind, source: Some(Box::new(error)) }
}

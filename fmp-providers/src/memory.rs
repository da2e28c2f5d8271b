//! A world in memory behind the [`Provider`] trait: the simulator's, without faults, shared by whoever has a clone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fmp_core::{observed::Observed, resource::Check};
use fmp_exec::{Applied, Context, Failure, Provider, Questions, Task, Watched};
use fmp_plan::{Step, step::Subject};
use fmp_sim::World;
pub use fmp_sim::world::{Setup, machine};

/// A world in memory. Clones are the same world.
#[derive(Debug, Clone)]
pub struct MemoryWorld(Arc<Mutex<World>>);

impl MemoryWorld {
    /// A fresh world.
    pub fn new(setup: Setup) -> Self {
        Self(Arc::new(Mutex::new(World::new(setup))))
    }

    /// The world itself, for as long as nobody else needs it.
    ///
    /// A panic in one test thread must not hide the panic's own message behind a poisoned lock.
    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers questions, as [`Provider::observe`] does.
    pub fn observe(&self, ask: &Questions) -> Observed {
        self.lock().observe(ask)
    }

    /// Makes a step's change, as [`Provider::apply`] does.
    ///
    /// # Errors
    /// What a host would say.
    pub fn apply(&self, cx: &Context, step: &Step) -> Result<Applied, Failure> {
        self.lock().apply(cx, step)
    }

    /// Whether `check` holds. Nothing comes true by waiting here: what does not hold now has failed.
    ///
    /// # Errors
    /// With the last state seen.
    pub fn watch(&self, check: &Check) -> Result<Watched, Failure> {
        self.lock().watch(check)
    }
}

impl Provider for MemoryWorld {
    fn claims(&self, _: &Subject) -> bool {
        true
    }

    fn observe<'a>(&'a self, _: &'a Context, ask: &'a Questions) -> Task<'a, Observed> {
        Box::pin(async move { self.observe(ask) })
    }

    fn apply<'a>(&'a self, cx: &'a Context, step: &'a Step) -> Task<'a, Result<Applied, Failure>> {
        Box::pin(async move { self.apply(cx, step) })
    }

    fn watch<'a>(&'a self, _: &'a Context, check: &'a Check) -> Task<'a, Result<Watched, Failure>> {
        Box::pin(async move { self.watch(check) })
    }
}

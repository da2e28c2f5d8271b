//! Scenarios: one seed, one run.
//!
//! Something is wanted; a controller observes, plans and carries out while faults come and go; then all faults end, and
//! within a bounded number of rounds nothing may be left to do. Where a quorum of etcd's data is lost, the plan must say
//! that a backup or a consent is needed.

#[cfg(test)]
mod fences;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod minimal;
#[cfg(test)]
mod orders;
pub(crate) mod play;
mod shrink;
#[cfg(test)]
mod stories;
mod topology;

use std::{collections::BTreeMap, sync::Arc};

use fmp_core::{bundle::Lock, profile::Profiles, spec};
pub(crate) use play::{Look, Played, play_through};
pub use play::{Report, replay, run, run_of};
pub(crate) use shrink::fewest;
pub use shrink::shrink;
pub use topology::{Deck, Drawn, Kind, Shape};

use crate::{
    Case, Setup, World,
    world::{Pace, machine},
};

/// Why a scenario can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The lock can't be read.
    #[error("the lock can't be read: {0}")]
    Lock(String),
    /// A generated file has mistakes.
    #[error("a generated file has mistakes: {0}")]
    File(String),
    /// The bundle lacks something.
    #[error("nothing can be lowered")]
    Lower(#[from] fmp_core::role::LowerError),
    /// The cluster that a scenario begins with never came to stand.
    #[error("the cluster that this begins with does not converge: {0}")]
    Begin(String),
}

/// What many runs share: files that were read, worlds that stand.
#[derive(Debug)]
pub struct Catalog {
    profiles: Profiles,
    lock: String,
    cases: BTreeMap<Shape, Arc<Case>>,
    worlds: BTreeMap<Shape, World>,
    /// How long it takes without faults to bring one shape to another one, in milliseconds.
    calm_ms: BTreeMap<(Kind, Shape, Shape), u64>,
}

impl Catalog {
    /// A catalog that plans with this lock. It is one of Kubernetes 1.29.15; others are made of it.
    pub fn new(lock: &str) -> Self {
        Self {
            profiles: topology::profiles(),
            lock: lock.to_owned(),
            cases: BTreeMap::new(),
            worlds: BTreeMap::new(),
            calm_ms: BTreeMap::new(),
        }
    }

    /// What a shape means.
    ///
    /// # Errors
    /// The shape or the lock is no such thing.
    pub fn case(&mut self, shape: &Shape) -> Result<Arc<Case>, SetupError> {
        if let Some(case) = self.cases.get(shape) {
            return Ok(case.clone());
        }
        let spec = spec::parse("cluster.toml", &shape.file(), &self.profiles)
            .map_err(|problems| SetupError::File(format!("{problems:?}")))?;
        let lock = Lock::parse(&self.lock.replace("1.29.15", shape.kubernetes))
            .map_err(|error| SetupError::Lock(error.to_string()))?;
        let case = Arc::new(Case::new(spec, Arc::new(lock))?);
        // Drawn shapes are many; those that worlds stand for are few.
        if self.cases.len() > 64 {
            self.cases.clear();
        }
        self.cases.insert(shape.clone(), case.clone());
        Ok(case)
    }

    /// Bare machines for a shape.
    ///
    /// # Errors
    /// As [`Catalog::case`].
    pub fn bare(&mut self, shape: &Shape) -> Result<World, SetupError> {
        let case = self.case(shape)?;
        Ok(World::new(Setup { pace: Pace::Machines, machine: machine(), ..Setup::of(&case.spec) }))
    }

    /// A cluster of this shape that stands.
    ///
    /// # Errors
    /// It does not come to stand.
    pub fn settled(&mut self, shape: &Shape) -> Result<World, SetupError> {
        if let Some(world) = self.worlds.get(shape) {
            return Ok(world.clone());
        }
        let world = play::settle(self, shape)?;
        self.worlds.insert(shape.clone(), world.clone());
        Ok(world)
    }
}

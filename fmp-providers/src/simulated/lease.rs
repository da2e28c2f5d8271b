//! The lease on one simulated main.

use std::sync::Arc;

use async_trait::async_trait;
use fmp_core::NodeName;
use fmp_exec::lease::{Answer, Glance, LeaseRecord};

use super::SimWorld;
use crate::driver::lease::LeaseStore;

/// The lease on one main of a simulated world.
#[derive(Debug)]
pub struct SimLease {
    world: Arc<SimWorld>,
    main: NodeName,
}

impl SimLease {
    /// The lease on `main`.
    pub const fn new(world: Arc<SimWorld>, main: NodeName) -> Self {
        Self { world, main }
    }

    fn silent(&self) -> String {
        format!("there is no main {}", self.main)
    }
}

#[async_trait]
impl LeaseStore for SimLease {
    async fn glance(&self) -> Glance {
        match self.world.look(fmp_sim::World::glance).await {
            Ok(mut glances) => glances.remove(&self.main).unwrap_or_else(|| Glance::Silent(self.silent())),
            Err(error) => Glance::Silent(error.to_string()),
        }
    }

    async fn take(&self, record: &LeaseRecord) -> Answer {
        let record = record.clone();
        // Every main is asked by whoever holds this one's lease, and each time says the same.
        match self.world.change(move |world| world.take_lease(&record)).await {
            Ok(mut answers) => answers.remove(&self.main).unwrap_or_else(|| Answer::Silent(self.silent())),
            Err(error) => Answer::Silent(error.to_string()),
        }
    }

    async fn release(&self, record: &LeaseRecord) {
        let record = record.clone();
        if let Err(error) = self.world.change(move |world| world.release_lease(&record)).await {
            tracing::debug!(%error, "a lease is not given back and runs out");
        }
    }
}

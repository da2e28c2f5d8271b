//! What one cluster's file asks and plans: shared by all rounds, since it does not change.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use fmp_core::{
    Digest,
    bundle::Lock,
    observed::Observed,
    role::{self, Given, LowerError, Lowered},
    spec::Spec,
};
use fmp_exec::{Questions, ask, judge};
use fmp_plan::{Inputs, Plan};

use crate::{World, world::Pace};

/// A cluster's file and what follows from it alone.
#[derive(Debug)]
pub struct Case {
    /// What is wanted.
    pub spec: Spec,
    /// What the bundle holds.
    pub lock: Arc<Lock>,
    /// What must be asked to plan.
    pub(crate) questions: Questions,
    /// What must be asked to judge.
    pub(crate) to_judge: Questions,
    /// The lock's digest.
    digest: Digest,
    /// What was lowered already, by all that it depends on.
    lowered: Mutex<BTreeMap<Given, Arc<Lowered>>>,
}

/// What is kept of lowering: what most rounds ask for again.
const KEPT: usize = 8;

impl Case {
    /// Prepares a specification.
    ///
    /// # Errors
    /// The bundle lacks something that the cluster is made of.
    pub fn new(spec: Spec, lock: Arc<Lock>) -> Result<Self, LowerError> {
        let questions = ask::questions(&spec, &role::questions_graph(&spec, &lock)?);
        // Safety reads what the mains say of etcd and the API, and nothing of their files.
        let mut to_judge = judge::questions(&questions, &spec);
        to_judge.hosts.values_mut().for_each(|host| {
            *host = fmp_exec::provider::HostQuestions { main: true, ..Default::default() };
        });
        Ok(Self { spec, digest: lock.digest(), lock, questions, to_judge, lowered: Mutex::default() })
    }

    /// What is to be done to bring what was observed to what is wanted.
    ///
    /// # Errors
    /// The bundle lacks something that the cluster is made of.
    pub fn plan(&self, observed: &Observed) -> Result<Plan, LowerError> {
        let lowered = self.lower(observed)?;
        Ok(fmp_plan::plan(Inputs {
            spec: &self.spec,
            bundle: self.digest,
            desired: &lowered.desired,
            silent: &lowered.waiting,
            observed,
        }))
    }

    /// A world that looks as this case's real one was observed.
    ///
    /// # Errors
    /// The bundle lacks something that the cluster is made of.
    pub fn mirror(&self, observed: &Observed, pace: Pace) -> Result<World, LowerError> {
        Ok(World::mirror(&self.spec, &self.lower(observed)?.desired, observed, pace))
    }

    /// What is wanted of each machine, where that depends on what was observed.
    ///
    /// # Errors
    /// As [`Case::plan`].
    pub(super) fn lower(&self, observed: &Observed) -> Result<Arc<Lowered>, LowerError> {
        let given = Given::of(&self.spec, observed);
        let mut kept = self.lowered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lowered) = kept.get(&given) {
            return Ok(lowered.clone());
        }
        let lowered = Arc::new(role::lower_given(&self.spec, &self.lock, &given)?);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(given, lowered.clone());
        Ok(lowered)
    }
}

//! Which provider carries out which step.

use std::{collections::BTreeMap, sync::Arc};

use fmp_exec::Provider;
use fmp_plan::{Plan, step::Subject};

use super::DriveError;

/// The one provider of every subject of a plan.
pub(super) struct Routes {
    pub(super) all: Vec<Arc<dyn Provider>>,
    by_subject: BTreeMap<Subject, Arc<dyn Provider>>,
}

impl Routes {
    /// Asks every provider about every subject.
    ///
    /// # Errors
    /// A subject that nobody claims, or more than one.
    pub(super) fn new(plan: &Plan, providers: &[Arc<dyn Provider>]) -> Result<Self, DriveError> {
        let mut by_subject = BTreeMap::new();
        for step in &plan.steps {
            if !by_subject.contains_key(&step.subject) {
                by_subject.insert(step.subject.clone(), claimed(&step.subject, providers)?);
            }
        }
        Ok(Self { all: providers.to_vec(), by_subject })
    }

    /// The provider of a subject of the plan.
    pub(super) fn of(&self, subject: &Subject) -> Arc<dyn Provider> {
        self.by_subject[subject].clone()
    }
}

fn claimed(subject: &Subject, providers: &[Arc<dyn Provider>]) -> Result<Arc<dyn Provider>, DriveError> {
    let claims: Vec<_> = providers.iter().filter(|provider| provider.claims(subject)).collect();
    match claims[..] {
        [] => Err(DriveError::NoProvider(subject.clone())),
        [one] => Ok(one.clone()),
        _ => Err(DriveError::ManyProviders { subject: subject.clone(), claims: claims.len() }),
    }
}

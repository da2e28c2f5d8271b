//! Components: what runs on the cluster as pods, besides its own parts.
//!
//! A component is objects of the API and images of the bundle. Its images are on every node that its pods may run on, before
//! that node's kubelet runs and before the pods are made: no registry is asked. A file a component.

mod coredns;

use super::{LowerError, common::Common, paths::key, programs, recipe::Recipe};
use crate::{
    bundle::Lock,
    resource::{Image, Object, Resource},
    spec::{Dns, Role, Spec},
};

/// The objects of one component.
pub(super) struct Component {
    /// What the pods need to run as they should.
    pub(super) ground: Vec<Object>,
    /// What makes the pods: comes after all the rest.
    pub(super) workload: Object,
}

/// Images that components need, as the bundle has them.
#[derive(Debug)]
pub(super) struct Images {
    coredns: Option<Image>,
}

impl Images {
    /// Looks them up.
    ///
    /// # Errors
    /// The bundle lacks one.
    pub(super) fn read(spec: &Spec, lock: &Lock) -> Result<Self, LowerError> {
        let coredns = match &spec.components.dns {
            Dns::Coredns { .. } => Some(programs::image(lock, coredns::IMAGE)?),
            Dns::None => None,
        };
        Ok(Self { coredns })
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Image> {
        self.coredns.iter()
    }
}

/// All components.
pub(super) fn all(common: &Common<'_>) -> Vec<Component> {
    let coredns = match (&common.spec.components.dns, &common.images.coredns) {
        (Dns::Coredns { forward }, Some(image)) => Some(coredns::component(common, image, forward.as_deref())),
        (Dns::Coredns { .. } | Dns::None, _) => None,
    };
    coredns.into_iter().collect()
}

/// Adds to the recipe of `role` the images of pods that may run there. Returns their keys.
pub(super) fn add_images(recipe: &mut Recipe<'_>, common: &Common<'_>, role: Role) -> Vec<std::sync::Arc<str>> {
    let images = common.images.all().filter(|_| holders(common.spec).0 == role);
    images.map(|image| recipe.same(&key::image(&image.reference), Resource::Image(image.clone()))).collect()
}

/// Which nodes components run on, and how many these are: work nodes, and mains where there are none.
fn holders(spec: &Spec) -> (Role, usize) {
    match spec.workers().count() {
        0 => (Role::Main, spec.mains().count()),
        works => (Role::Work, works),
    }
}

//! Components: what runs on the cluster as pods, besides its own parts.
//!
//! A component is objects of the API and images of the bundle. Its images are on every node that its pods may run on, before
//! that node's kubelet runs and before the pods are made: no registry is asked. A file a component.

mod coredns;
mod manifests;

use std::{collections::BTreeMap, sync::Arc};

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
    /// Those that manifests name and the bundle has, and whether their pods may run on mains beside work nodes. What the
    /// bundle lacks is for nodes to pull.
    brought: BTreeMap<Arc<str>, (Image, bool)>,
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
        Ok(Self { coredns, brought: brought_images(spec, lock) })
    }

    /// All of them, with whether they are needed on every node, or only where components run.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Image, bool)> {
        let brought = self.brought.values().map(|(image, everywhere)| (image, *everywhere));
        self.coredns.iter().map(|image| (image, false)).chain(brought)
    }

    /// Whether an object's pods need an image of the bundle.
    pub(super) fn are_needed_by(&self, object: &Object) -> bool {
        manifests::pods(object).images.iter().any(|reference| self.brought.contains_key(&**reference))
    }
}

fn brought_images(spec: &Spec, lock: &Lock) -> BTreeMap<Arc<str>, (Image, bool)> {
    let bundled = lock.entries().filter_map(|entry| programs::image(lock, entry.name.as_str()).ok());
    let bundled: BTreeMap<Arc<str>, Image> = bundled.map(|image| (image.reference.clone(), image)).collect();
    let mut brought: BTreeMap<Arc<str>, (Image, bool)> = BTreeMap::new();
    for object in objects(spec) {
        let manifests::Pods { images, tolerant } = manifests::pods(object);
        for image in images.iter().filter_map(|reference| bundled.get(&**reference)) {
            brought.entry(image.reference.clone()).or_insert_with(|| (image.clone(), false)).1 |= tolerant;
        }
    }
    brought
}

/// Everything that a person brings.
pub(super) fn objects(spec: &Spec) -> impl Iterator<Item = &Object> {
    spec.components.manifests.values().flat_map(|bundled| &bundled.objects)
}

/// The same as a list, with pairs of positions there, the later one first.
pub(super) fn ordered(spec: &Spec) -> (Vec<Object>, Vec<(usize, usize)>) {
    let all: Vec<Object> = objects(spec).cloned().collect();
    let order = manifests::order(&all);
    (all, order)
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
pub(super) fn add_images(recipe: &mut Recipe<'_>, common: &Common<'_>, role: Role) -> Vec<Arc<str>> {
    let images = common.images.all().filter(|(_, everywhere)| *everywhere || holders(common.spec).0 == role);
    images.map(|(image, _)| recipe.same(&key::image(&image.reference), Resource::Image(image.clone()))).collect()
}

/// Which nodes components run on, and how many these are: work nodes, and mains where there are none.
fn holders(spec: &Spec) -> (Role, usize) {
    match spec.workers().count() {
        0 => (Role::Main, spec.mains().count()),
        works => (Role::Work, works),
    }
}

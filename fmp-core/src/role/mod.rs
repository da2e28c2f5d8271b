//! Roles: what every kind of node needs to be part of a cluster, as resources and edges.
//!
//! A role writes a recipe: texts, programs, certificates, units, and what they need of each other. A recipe is made
//! once and stamped out on every node. Owns the content of every file on a host; knows nothing of how it gets there.
//! Read [`lower`] first, then `etcd`.

mod apiserver;
mod common;
mod components;
mod controllers;
mod entrance;
mod etcd;
mod images;
mod kubeconfig;
mod minor;
mod node;
mod objects;
pub(crate) mod packages;
pub mod paths;
mod pki;
mod pod_ranges;
mod programs;
mod recipe;
mod service;
mod tools;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use self::{
    common::Common,
    components::Component,
    paths::key,
    recipe::{Recipe, Stamp, ThisNode},
};
use crate::{
    KubeVersion, NodeName,
    bundle::Lock,
    graph::{Added, Builder, Desired, GraphError},
    manifest,
    net::Cidr,
    observed::{Fact, Observed},
    os::Need,
    resource::{Object, Resource, ResourceId},
    spec::{MachineKind, NetworkMode, Node, Role, Spec},
};

/// What is wanted, as far as it can be said now.
#[derive(Debug, Clone)]
pub struct Lowered {
    /// The graph of everything that is wanted.
    pub desired: Desired,
    /// Nodes of which nothing is said yet, each with the fact that it waits for.
    pub waiting: Vec<(NodeName, String)>,
}

/// Why a specification can't be lowered.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LowerError {
    /// Something that a role needs is not in the bundle.
    #[error("the bundle has no `{name}`")]
    Missing {
        /// Its name.
        name: String,
    },
    /// Packages are to come from the bundle, and it has none.
    #[error("the bundle has no package files, and {need} is to come from there")]
    Packages {
        /// What a role needs.
        need: Need,
    },
    /// The bundle holds another version of Kubernetes than the file asks for.
    #[error("the bundle has `{name}` {locked}, and {wanted} is wanted")]
    Version {
        /// The artifact.
        name: String,
        /// The version in the lock.
        locked: String,
        /// The version in `cluster.toml`.
        wanted: KubeVersion,
    },
    /// The bundle holds a release of a program beside Kubernetes that does not serve it.
    #[error("the bundle has `{name}` {locked}, and Kubernetes {wanted} needs {needed}")]
    Unfit {
        /// The program.
        name: String,
        /// Its version in the lock.
        locked: String,
        /// Which versions serve, in words.
        needed: String,
        /// The version in `cluster.toml`.
        wanted: KubeVersion,
    },
    /// A minor version that FMP can't write configuration for.
    #[error("nobody has taught FMP to configure Kubernetes {wanted}")]
    Minor {
        /// The version in `cluster.toml`.
        wanted: KubeVersion,
    },
    /// The bundle holds an image of another archive than the file names.
    #[error("the bundle's `{name}` is not the one of the archive {archive}")]
    Archive {
        /// The image's name in the bundle.
        name: String,
        /// The archive, as the file names it.
        archive: String,
    },
    /// An image of the bundle that can't be stored for nodes to pull.
    #[error("the image `{name}` ({reference}) can't be stored for nodes to pull: {why}")]
    Image {
        /// Its name in the bundle.
        name: String,
        /// What it is called.
        reference: String,
        /// What is missing.
        why: &'static str,
    },
    /// A manifest of a person brings what FMP brings itself.
    #[error("the manifests bring {key}, which FMP brings itself")]
    Taken {
        /// The object's key.
        key: String,
    },
    /// A role contradicts itself: a bug.
    #[error("a role contradicts itself")]
    Graph(#[from] GraphError),
}

impl LowerError {
    /// What a person can do about it, as one sentence.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "`fmp bundle build` completes the bundle",
            Self::Packages { .. } => {
                "name the systems of your hosts under [release.packages.debs] in bundle.toml, then `fmp bundle build`"
            }
            Self::Version { .. } => {
                "write one version into both cluster.toml and bundle.toml, then `fmp bundle build` makes the bundle"
            }
            Self::Unfit { .. } => "write such a version into bundle.toml, then `fmp bundle build` makes the bundle",
            Self::Archive { .. } => {
                "name the archive as `platform` at the top of bundle.toml too, then `fmp bundle build` takes its images"
            }
            Self::Minor { .. } => "write a version into cluster.toml that FMP knows: 1.25 to 1.29",
            Self::Image { .. } => {
                "write its whole name into bundle.toml, `registry.example.org/folder/name:tag`, then `fmp bundle build \
                 --update` makes the bundle again"
            }
            Self::Taken { .. } => "remove it from the manifests; what FMP brings is turned off under [components]",
            Self::Graph(_) => "this is a mistake in FMP; please report it",
        }
    }
}

/// Every kind of Kubernetes' own objects that FMP may apply, or ever applied: what nothing wants any more is found among
/// them too.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    manifest::own()
}

/// Says what is wanted of every host that answered, and of every host that is yet to be made.
///
/// Of a host that is `Unknown` nothing but its machine is wanted, and it is named in [`Lowered::waiting`] with the reason.
///
/// # Errors
/// A bundle that lacks something, or an unknown version of Kubernetes.
pub fn lower(spec: &Spec, lock: &Lock, observed: &Observed) -> Result<Lowered, LowerError> {
    lower_given(spec, lock, &Given::of(spec, observed))
}

/// All that lowering reads of an observation. Where it is the same, so is what is wanted: whoever lowers often can keep it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Given {
    ranges: BTreeMap<NodeName, Cidr>,
    /// Hosts of which nothing can be said, and why.
    silent: BTreeMap<NodeName, String>,
}

impl Given {
    /// What an observation gives.
    pub fn of(spec: &Spec, observed: &Observed) -> Self {
        let silent = |name: &NodeName| match observed.hosts.get(name) {
            Some(Fact::Known(_) | Fact::Absent) => None,
            Some(Fact::Unknown(why)) => Some((name.clone(), why.clone())),
            None => Some((name.clone(), "nobody asked it".to_owned())),
        };
        let ranges = pod_ranges::allocate(spec, Some(observed)).into_iter();
        Self {
            ranges: ranges.map(|(name, range)| (name.clone(), range)).collect(),
            silent: spec.nodes.keys().filter_map(silent).collect(),
        }
    }
}

/// The same as [`lower`], from what an observation gives.
///
/// # Errors
/// As [`lower`].
pub fn lower_given(spec: &Spec, lock: &Lock, given: &Given) -> Result<Lowered, LowerError> {
    let known = |name: &NodeName| given.silent.get(name).map_or(Ok(()), |why| Err(why.clone()));
    let ranges = given.ranges.iter().map(|(name, range)| (name, *range)).collect();
    build(spec, lock, &ranges, known)
}

/// The same with every host taken as there: which paths, units and certificates to ask hosts for. Ids and paths don't
/// depend on facts.
///
/// # Errors
/// As [`lower`].
pub fn questions_graph(spec: &Spec, lock: &Lock) -> Result<Desired, LowerError> {
    let lowered = build(spec, lock, &pod_ranges::allocate(spec, None), |_| Ok(()))?;
    Ok(lowered.desired)
}

fn build(
    spec: &Spec,
    lock: &Lock,
    ranges: &BTreeMap<&NodeName, Cidr>,
    known: impl Fn(&NodeName) -> Result<(), String>,
) -> Result<Lowered, LowerError> {
    let common = Common::new(spec, &spec.profile, lock)?;
    let vms = spec.profiles().nth(1).map(|vm| Common::new(spec, vm, lock)).transpose()?;
    let components = components::all(&common);
    own_objects_are_ours(&common, &components)?;
    let pressed = |(machine, part): (MachineKind, Part)| {
        let common = vms.as_ref().filter(|_| machine == MachineKind::Vm).unwrap_or(&common);
        ((machine, part), Pressed::new(common, recipe_of(common, part)))
    };
    let kinds: BTreeSet<_> = spec.nodes.values().map(|node| (node.machine, Part::of(node))).collect();
    let roles: BTreeMap<_, _> = kinds.into_iter().map(pressed).collect();
    let mut builder = Builder::default();
    let mut cluster = Cluster::add(&mut builder, &common, components);
    let mut waiting = Vec::new();
    for (name, node) in &spec.nodes {
        let pods = ranges.get(name).copied();
        match known(name).and_then(|()| ranged(spec, node.role, pods)) {
            Ok(()) => {
                let role = &roles[&(node.machine, Part::of(node))];
                cluster.join(role, &role.stamp.press(&mut builder, &ThisNode { name, node, pods }));
            }
            Err(why) => {
                // One that is switched off does not answer either: it is started by whoever made it.
                if spec.environment.makes_machines() {
                    builder.add(ResourceId::node(name, key::MACHINE), Resource::Machine);
                }
                waiting.push((name.clone(), why));
            }
        }
    }
    cluster.connect(&mut builder);
    Ok(Lowered { desired: builder.finish()?, waiting })
}

/// Refuses manifests that bring what FMP brings.
fn own_objects_are_ours(common: &Common<'_>, components: &[Component]) -> Result<(), LowerError> {
    let parts = components.iter().flat_map(|part| part.ground.iter().chain([&part.workload]));
    let own = objects::of_cluster(common).into_iter().chain(objects::health());
    let ours: BTreeSet<String> = own.map(|object| object.key).chain(parts.map(|object| object.key.clone())).collect();
    let is_ours = |key: &String| ours.contains(key) || key.starts_with(paths::INVENTORY);
    match common.brought.iter().find(|object| is_ours(&object.key)) {
        Some(object) => Err(LowerError::Taken { key: object.key.clone() }),
        None => Ok(()),
    }
}

/// Whether a node has all the addresses that it needs.
fn ranged(spec: &Spec, role: Role, pods: Option<Cidr>) -> Result<(), String> {
    let network = &spec.network;
    match (network.mode, pods) {
        (NetworkMode::External, _) | (_, Some(_)) => Ok(()),
        _ if !role.is_of_kubernetes() => Ok(()),
        (NetworkMode::Routed | NetworkMode::Flannel, None) => {
            Err(format!("no part of /{} is free in the pods' range {}", network.node_prefix, network.pods))
        }
    }
}

/// What is stamped out as one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Main,
    Work,
    /// A work node with a disk of its own for its data.
    WorkWithVolume,
    /// The machine that stores images.
    Images,
}

impl Part {
    fn of(node: &Node) -> Self {
        match (node.role, node.disks.is_empty()) {
            (Role::Main, _) => Self::Main,
            (Role::Work, true) => Self::Work,
            (Role::Work, false) => Self::WorkWithVolume,
            (Role::Images, _) => Self::Images,
        }
    }

    const fn role(self) -> Role {
        match self {
            Self::Main => Role::Main,
            Self::Work | Self::WorkWithVolume => Role::Work,
            Self::Images => Role::Images,
        }
    }
}

fn recipe_of<'a>(common: &'a Common<'_>, part: Part) -> Recipe<'a> {
    let mut recipe = Recipe::default();
    if part.role().is_of_kubernetes() {
        node::add(&mut recipe, common, part.role());
    }
    match part {
        Part::Main => {
            tools::add(&mut recipe, common);
            etcd::add(&mut recipe, common);
            apiserver::add(&mut recipe, common);
            controllers::add(&mut recipe, common);
        }
        Part::Work => {}
        Part::Images => images::add(&mut recipe, common),
        Part::WorkWithVolume => node::volume::add(&mut recipe, common),
    }
    entrance::add(&mut recipe, common, part.role());
    packages::add(&mut recipe, common, part);
    recipe
}

/// A role's recipe, and where those of its parts stand that the whole cluster looks at.
struct Pressed<'a> {
    stamp: Stamp<'a>,
    apiserver: Option<usize>,
    node_object: Option<usize>,
    flanneld: Option<usize>,
    /// Images of components.
    images: Vec<usize>,
    /// Images that may be pulled, by reference, and where each of them is stored.
    pulled: Vec<(Arc<str>, usize)>,
    stored: Vec<(Arc<str>, usize)>,
    registry: Option<usize>,
}

impl<'a> Pressed<'a> {
    fn new(common: &Common<'_>, recipe: Recipe<'a>) -> Self {
        let stamp = recipe.finish();
        let apiserver = stamp.position(&key::unit(apiserver::UNIT));
        let node_object = stamp.position(key::NODE_OBJECT);
        let flanneld = stamp.position(&key::unit(node::FLANNELD_UNIT));
        let images =
            common.images.all().filter_map(|(image, _)| stamp.position(&key::image(&image.reference))).collect();
        let references = || common.storage.iter().flat_map(images::Storage::references);
        let placed = |key: fn(&str) -> String| {
            let place = |reference: &str| Some((reference.into(), stamp.position(&key(reference))?));
            references().filter_map(place).collect()
        };
        let (pulled, stored) = (placed(key::image), placed(key::stored_image));
        let registry = stamp.position(&key::unit(images::UNIT));
        Self { stamp, apiserver, node_object, flanneld, images, pulled, stored, registry }
    }
}

/// What needs something on more than its own node.
#[derive(Default)]
struct Cluster {
    objects: Vec<Added>,
    /// What makes pods of components, and the images of these wherever they may run.
    workloads: Vec<Added>,
    images: Vec<Added>,
    flanneld_binding: Option<Added>,
    apiservers: Vec<Added>,
    node_objects: Vec<Added>,
    flannelds: Vec<Added>,
    pulled: Vec<(Arc<str>, Added)>,
    stored: BTreeMap<Arc<str>, Added>,
    registry: Option<Added>,
}

impl Cluster {
    /// Adds the cluster's objects. They come first, as their ids do.
    fn add(builder: &mut Builder, common: &Common<'_>, components: Vec<Component>) -> Self {
        let mut cluster = Self::default();
        for object in objects::of_cluster(common) {
            let binding = object.key == objects::FLANNELD_BINDING;
            let added = cluster.object(builder, object);
            if binding {
                cluster.flanneld_binding = Some(added);
            }
        }
        // Each once the one before it is there.
        let health = objects::health().map(|object| cluster.object(builder, object));
        health.windows(2).for_each(|pair| builder.needs(pair[1], pair[0]));
        cluster.bring(builder, common, components);
        cluster
    }

    /// Adds components and what a person brings: objects of the one may be of kinds that the other defines.
    fn bring(&mut self, builder: &mut Builder, common: &Common<'_>, components: Vec<Component>) {
        let grounds = components.iter().flat_map(|component| &component.ground);
        let (objects, order) = components::ordered(grounds.chain(&common.brought).cloned().collect());
        let needs_images: Vec<bool> = objects.iter().map(|object| common.images.are_needed_by(object)).collect();
        let added: Vec<Added> = objects.into_iter().map(|object| self.object(builder, object)).collect();
        order.into_iter().for_each(|(later, earlier)| builder.needs(added[later], added[earlier]));
        let mut grounds = added.iter();
        for Component { ground, workload } in components {
            let workload = self.object(builder, workload);
            grounds.by_ref().take(ground.len()).for_each(|object| builder.needs(workload, *object));
            self.workloads.push(workload);
        }
        self.workloads.extend(added.iter().zip(needs_images).filter(|(_, needs)| *needs).map(|(added, _)| *added));
    }

    fn object(&mut self, builder: &mut Builder, object: Object) -> Added {
        let added = builder.add(ResourceId::cluster(key::object(&object.key)), Resource::Object(object));
        self.objects.push(added);
        added
    }

    /// Takes note of a node's parts.
    fn join(&mut self, role: &Pressed<'_>, parts: &[Added]) {
        let part = |position: Option<usize>| position.map(|at| parts[at]);
        self.apiservers.extend(part(role.apiserver));
        self.node_objects.extend(part(role.node_object));
        self.flannelds.extend(part(role.flanneld));
        self.images.extend(role.images.iter().map(|at| parts[*at]));
        let image = |(reference, at): &(Arc<str>, usize)| (reference.clone(), parts[*at]);
        self.pulled.extend(role.pulled.iter().map(image));
        self.stored.extend(role.stored.iter().map(image));
        self.registry = self.registry.or(part(role.registry));
    }

    /// Says what needs what across nodes: any apiserver may be the one that is asked.
    fn connect(&self, builder: &mut Builder) {
        for object in self.objects.iter().chain(&self.node_objects) {
            for apiserver in &self.apiservers {
                builder.needs(*object, *apiserver);
            }
        }
        for workload in &self.workloads {
            self.images.iter().for_each(|image| builder.needs(*workload, *image));
        }
        for (reference, image) in &self.pulled {
            let stored = self.stored.get(reference).copied();
            stored.into_iter().chain(self.registry).for_each(|earlier| builder.needs(*image, earlier));
        }
        for flanneld in &self.flannelds {
            if let Some(binding) = self.flanneld_binding {
                builder.needs(*flanneld, binding);
            }
        }
    }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

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
mod kubeconfig;
mod minor;
mod node;
mod objects;
pub mod paths;
mod pki;
mod pod_ranges;
mod programs;
mod recipe;
mod service;
mod tools;

use std::collections::BTreeMap;

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
    net::Cidr,
    observed::{Fact, Observed},
    resource::{Object, Resource, ResourceId},
    spec::{NetworkMode, Role, Spec},
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
    /// A minor version that FMP can't write configuration for.
    #[error("nobody has taught FMP to configure Kubernetes {wanted}")]
    Minor {
        /// The version in `cluster.toml`.
        wanted: KubeVersion,
    },
    /// A role contradicts itself: a bug.
    #[error("a role contradicts itself")]
    Graph(#[from] GraphError),
}

/// Every kind of object that FMP applies, or ever applied: what nothing wants any more is found among them too.
pub const KINDS: [&str; 11] = [
    "APIService",
    "ClusterRole",
    "ClusterRoleBinding",
    "ConfigMap",
    "Deployment",
    "PodDisruptionBudget",
    "Role",
    "RoleBinding",
    "Service",
    "ServiceAccount",
    "StorageClass",
];

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
    let common = Common::new(spec, lock)?;
    let pressed = |part| Pressed::new(&common, recipe_of(&common, part));
    let (main, work) = (pressed(Part::Main), pressed(Part::Work));
    let has_volume = spec.workers().any(|(_, node)| node.disk.is_some());
    let stored = has_volume.then(|| pressed(Part::WorkWithVolume));
    let mut builder = Builder::default();
    let mut cluster = Cluster::add(&mut builder, &common);
    let mut waiting = Vec::new();
    for (name, node) in &spec.nodes {
        let pods = ranges.get(name).copied();
        match known(name).and_then(|()| ranged(spec, pods)) {
            Ok(()) => {
                let role = match (node.role, &stored) {
                    (Role::Main, _) => &main,
                    (Role::Work, Some(stored)) if node.disk.is_some() => stored,
                    (Role::Work, _) => &work,
                };
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

/// Whether a node has all the addresses that it needs.
fn ranged(spec: &Spec, pods: Option<Cidr>) -> Result<(), String> {
    let network = &spec.network;
    match (network.mode, pods) {
        (NetworkMode::External, _) | (_, Some(_)) => Ok(()),
        (NetworkMode::Routed | NetworkMode::Flannel, None) => {
            Err(format!("no part of /{} is free in the pods' range {}", network.node_prefix, network.pods))
        }
    }
}

/// What is stamped out as one.
#[derive(Clone, Copy)]
enum Part {
    Main,
    Work,
    /// A work node with a disk of its own for its data.
    WorkWithVolume,
}

impl Part {
    const fn role(self) -> Role {
        match self {
            Self::Main => Role::Main,
            Self::Work | Self::WorkWithVolume => Role::Work,
        }
    }
}

fn recipe_of<'a>(common: &'a Common<'_>, part: Part) -> Recipe<'a> {
    let mut recipe = Recipe::default();
    node::add(&mut recipe, common, part.role());
    match part {
        Part::Main => {
            tools::add(&mut recipe, common);
            etcd::add(&mut recipe, common);
            apiserver::add(&mut recipe, common);
            controllers::add(&mut recipe, common);
            entrance::add(&mut recipe, common);
        }
        Part::Work => {}
        Part::WorkWithVolume => node::volume::add(&mut recipe, common),
    }
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
}

impl<'a> Pressed<'a> {
    fn new(common: &Common<'_>, recipe: Recipe<'a>) -> Self {
        let stamp = recipe.finish();
        let apiserver = stamp.position(&key::unit(apiserver::UNIT));
        let node_object = stamp.position(key::NODE_OBJECT);
        let flanneld = stamp.position(&key::unit(node::FLANNELD_UNIT));
        let images = common.images.all().filter_map(|image| stamp.position(&key::image(&image.reference))).collect();
        Self { stamp, apiserver, node_object, flanneld, images }
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
}

impl Cluster {
    /// Adds the cluster's objects. They come first, as their ids do.
    fn add(builder: &mut Builder, common: &Common<'_>) -> Self {
        let mut cluster = Self::default();
        for object in objects::of_cluster(common) {
            let binding = object.key == objects::FLANNELD_BINDING;
            let added = cluster.object(builder, object);
            if binding {
                cluster.flanneld_binding = Some(added);
            }
        }
        for Component { ground, workload } in components::all(common) {
            let ground: Vec<Added> = ground.into_iter().map(|object| cluster.object(builder, object)).collect();
            let workload = cluster.object(builder, workload);
            ground.into_iter().for_each(|object| builder.needs(workload, object));
            cluster.workloads.push(workload);
        }
        cluster
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

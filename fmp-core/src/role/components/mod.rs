//! Components: what runs on the cluster as pods, besides its own parts.
//!
//! A component is objects of the API and images of the bundle. Its images are on every node that its pods may run on, before
//! that node's kubelet runs and before the pods are made: no registry is asked. A file a component.

mod access;
mod coredns;
mod local_path;
mod manifests;
mod metallb;
mod metrics_server;
mod traefik;

use std::{collections::BTreeMap, sync::Arc};

use super::{LowerError, common::Common, objects::inventory, paths::key, programs, recipe::Recipe};
use crate::{
    bundle::Lock,
    platform::{INSTALLATION, Platform},
    resource::{Image, Object},
    spec::{Dns, Ingress, Metrics, Role, Spec, Volumes},
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
    metrics_server: Option<Image>,
    local_path: Option<local_path::Images>,
    traefik: Option<Image>,
    metallb: Option<Image>,
    /// Those that manifests name and the bundle has, and whether their pods may run on mains beside work nodes. What the
    /// bundle lacks is for nodes to pull.
    brought: BTreeMap<Arc<str>, (Image, bool)>,
}

impl Images {
    /// Looks them up, those of `objects` that a person brings among them.
    ///
    /// # Errors
    /// The bundle lacks one.
    pub(super) fn read(spec: &Spec, lock: &Lock, objects: &[Object]) -> Result<Self, LowerError> {
        spec.platform.iter().try_for_each(|platform| archived(platform, lock))?;
        let coredns = match &spec.components.dns {
            Dns::Coredns { .. } => Some(programs::image(lock, coredns::IMAGE)?),
            Dns::None => None,
        };
        let metrics_server = match spec.components.metrics {
            Metrics::MetricsServer => Some(programs::image(lock, metrics_server::IMAGE)?),
            Metrics::None => None,
        };
        let local_path = match &spec.components.volumes {
            Volumes::LocalPath { .. } => Some(local_path::Images {
                provisioner: programs::image(lock, local_path::IMAGE)?,
                helper: programs::image(lock, local_path::HELPER)?,
            }),
            Volumes::None => None,
        };
        let traefik = match spec.components.ingress {
            Ingress::Traefik => Some(programs::image(lock, traefik::IMAGE)?),
            Ingress::None => None,
        };
        let metallb = match spec.apps_entrance.services() {
            [] => None,
            _ => Some(programs::image(lock, metallb::IMAGE)?),
        };
        let mut images = Self { coredns, metrics_server, local_path, traefik, metallb, brought: BTreeMap::new() };
        let mut brought = brought_images(lock, objects);
        // What nodes have anyway they have once.
        brought.remove(&programs::image(lock, programs::PAUSE)?.reference);
        images.all().for_each(|(image, _)| drop(brought.remove(&image.reference)));
        images.brought = brought;
        Ok(images)
    }

    /// All of them, with whether they are needed on every node, or only where components run.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Image, bool)> {
        let local_path = self.local_path.iter().flat_map(|images| [&images.provisioner, &images.helper]);
        let own = self.coredns.iter().chain(&self.metrics_server).chain(local_path);
        let own = own.chain(&self.traefik).chain(&self.metallb);
        let brought = self.brought.values().map(|(image, everywhere)| (image, *everywhere));
        own.map(|image| (image, false)).chain(brought)
    }

    /// Whether an object's pods need an image of the bundle.
    pub(super) fn are_needed_by(&self, object: &Object) -> bool {
        manifests::pods(object).images.iter().any(|reference| self.brought.contains_key(&**reference))
    }
}

/// The platform's images are in the bundle, and are those of the archive.
fn archived(platform: &Platform, lock: &Lock) -> Result<(), LowerError> {
    for image in platform.archive.images.values() {
        let name = image.artifact.as_str();
        let entry = lock.entry(name).ok_or_else(|| LowerError::Missing { name: name.to_owned() })?;
        if entry.version != image.version() {
            return Err(LowerError::Archive { name: name.to_owned(), archive: platform.path.clone() });
        }
    }
    Ok(())
}

fn brought_images(lock: &Lock, objects: &[Object]) -> BTreeMap<Arc<str>, (Image, bool)> {
    let bundled = lock.entries().filter_map(|entry| programs::image(lock, entry.name.as_str()).ok());
    let bundled: BTreeMap<Arc<str>, Image> = bundled.map(|image| (image.reference.clone(), image)).collect();
    let mut brought: BTreeMap<Arc<str>, (Image, bool)> = BTreeMap::new();
    for object in objects {
        let manifests::Pods { images, tolerant } = manifests::pods(object);
        for image in images.iter().filter_map(|reference| bundled.get(&**reference)) {
            brought.entry(image.reference.clone()).or_insert_with(|| (image.clone(), false)).1 |= tolerant;
        }
    }
    brought
}

/// Everything that a person brings, and the platform.
pub(super) fn brought(spec: &Spec) -> Vec<Object> {
    let manifests = spec.components.manifests.values().flat_map(|bundled| bundled.objects.iter().cloned());
    manifests.chain(spec.platform.iter().flat_map(Platform::objects)).collect()
}

/// These objects with what notes their kinds, and pairs of positions there, the later one first.
pub(super) fn ordered(mut all: Vec<Object>) -> (Vec<Object>, Vec<(usize, usize)>) {
    let mut order = manifests::order(&all);
    order.extend(of_one_installation(&all));
    for (kind, positions) in manifests::foreign(&all) {
        // A kind is noted before there is anything of it.
        order.extend(positions.into_iter().map(|at| (at, all.len())));
        all.push(inventory(&kind));
    }
    (all, order)
}

/// Whose platform it is stands first in its namespace: where the cluster has another one, nothing of this one is applied.
fn of_one_installation(all: &[Object]) -> Vec<(usize, usize)> {
    let is_who = |object: &Object| object.kind() == "ConfigMap" && object.name() == INSTALLATION;
    let Some(who) = all.iter().position(is_who) else { return Vec::new() };
    let same = |at: &usize| *at != who && all[*at].namespace() == all[who].namespace();
    (0..all.len()).filter(same).map(|at| (at, who)).collect()
}

/// All components.
pub(super) fn all(common: &Common<'_>) -> Vec<Component> {
    let coredns = match (&common.spec.components.dns, &common.images.coredns) {
        (Dns::Coredns { forward }, Some(image)) => Some(coredns::component(common, image, forward.as_deref())),
        (Dns::Coredns { .. } | Dns::None, _) => None,
    };
    let metrics_server = common.images.metrics_server.as_ref().map(|image| metrics_server::component(common, image));
    let local_path = match (&common.spec.components.volumes, &common.images.local_path) {
        (Volumes::LocalPath { directory }, Some(images)) => Some(local_path::component(common, images, directory)),
        (Volumes::LocalPath { .. } | Volumes::None, _) => None,
    };
    let traefik = common.images.traefik.as_ref().map(|image| traefik::component(common, image));
    let services = common.spec.apps_entrance.services();
    let metallb = common.images.metallb.as_ref().map(|image| metallb::component(common, image, services));
    [coredns, metrics_server, local_path, traefik, metallb].into_iter().flatten().collect()
}

/// Adds to the recipe of `role` the images of pods that may run there. Returns their keys.
pub(super) fn add_images(recipe: &mut Recipe<'_>, common: &Common<'_>, role: Role) -> Vec<Arc<str>> {
    let images = common.images.all().filter(|(_, everywhere)| *everywhere || common.spec.component_role() == role);
    images.map(|(image, _)| recipe.same(&key::image(&image.reference), common.on_a_node(image))).collect()
}

/// The user `nonroot` of images without a system.
const NONROOT: u32 = 65532;

/// Pods that the cluster needs also run where others may not.
const TOLERATIONS: &str = r#"        "tolerations": [
          { "key": "CriticalAddonsOnly", "operator": "Exists" },
          { "key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule" }
        ],
"#;

/// How a component's pods stand on the nodes that may hold them.
struct Spread {
    /// What these nodes are labelled with.
    label: &'static str,
    replicas: usize,
    /// How many may be missing while the pods are renewed.
    unavailable: usize,
    /// Lines of the pods' template by which no two stand on one node; empty where there is one pod.
    apart: String,
}

impl Spread {
    /// At most `most` pods with the label `k8s-app: APP`, each on a node of its own.
    fn of(spec: &Spec, most: usize, app: &str) -> Self {
        let role = spec.component_role();
        let holders = spec.of_role(role).count();
        let label = label(role);
        // A single pod stays until its successor is ready, which may stand on the same node.
        match most.min(holders) {
            replicas @ (0 | 1) => Self { label, replicas, unavailable: 0, apart: String::new() },
            replicas => Self { label, replicas, unavailable: 1, apart: apart(app) },
        }
    }
}

/// What the nodes of a role are labelled with.
const fn label(role: Role) -> &'static str {
    match role {
        Role::Main => "node-role.kubernetes.io/control-plane",
        // Nothing is asked to run on a machine that is no node.
        Role::Work | Role::Images => "node-role.kubernetes.io/worker",
    }
}

fn apart(app: &str) -> String {
    format!(
        r#"        "affinity": {{
          "podAntiAffinity": {{
            "requiredDuringSchedulingIgnoredDuringExecution": [
              {{
                "labelSelector": {{ "matchLabels": {{ "k8s-app": "{app}" }} }},
                "topologyKey": "kubernetes.io/hostname"
              }}
            ]
          }}
        }},
"#
    )
}

/// `text` as it stands between the quotation marks of a text of JSON.
fn in_json(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

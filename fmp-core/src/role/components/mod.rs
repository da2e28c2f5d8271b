//! Components: what runs on the cluster as pods, besides its own parts.
//!
//! A component is objects of the API and images of the bundle. Its images are on every node that its pods may run on, before
//! that node's kubelet runs and before the pods are made: no registry is asked. A file a component.

mod coredns;
mod local_path;
mod metrics_server;

use super::{LowerError, common::Common, paths::key, programs, recipe::Recipe};
use crate::{
    bundle::Lock,
    resource::{Image, Object, Resource},
    spec::{Dns, Metrics, Role, Spec, Volumes},
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
        Ok(Self { coredns, metrics_server, local_path })
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Image> {
        let local_path = self.local_path.iter().flat_map(|images| [&images.provisioner, &images.helper]);
        self.coredns.iter().chain(&self.metrics_server).chain(local_path)
    }
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
    [coredns, metrics_server, local_path].into_iter().flatten().collect()
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
        let (role, holders) = holders(spec);
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
        Role::Work => "node-role.kubernetes.io/worker",
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

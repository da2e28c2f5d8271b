//! What every node has, main or work: the ground that units stand on, a runtime, a kubelet, the network, the way to the
//! API.

mod balancer;
mod containerd;
mod flannel;
mod host;
mod kubelet;
mod proxy;
pub(super) mod volume;

pub(super) use balancer::{READY_PORT, UNIT as BALANCER_UNIT};
pub(super) use containerd::UNIT as CONTAINERD_UNIT;
pub(super) use flannel::UNIT as FLANNELD_UNIT;
pub(super) use host::UNIT as HOST_UNIT;
pub(super) use proxy::UNIT as PROXY_UNIT;

use super::{
    common::Common,
    objects,
    paths::{self, key},
    recipe::{Recipe, ThisNode},
};
use crate::{
    net::Cidr,
    resource::{Authority, Holding, Resource, Trust},
    spec::{NetworkMode, Role},
};

/// Adds what every node of `role` has to its recipe.
pub(super) fn add<'a>(recipe: &mut Recipe<'a>, common: &'a Common<'_>, role: Role) {
    ground(recipe, common, role);
    recipe.file_of_each(paths::NODE_ENV, environment);
    host::add(recipe, common);
    balancer::add(recipe, common, role);
    let images = containerd::add(recipe, common, role);
    recipe.each(key::NODE_OBJECT, |node| Resource::NodeObject(objects::of_node(node)));
    kubelet::add(recipe, common, role);
    // What pods are made of is there before anybody makes some.
    images.iter().for_each(|image| recipe.needs(&key::unit(kubelet::UNIT), image));
    proxy::add(recipe, common);
    match common.spec.network.mode {
        NetworkMode::External => {}
        NetworkMode::Routed | NetworkMode::Flannel => flannel::add(recipe, common),
    }
}

/// What every machine of `role` stands on: its identity, shared things, programs.
pub(super) fn ground(recipe: &mut Recipe<'_>, common: &Common<'_>, role: Role) {
    if common.spec.environment.makes_machines() {
        recipe.same(key::MACHINE, Resource::Machine);
        // Everything else on the host needs its identity.
        recipe.needs(&key::trust(Holding::ClusterId), key::MACHINE);
    }
    match role {
        Role::Main => Holding::ALL.into_iter().for_each(|what| recipe.trust(Trust { what, private: true })),
        Role::Work | Role::Images => [Holding::ClusterId, Holding::Authority(Authority::Cluster)]
            .into_iter()
            .for_each(|what| recipe.trust(Trust { what, private: false })),
    }
    for artifact in common.programs.of(role) {
        recipe.program(artifact);
    }
    recipe.file(paths::STAMP, include_str!("../data/stamp.sh"));
}

/// The node's own values.
fn environment(node: &ThisNode<'_>) -> String {
    let ThisNode { name, node, pods } = node;
    let pods = pods.as_ref().map_or_else(String::new, Cidr::to_string);
    format!("NODE_NAME={name}\nNODE_IP={}\nPOD_CIDR={pods}\n", node.address)
}

//! containerd: the container runtime, and the image that no node can do without.

use std::sync::Arc;

use super::super::{
    common::Common,
    components, images,
    paths::{self, key},
    programs::CNI,
    recipe::Recipe,
    service::{Ready, Service, ServiceKind, restart},
};
use super::host;
use crate::{profile::CgroupDriver, resource::Input, spec::Role};

/// Full name of the unit.
pub(in super::super) const UNIT: &str = "containerd.service";

/// Not containerd's own place: a distribution's package has its file there.
const CONFIG: &str = "/etc/fmp/containerd.toml";

/// Where other networks put their plug-ins, as every one of them expects.
const FOREIGN_PLUGINS: &str = "/opt/cni/bin";

/// Adds the runtime, the pause image and those of components to the recipe of `role`. Returns the keys of the latter.
pub(super) fn add(recipe: &mut Recipe<'_>, common: &Common<'_>, role: Role) -> Vec<Arc<str>> {
    recipe.file(CONFIG, config(common));
    recipe.file("/etc/crictl.yaml", crictl());
    let unit = service(common).add(recipe);
    // Bridged traffic passes iptables, and addresses are forwarded, before the first pod has one.
    recipe.needs(&unit, &key::unit(host::UNIT));
    let pause = &common.programs.pause;
    let image = recipe.same(&key::image(&pause.reference), common.on_a_node(pause));
    let images = components::add_images(recipe, common, role);
    for image in images.iter().chain([&image]) {
        recipe.needs(image, &unit);
        recipe.needs(image, &key::artifact("ctr"));
    }
    if let Some(storage) = &common.storage {
        images::add_hosts(recipe, storage, images.iter().chain([&image]));
    }
    images
}

fn service<'c>(common: &'c Common<'_>) -> Service<'c> {
    let mut options = vec![
        format!("Environment=PATH={}", search_path(common)),
        "Delegate=yes".to_owned(),
        // Containers outlive their runtime.
        "KillMode=process".to_owned(),
        "LimitNOFILE=1048576".to_owned(),
        "LimitNPROC=infinity".to_owned(),
        "LimitCORE=infinity".to_owned(),
        "TasksMax=infinity".to_owned(),
    ];
    options.extend(common.out_of_memory(-999));
    Service {
        name: UNIT,
        about: "containerd, the container runtime",
        documentation: "https://containerd.io",
        after: "fmp-host.service",
        mounts: &common.settings.directories.containerd,
        conditions: Vec::new(),
        kind: ServiceKind::Notify,
        options,
        command: vec![common.programs.path("containerd").to_owned(), format!("--config {CONFIG}")],
        inputs: inputs(common),
        ready: Ready::UnitActive,
    }
}

fn inputs(common: &Common<'_>) -> Vec<Input> {
    let brought = |name: &str| common.programs.find(name).map(|artifact| restart(artifact.path.clone()));
    let mut inputs = vec![restart(CONFIG)];
    inputs.extend(["containerd", "containerd-shim-runc-v2", "runc"].into_iter().filter_map(brought));
    inputs.extend(CNI.into_iter().filter_map(brought));
    inputs
}

/// containerd finds its shim, and the shim finds runc, by name.
fn search_path(common: &Common<'_>) -> String {
    let directory = |name: &str| {
        let path = &*common.programs.find(name)?.path;
        path.rsplit_once('/').map(|(directory, _)| directory)
    };
    let brought = ["containerd-shim-runc-v2", "runc"].into_iter().filter_map(directory);
    brought.chain(["/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]).collect::<Vec<_>>().join(":")
}

fn config(common: &Common<'_>) -> String {
    let settings = common.settings;
    let (root, socket, pause) =
        (&settings.directories.containerd, paths::CONTAINERD_SOCKET, &common.programs.pause.reference);
    let systemd = settings.cgroup_driver == CgroupDriver::Systemd;
    let (snapshotter, restrict) = (settings.snapshotter.as_str(), settings.restrict_oom_score_adj);
    let registries = paths::REGISTRY_HOSTS;
    let plugins = common.programs.cni.as_deref().unwrap_or(FOREIGN_PLUGINS);
    format!(
        r#"version = 2
root = "{root}"
state = "/run/containerd"

[grpc]
  address = "{socket}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = {restrict}

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "{snapshotter}"
  default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = {systemd}

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{plugins}"
  conf_dir = "/etc/cni/net.d"

[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "{registries}"
"#
    )
}

fn crictl() -> String {
    let socket = paths::CONTAINERD_SOCKET;
    format!("runtime-endpoint: unix://{socket}\nimage-endpoint: unix://{socket}\ntimeout: 10\n")
}

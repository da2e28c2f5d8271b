//! The controller-manager and the scheduler: on each main, one of each leads.
//!
//! Both ask the apiserver of their own main, so that neither is ever newer than the apiserver it asks.

use super::{
    apiserver,
    common::{Common, HTTP2_HEALTH},
    kubeconfig::Client,
    paths::{self, key},
    pki::{Pair, Subject},
    recipe::Recipe,
    service::{Ready, Service, ServiceKind, reread, restart},
};
use crate::resource::{Authority, Input};

/// One of the two.
struct Controller {
    unit: &'static str,
    about: &'static str,
    program: &'static str,
    /// Its user name, which Kubernetes binds to its permissions by itself.
    user: &'static str,
    kubeconfig: &'static str,
    /// What its pair is called in kubeadm's directory.
    pair: &'static str,
    port: u16,
}

const CONTROLLER_MANAGER: Controller = Controller {
    unit: "kube-controller-manager.service",
    about: "Kubernetes controller-manager",
    program: "kube-controller-manager",
    user: "system:kube-controller-manager",
    kubeconfig: "/etc/kubernetes/controller-manager.conf",
    pair: "controller-manager",
    port: 10257,
};

const SCHEDULER: Controller = Controller {
    unit: "kube-scheduler.service",
    about: "Kubernetes scheduler",
    program: "kube-scheduler",
    user: "system:kube-scheduler",
    kubeconfig: "/etc/kubernetes/scheduler.conf",
    pair: "scheduler",
    port: 10259,
};

/// Adds both to the recipe of main nodes.
pub(super) fn add(recipe: &mut Recipe<'_>, common: &Common<'_>) {
    let flags = vec![
        format!("--root-ca-file={}", Authority::Cluster.certificate()),
        format!("--service-account-private-key-file={}", paths::TOKEN_KEY),
        "--use-service-account-credentials=true".to_owned(),
        // FMP gives every node its part of the pod range.
        "--allocate-node-cidrs=false".to_owned(),
    ];
    CONTROLLER_MANAGER.add(recipe, common, flags, vec![restart(paths::TOKEN_KEY)]);
    SCHEDULER.add(recipe, common, Vec::new(), Vec::new());
}

impl Controller {
    /// Adds the client and the unit, with `flags` and `inputs` of its own.
    fn add(&self, recipe: &mut Recipe<'_>, common: &Common<'_>, flags: Vec<String>, mut inputs: Vec<Input>) {
        let program = common.programs.path(self.program);
        let (user, path, pair) = (self.user, self.kubeconfig, Pair::kubernetes(self.pair));
        let client = Client { path, user, pair, server: paths::local_apiserver() };
        inputs.push(restart(program));
        inputs.extend(client.add(recipe, common, move |_| Subject::client(user)));
        inputs.push(reread(Authority::FrontProxy.certificate()));

        let mut command = vec![program.to_owned()];
        command.extend(self.flags());
        command.extend(flags);
        let mut options = vec![HTTP2_HEALTH.to_owned()];
        options.extend(common.out_of_memory(-998));
        let unit = Service {
            name: self.unit,
            about: self.about,
            documentation: "https://kubernetes.io/docs/concepts/overview/components/",
            after: "fmp-host.service kube-apiserver.service",
            mounts: "",
            conditions: Vec::new(),
            kind: ServiceKind::Simple,
            options,
            command,
            inputs,
            ready: Ready::Listening(self.port),
        }
        .add(recipe);
        recipe.needs(&unit, &key::unit(apiserver::UNIT));
    }

    fn flags(&self) -> Vec<String> {
        let path = self.kubeconfig;
        vec![
            format!("--kubeconfig={path}"),
            format!("--authentication-kubeconfig={path}"),
            format!("--authorization-kubeconfig={path}"),
            format!("--client-ca-file={}", Authority::Cluster.certificate()),
            format!("--requestheader-client-ca-file={}", Authority::FrontProxy.certificate()),
            "--bind-address=127.0.0.1".to_owned(),
            "--leader-elect=true".to_owned(),
            "--profiling=false".to_owned(),
        ]
    }
}

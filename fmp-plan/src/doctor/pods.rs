//! Pods in trouble, one ailment for each kind of trouble: those that the cluster itself runs, and everybody else's.

use std::collections::{BTreeMap, BTreeSet};

use fmp_core::{
    Severity, check,
    observed::{Fact, PodSeen},
};

use super::{Ailment, Fix, Kind, Patient, first};
use crate::{Step, action::Action};

/// Where everything stands that FMP brings, and what others bring for the cluster as a whole.
const OF_CLUSTER: &str = "kube-system";

/// What can be wrong with a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    Stuck,
    Unbound,
    NoImage,
    Fails,
}

pub(super) fn ailments(patient: &Patient<'_>) -> Vec<Ailment> {
    let Some(Fact::Known(pods)) = patient.observed.api.known().map(|api| &api.pods) else { return Vec::new() };
    let mut troubles: BTreeMap<(Trouble, bool), Vec<&PodSeen>> = BTreeMap::new();
    for pod in pods {
        if let Some(trouble) = trouble(patient, pod) {
            troubles.entry((trouble, pod.namespace == OF_CLUSTER)).or_default().push(pod);
        }
    }
    troubles.into_iter().map(|((trouble, _), pods)| ailment(patient, trouble, &pods)).collect()
}

/// What is wrong with a pod. One that ends in its own time is well.
fn trouble(patient: &Patient<'_>, pod: &PodSeen) -> Option<Trouble> {
    match pod.trouble.as_str() {
        "Terminating" => {
            let nodes = patient.observed.api.known().map(|api| &api.nodes);
            let node = pod.node.as_ref().and_then(|node| nodes?.get(node));
            node.is_none_or(|node| !node.ready).then_some(Trouble::Stuck)
        }
        "Unschedulable" => Some(Trouble::Unbound),
        word if word.contains("Image") => Some(Trouble::NoImage),
        // Whatever else a container waits for that is not usual.
        _ => Some(Trouble::Fails),
    }
}

/// What the plan does about pods: it starts what their nodes lack, and brings images of its own.
fn way_out(patient: &Patient<'_>, trouble: Trouble, pods: &[&PodSeen], hand: &str) -> Fix {
    let of_cluster = pods.iter().any(|pod| pod.namespace == OF_CLUSTER);
    let nodes: BTreeSet<&str> = pods.iter().filter_map(|pod| pod.node.as_deref()).collect();
    let mends = |step: &Step| match (trouble, &step.action) {
        (Trouble::NoImage, Action::ImportImage { .. } | Action::PullImage { .. }) => of_cluster,
        (Trouble::Stuck, Action::StartMachine) => true,
        (Trouble::Stuck, action) => action.starts() == Some("kubelet.service"),
        (Trouble::NoImage | Trouble::Unbound | Trouble::Fails, _) => false,
    };
    let place = |step: &Step| step.node().map(ToString::to_string).filter(|node| nodes.contains(node.as_str()));
    let mended: BTreeSet<String> = patient.plan.steps.iter().filter(|step| mends(step)).filter_map(place).collect();
    // Half of it mended is not mended.
    let is_all = mended.len() == nodes.len();
    patient.fix(|step| is_all && mends(step) && place(step).is_some(), |_| false, || hand.to_owned())
}

fn ailment(patient: &Patient<'_>, trouble: Trouble, pods: &[&PodSeen]) -> Ailment {
    let (kind, what, cause, fix) = match trouble {
        Trouble::Stuck => (
            Kind::PodStuck,
            "are to end on nodes that are lost",
            "no pod ends without its kubelet; sets that allow one of each name have none meanwhile",
            "bring the node back, or call its table [retired.NAME] once its machine is off",
        ),
        Trouble::Unbound => (
            Kind::PodUnbound,
            "find no node",
            "no node that may run them has room, or all are cordoned, tainted or not Ready",
            "see the message; give nodes back with `fmp kubectl -- uncordon NAME`, or add one to cluster.toml",
        ),
        Trouble::NoImage => (
            Kind::ImagePull,
            "have no image",
            "the registry is not reached or asks who is there, or the image was never loaded on that node",
            "`fmp kubectl -- describe pod` says which image; load it, or mend the way to the registry",
        ),
        Trouble::Fails => (
            Kind::PodFails,
            "do not stay up",
            "their program ends, or what they mount is missing",
            "`fmp kubectl -- logs --previous` and `describe pod` say why",
        ),
    };
    let told = |pod: &&PodSeen| {
        let place = pod.node.as_ref().map_or_else(String::new, |node| format!(" on {node}"));
        let message = if pod.message.is_empty() { String::new() } else { format!(": {}", pod.message) };
        format!("{}/{}{place}: {}{message}", pod.namespace, pod.name, pod.trouble)
    };
    let evidence = first(pods, told);
    // What the cluster itself runs is missed by everybody.
    let of_cluster = pods.iter().any(|pod| pod.namespace == OF_CLUSTER);
    Ailment {
        subject: check::CLUSTER.to_owned(),
        kind,
        severity: if of_cluster { Severity::Error } else { Severity::Warning },
        what: format!("{} pods {what}", pods.len()),
        evidence,
        cause: cause.to_owned(),
        fix: way_out(patient, trouble, pods, fix),
    }
}

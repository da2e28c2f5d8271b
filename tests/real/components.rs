//! Components that nobody gets unasked: metrics of all nodes, and volumes that outlive their pods.
//!
//! They are asked for in a file of this check's own. Afterwards they are deleted, as a person would who does not want them any
//! more, so that the cluster is again what the other checks know.

use std::{collections::BTreeSet, path::PathBuf};

use crate::lab::{Lab, SOON, everyone, fixture, until};

/// What the lab's file says besides.
const ASKED_FOR: &str =
    "\n[components.metrics]\nkind = \"metrics-server\"\n\n[components.volumes]\nkind = \"local-path\"\n";

/// Where volumes of pods lie on a node.
const DIRECTORY: &str = "/var/lib/fmp-volumes";

pub(crate) fn run(lab: &Lab) {
    let file = file(lab);
    lab.fmp_for(&file, &["apply", "--yes"]).exits(0);
    metrics(lab);
    volumes(lab);
    lab.fmp_for(&file, &["plan"]).exits(0);
    leave(lab);
}

fn file(lab: &Lab) -> PathBuf {
    lab.variant("components.toml", |text| text.to_owned() + ASKED_FOR)
}

/// Every kubelet is verified and asked, those of mains too, and apiservers reach who asks them.
fn metrics(lab: &Lab) {
    let path = r#"jsonpath={.status.conditions[?(@.type=="Available")].status}"#;
    until("the API of metrics is available", SOON, || {
        let ran = lab.fmp(&["kubectl", "--", "get", "apiservices", "v1beta1.metrics.k8s.io", "-o", path]);
        if ran.out.trim() == "True" { Ok(()) } else { Err(format!("{}{}", ran.out, ran.err)) }
    });
    until("all nodes are measured", SOON, || {
        let ran = lab.fmp(&["kubectl", "--", "top", "nodes", "--no-headers"]);
        let known = ran.out.lines().filter(|line| !line.contains("<unknown>"));
        let told: BTreeSet<&str> = known.filter_map(|line| line.split_whitespace().next()).collect();
        let all = everyone().all(|node| told.contains(node));
        if ran.code == Some(0) && all { Ok(()) } else { Err(format!("{}{}", ran.out, ran.err)) }
    });
}

/// What one pod wrote another one reads, on the same node; the claim takes it away.
fn volumes(lab: &Lab) {
    // What a run that was broken off has left.
    lab.kubectl(&["delete", "--ignore-not-found", "pod/writer", "pod/reader", "persistentvolumeclaim/kept"]);
    lab.kubectl_reading(&fixture("real/volume-write.yaml"), &["apply", "-f", "-"]);
    let wrote_on = ended(lab, "writer");
    let class = lab.kubectl(&["get", "persistentvolumeclaim", "kept", "-o", "jsonpath={.spec.storageClassName}"]);
    assert_eq!(class, "local-path", "it is the class of claims that name none");
    let on_disk = lab.sh(&wrote_on, &format!("cat {DIRECTORY}/pvc-*_default_kept/word"));
    assert_eq!(on_disk, "hello\n");
    lab.kubectl(&["delete", "pod", "writer"]);
    lab.kubectl_reading(&fixture("real/volume-read.yaml"), &["apply", "-f", "-"]);
    assert_eq!(ended(lab, "reader"), wrote_on);
    assert_eq!(lab.kubectl(&["logs", "reader"]), "hello\n");
    lab.kubectl(&["delete", "pod/reader", "persistentvolumeclaim/kept"]);
    until("the volume's folder is removed", SOON, || {
        let left = lab.try_sh(&wrote_on, &format!("ls {DIRECTORY}"))?;
        if left.trim().is_empty() { Ok(()) } else { Err(left) }
    });
}

/// Waits until a pod has done its work; the node where it did.
fn ended(lab: &Lab, pod: &str) -> String {
    until("the pod ends well", SOON, || {
        let ran = lab.fmp(&["kubectl", "--", "get", "pod", pod, "-o", "jsonpath={.status.phase} {.spec.nodeName}"]);
        let node = ran.out.strip_prefix("Succeeded ").map(str::to_owned);
        node.ok_or_else(|| format!("{}{}{}", ran.out, ran.err, lab.fmp(&["kubectl", "--", "describe", "pod", pod]).out))
    })
}

/// By the lab's own file nobody wants them any more: the plan deletes them.
fn leave(lab: &Lab) {
    lab.fmp(&["plan"])
        .exits(2)
        .says(&["object/APIService//v1beta1.metrics.k8s.io: delete", "nothing in cluster.toml wants it"]);
    lab.fmp(&["apply", "--yes"]).exits(0);
    until("their pods are gone", SOON, || {
        let pods = lab.kubectl(&["-n", "kube-system", "get", "pods", "-o", "name"]);
        let left = pods.lines().any(|pod| pod.contains("metrics-server") || pod.contains("local-path"));
        if left { Err(pods) } else { Ok(()) }
    });
    lab.fmp(&["plan"]).exits(0);
}

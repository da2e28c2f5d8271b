//! What the doctor says of real machines that are ill, and that its way out heals them.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use crate::{
    entrance, image,
    lab::{Lab, MAINS, SOON, until},
    secrets, workload,
};

pub(crate) fn run(lab: &Lab) {
    is_told(lab, "nothing is wrong");
    lab.sh("work-1", "systemctl stop fmp-balancer.service");
    lab.sh("main-2", "systemctl stop etcd.service");
    lab.kubectl(&["cordon", "work-3"]);
    lab.fmp(&["doctor"]).exits(1).says(&[
        "work-1: error: unit-down: fmp-balancer.service does not run",
        "main-2: error: unit-down: etcd.service does not run",
        "main-2: error: etcd-member: its member of etcd does not answer",
        "`fmp apply` does it: main-2/unit/etcd.service",
        "work-3: warning: cordoned",
    ]);
    lab.fmp(&["apply", "--yes"]).exits(0);
    // An apiserver whose member of etcd was away needs a moment to be ready again.
    is_told(lab, "somebody cordoned it");
    lab.kubectl(&["uncordon", "work-3"]);
    is_told(lab, "nothing is wrong");
    of_the_network(lab);
    of_names_and_budgets(lab);
    of_controllers(lab);
    of_the_entrance(lab);
    of_what_nobody_wants(lab);
    of_pods(lab);
    of_a_lost_node(lab);
    collects_no_secret(lab);
}

/// A route that is gone while nobody makes it again, a link that takes less than the others.
fn of_the_network(lab: &Lab) {
    let pods = lab.kubectl(&["get", "node", "work-2", "-o", "jsonpath={.spec.podCIDR}"]);
    lab.sh("work-1", &format!("systemctl stop flanneld.service && ip route del {pods}"));
    let link = |mtu: u32| {
        let name = format!("$(ip -o -4 addr show to {} | tr -s ' ' | cut -d ' ' -f 2)", lab.address("work-3"));
        lab.sh("work-3", &format!("ip link set dev \"{name}\" mtu {mtu}"));
    };
    link(1400);
    lab.fmp(&["doctor"]).exits(1).says(&[
        "work-1: error: route: it has no way to the pods of 1 other nodes",
        &format!("no route to {pods}, where work-2's are"),
        "`fmp apply` does it: work-1/unit/flanneld.service",
        "work-3: error: mtu: its link",
        "takes packets of 1400 bytes, most others 1500",
    ]);
    link(1500);
    lab.fmp(&["apply", "--yes"]).exits(0);
    is_told(lab, "nothing is wrong");
}

/// A budget that lets none of `CoreDNS`'s pods go; then none of them is there.
fn of_names_and_budgets(lab: &Lab) {
    let kubectl = |args: &[&str]| lab.kubectl(&[&["--namespace", "kube-system"], args].concat());
    kubectl(&["create", "poddisruptionbudget", "canary", "--selector=k8s-app=kube-dns", "--min-available=100%"]);
    is_told(lab, "kube-system/canary: 2 of 2 pods are healthy, 2 must be");
    kubectl(&["delete", "poddisruptionbudget", "canary"]);
    kubectl(&["scale", "deployment", "coredns", "--replicas=0"]);
    is_ill(lab, "cluster: error: dns: nobody answers for names in the cluster");
    lab.fmp(&["doctor"]).exits(1).says(&["`fmp apply` does it: cluster/object/Deployment/kube-system/coredns"]);
    lab.fmp(&["apply", "--yes"]).exits(0);
    is_told(lab, "nothing is wrong");
}

/// Nobody renews the scheduler's lease once no scheduler runs.
fn of_controllers(lab: &Lab) {
    for main in MAINS {
        lab.sh(main, "systemctl stop kube-scheduler.service");
    }
    is_ill(lab, "cluster: error: lease: no scheduler works: new pods find no node");
    lab.fmp(&["apply", "--yes"]).exits(0);
    is_told(lab, "nothing is wrong");
}

/// A second machine with the mains' address, then none.
fn of_the_entrance(lab: &Lab) {
    let shared = |what: &str| lab.sh("work-2", &format!("ip address {what} {}/32 dev lo", entrance::ADDRESS));
    shared("add");
    is_ill(lab, "and work-2 hold the API's entrance");
    shared("del");
    is_told(lab, "nothing is wrong");
    for main in MAINS {
        lab.sh(main, "systemctl stop fmp-entrance.service");
    }
    is_ill(lab, "cluster: error: entrance: nobody holds the API's entrance");
    lab.fmp(&["apply", "--yes"]).exits(0);
    is_told(lab, "nothing is wrong");
}

/// A Node that no file names, a command that outlived its run.
fn of_what_nobody_wants(lab: &Lab) {
    lab.kubectl_reading(
        r#"{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "work-9"}}"#,
        &["create", "-f", "-"],
    );
    is_told(lab, "work-9: warning: zombie: its Node is left, and cluster.toml names no such node");
    lab.kubectl(&["delete", "node", "work-9"]);
    let file = "/run/fmp/running/fmp-0-work-4-canary";
    lab.sh("work-4", &format!("mkdir -p /run/fmp/running; systemd-run --unit=canary flock {file} tail -f /dev/null"));
    is_told(lab, "work-4: warning: zombie: commands of some run of fmp still run");
    lab.sh("work-4", &format!("systemctl stop canary.service; rm -f {file}"));
    is_told(lab, "nothing is wrong");
}

/// Pods without an image, without a program, without a node.
fn of_pods(lab: &Lab) {
    workload::deploy(lab);
    let canary = |name: &str, image: &str, more: &[&str]| {
        let image = format!("--image={image}");
        let usual = ["run", name, &image, "--image-pull-policy=Never"];
        lab.kubectl(&[&usual[..], more].concat());
    };
    canary("canary-image", "fmp.test/nobody:1", &[]);
    canary("canary-fails", image::REFERENCE, &["--command", "--", "/bin/busybox", "false"]);
    let nowhere = r#"--overrides={"spec": {"nodeSelector": {"canary": "nowhere"}}}"#;
    canary("canary-unbound", image::REFERENCE, &[nowhere]);
    for words in [
        "image-pull: 1 pods have no image",
        "default/canary-image on work-",
        "pod-fails: 1 pods do not stay up",
        "pod-unbound: 1 pods find no node",
        "default/canary-unbound: Unschedulable",
    ] {
        is_told(lab, words);
    }
    lab.kubectl(&["delete", "pod", "canary-image", "canary-fails", "canary-unbound", "--now"]);
    is_told(lab, "nothing is wrong");
}

/// A kubelet that is silent, and a pod that can't end without it.
fn of_a_lost_node(lab: &Lab) {
    let first = "jsonpath={.items[0].metadata.name}";
    let pod = lab.kubectl(&["get", "pods", "-l", "app=who", "--field-selector=spec.nodeName=work-1", "-o", first]);
    lab.sh("work-1", "systemctl stop kubelet.service");
    lab.kubectl(&["delete", "pod", &pod, "--wait=false"]);
    is_ill(lab, "pod-stuck: 1 pods are to end on nodes that are lost");
    is_ill(lab, "and it lasts 40 s");
    lab.fmp(&["doctor"]).exits(1).says(&[
        "work-1: error: node-not-ready: its Node is not Ready",
        "likely: kubelet.service does not run",
        &format!("default/{pod} on work-1: Terminating"),
        "`fmp apply` does it: work-1/unit/kubelet.service",
    ]);
    lab.fmp(&["apply", "--yes"]).exits(0);
    is_told(lab, "nothing is wrong");
}

/// What is collected for support holds every host's journals, and no secret that lies on a main.
fn collects_no_secret(lab: &Lab) {
    let path = lab.place("support.tar.gz");
    let name = path.to_str().expect("it is text");
    // Whatever ails the cluster at that moment is collected all the same.
    lab.fmp(&["doctor", "--bundle", name]).says(&["lines of its journals"]);
    assert_eq!(fs::metadata(&path).expect("it was written").permissions().mode() & 0o777, 0o600);
    let unpacked = Command::new("tar").args(["-xzOf", name]).output().expect("it can be unpacked");
    let text = String::from_utf8_lossy(&unpacked.stdout);
    for word in ["== etcd.service", "== kubelet.service", "\"at_most_us\""] {
        assert!(text.contains(word), "it has no `{word}`");
    }
    let secrets = secrets::of_host(lab, "main-1");
    assert!(secrets.len() > 10, "{} lines of secrets", secrets.len());
    assert!(!secrets.iter().any(|secret| text.contains(secret.as_str())), "a secret of main-1 was collected");
}

/// Nothing is wrong that matters, and these words are said.
fn is_told(lab: &Lab, words: &str) {
    until(words, SOON, || {
        let ran = lab.fmp(&["doctor"]);
        if ran.code == Some(0) && ran.out.contains(words) { Ok(()) } else { Err(ran.out) }
    });
}

/// Something is wrong that matters, and these words are said.
fn is_ill(lab: &Lab, words: &str) {
    until(words, SOON, || {
        let ran = lab.fmp(&["doctor"]);
        if ran.code == Some(1) && ran.out.contains(words) { Ok(()) } else { Err(ran.out) }
    });
}

/// A machine without power, and what is gone with it.
pub(crate) fn knows_who_is_off(lab: &Lab, off: &str) {
    let told = [format!("{off}: error: machine-off"), format!("{off}: error: node-not-ready")];
    until("the doctor says why a node is not Ready", SOON, || {
        let ran = lab.fmp(&["doctor"]);
        let knows = ran.code == Some(1) && told.iter().all(|line| ran.out.contains(line));
        if knows { Ok(()) } else { Err(format!("{}{}", ran.out, ran.err)) }
    });
}

//! A machine more that stores images: every node pulls from it what it must have, and then does without it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use crate::{
    lab::{IMAGES, Lab, SOON, WORKS, until},
    runner::say,
};

/// A machine more, and nodes that pull from it.
pub(crate) const STORED: &str = "
[images]
source = \"storage\"

[nodes.images-1]
role = \"images\"
address = \"198.18.0.31\"
";

const ENDPOINT: &str = "https://198.18.0.31:5000/v2";

/// What every node has, and what none has before it runs a pod of it.
const PINNED: &str = "registry.k8s.io/pause:3.9";
const LOOSE: &str = "fmp.local/busybox:1.35.0";

pub(crate) fn run(lab: &Lab) {
    let by_bundle = bring_up(lab, &lab.place("cluster.toml"));
    let file = lab.variant("images.toml", |text| format!("{text}{STORED}"));
    let by_storage = bring_up(lab, &file);
    say(&format!("  bring-up: images from the bundle {by_bundle:.1} s, from the storage {by_storage:.1} s"));
    lab.fmp_for(&file, &["plan"]).exits(0).says(&["in sync: nothing to do"]);
    lab.fmp_for(&file, &["status"]).exits(0).says(&["images: images-1 198.18.0.31 registry active"]);
    nodes_have_what_the_lock_says(lab);
    nobody_writes(lab);
    // What no node was given comes when a pod asks for it.
    start(lab, "loose", LOOSE, WORKS[0]);
    without_it(lab, &file);
    lab.switch_on(&[IMAGES]);
    until("all is in sync again", SOON, || {
        let ran = lab.fmp_for(&file, &["plan"]);
        if ran.code == Some(0) { Ok(()) } else { Err(format!("{}{}", ran.out, ran.err)) }
    });
    another_machine(lab, &file);
    lab.destroy_for(&file);
}

/// Seconds from nothing until everything is in sync.
fn bring_up(lab: &Lab, file: &Path) -> f64 {
    lab.destroy_for(file);
    let began = Instant::now();
    lab.fmp_for(file, &["apply", "--yes"]).exits(0).says(&["in sync after"]);
    began.elapsed().as_secs_f64()
}

fn nodes_have_what_the_lock_says(lab: &Lab) {
    let lock = fs::read_to_string(crate::lab::lock_path()).expect("the lock can be read");
    let after = lock.split(&format!("image = \"{PINNED}\"")).nth(1).expect("the bundle has it");
    let manifest = after.lines().find_map(|line| line.strip_prefix("manifest = ")).expect("it has a manifest");
    for node in WORKS {
        let held = lab.sh(node, &format!("{CTR} images ls name=={PINNED}"));
        assert!(
            held.contains(manifest.trim_matches('"')) && held.contains("io.cri-containerd.pinned=pinned"),
            "{held}"
        );
        let loose = lab.sh(node, &format!("{CTR} images ls -q name=={LOOSE}"));
        assert_eq!(loose, "", "{node} has what nobody asked for");
    }
}

const CTR: &str = "$(sed -n 's/^program //p' /var/lib/fmp/ledger/artifact%2Fctr | tail -n 1) -n k8s.io";

/// Whoever reaches the storage may read, and only by TLS.
fn nobody_writes(lab: &Lab) {
    let authority = authority(lab);
    let authority = authority.to_str().expect("the path is text");
    let asks = |words: &[&str]| {
        // To whoever does not say that he knows it, a manifest of OCI's is not there.
        let accept = "Accept: application/vnd.oci.image.manifest.v1+json";
        let status = ["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--header", accept];
        let status = [&status[..], &["--cacert", authority]].concat();
        lab.nearby("curl", &[&status[..], words].concat()).out
    };
    let at = |path: &str| format!("{ENDPOINT}/{path}");
    assert_eq!(asks(&[&at("registry.k8s.io/pause/manifests/3.9")]), "200");
    assert_eq!(asks(&["--request", "POST", &at("registry.k8s.io/pause/blobs/uploads/")]), "405");
    assert_eq!(asks(&["--request", "PUT", "--data", "{}", &at("registry.k8s.io/pause/manifests/3.9")]), "405");
    assert_eq!(asks(&["--request", "DELETE", &at("registry.k8s.io/pause/manifests/3.9")]), "405");
}

fn authority(lab: &Lab) -> PathBuf {
    let file = lab.place("ca.crt");
    fs::write(&file, lab.sh("main-1", "cat /etc/kubernetes/pki/ca.crt")).expect("the target directory can be written");
    file
}

/// A pod that runs on this node.
fn start(lab: &Lab, name: &str, image: &str, node: &str) {
    make(lab, name, image, node);
    until("the pod runs", SOON, || {
        let phase = lab.kubectl(&["get", "pod", name, "-o", "jsonpath={.status.phase}"]);
        if phase == "Running" { Ok(()) } else { Err(lab.kubectl(&["describe", "pod", name])) }
    });
}

fn make(lab: &Lab, name: &str, image: &str, node: &str) {
    let command = if image == LOOSE {
        r#", "command": ["/bin/sh", "-c", "while :; do read x; done"], "stdin": true"#
    } else {
        ""
    };
    let pod = format!(
        r#"{{ "apiVersion": "v1", "kind": "Pod", "metadata": {{ "name": "{name}" }}, "spec": {{ "nodeName": "{node}",
            "terminationGracePeriodSeconds": 1,
            "containers": [{{ "name": "own", "image": "{image}"{command} }}] }} }}"#
    );
    lab.kubectl_reading(&pod, &["apply", "-f", "-"]);
}

/// The machine is off: what nodes have starts, what they lack does not, and whoever asks is told.
fn without_it(lab: &Lab, file: &Path) {
    lab.cut_power(&[IMAGES]);
    for (at, node) in WORKS.into_iter().enumerate() {
        start(lab, &format!("pinned-{at}"), PINNED, node);
    }
    // A component's pod that is lost starts again, wherever it is put.
    lab.kubectl(&["-n", "kube-system", "delete", "pod", "-l", "k8s-app=kube-dns"]);
    lab.kubectl(&["-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=180s"]);
    make(lab, "lacking", LOOSE, WORKS[1]);
    until("it is told that an image is missing", SOON, || {
        let reason = "jsonpath={.status.containerStatuses[0].state.waiting.reason}";
        let why = lab.kubectl(&["get", "pod", "lacking", "-o", reason]);
        if why.contains("Image") { Ok(()) } else { Err(why) }
    });
    lab.fmp_for(file, &["plan"]).exits(2).says(&["images-1"]);
    lab.fmp_for(file, &["doctor"]).exits(1).says(&[
        "images-1: error: image-storage: the image storage does not answer",
        "fix: `fmp apply` does it: images-1/machine",
    ]);
    lab.kubectl(&["delete", "pod", "lacking", "--force"]);
}

/// A new machine in the place of the old one has all images after one run, and a new node pulls from it.
fn another_machine(lab: &Lab, file: &Path) {
    lab.delete(IMAGES);
    lab.fmp_for(file, &["apply", "--yes"]).exits(0).says(&["in sync after"]);
    lab.fmp_for(file, &["plan"]).exits(0);
    start(lab, "late", LOOSE, WORKS[2]);
}

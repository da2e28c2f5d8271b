//! Objects of the API that a person brings: applied with what they need, compared field by field, deleted when nothing wants
//! them any more.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use fmp::planner::Plan;

use crate::lab::{Lab, fixture};

const DEPLOYMENT: &str = "cluster/object/Deployment/shop/window";
const ROLE: &str = "cluster/object/ClusterRole//system:coredns";

/// What holds more than itself.
const HELD: [&str; 2] = ["Namespace//shop", "CustomResourceDefinition//orders.example.com"];

pub(crate) fn run(lab: &Lab) {
    let folder = lab.place("manifests");
    fs::create_dir_all(&folder).expect("the target directory can be written");
    write(&folder, &fixture("real/manifests/shop.yaml"));
    let file = with(lab, "objects.toml", "", "\n[components.manifests]\nshop = \"manifests\"\n");
    lab.fmp_for(&file, &["apply", "--yes"]).exits(0).says(&["in sync after"]);
    assert_eq!(lab.kubectl(&["-n", "shop", "get", "orders", "first", "-o", "jsonpath={.spec.pieces}"]), "3");
    lab.kubectl(&["-n", "shop", "rollout", "status", "deployment/window", "--timeout=120s"]);

    changed_by_hand(lab, &file);
    refused_where_somebody_else_holds_it(lab, &file);
    written_anew(lab, &file, &folder);
    wanted_no_more(lab);
}

fn write(folder: &Path, text: &str) {
    fs::write(folder.join("shop.yaml"), text).expect("the target directory can be written");
}

/// The cluster's file with a first line and something at its end.
fn with(lab: &Lab, name: &str, first: &str, last: &str) -> PathBuf {
    lab.variant(name, |text| format!("{first}{text}{last}"))
}

fn steps(plan: &Plan) -> BTreeSet<&str> {
    plan.steps.iter().map(|step| step.id.as_str()).collect()
}

fn changed_by_hand(lab: &Lab, file: &Path) {
    lab.kubectl(&["-n", "shop", "scale", "deployment/window", "--replicas=3"]);
    let fewer = r#"[{"op": "remove", "path": "/rules/1"}]"#;
    lab.kubectl(&["patch", "clusterrole", "system:coredns", "--type=json", "-p", fewer]);
    let plan = lab.plan_for(file);
    assert_eq!(steps(&plan), [DEPLOYMENT, ROLE].into());
    let shown = lab.fmp_for(file, &["plan"]).exits(2);
    shown.says(&["spec.replicas is 3, wanted 2, and is somebody else's by now", "rules"]);
    lab.fmp_for(file, &["apply", "--yes"]).exits(0);
    let replicas = ["-n", "shop", "get", "deployment", "window", "-o", "jsonpath={.spec.replicas}"];
    assert_eq!(lab.kubectl(&replicas), "2");
    lab.fmp_for(file, &["plan"]).exits(0);
}

/// What the plan did not name is not taken from anybody.
fn refused_where_somebody_else_holds_it(lab: &Lab, file: &Path) {
    lab.kubectl(&["-n", "shop", "scale", "deployment/window", "--replicas=4"]);
    let path = lab.place("objects.json");
    let out = path.to_str().expect("the target directory has a name of UTF-8");
    lab.fmp_for(file, &["plan", "--out", out]).exits(2);
    lab.kubectl(&["-n", "shop", "set", "image", "deployment/window", "window=example.com/other:1"]);
    let refused = lab.fmp_for(file, &["apply", out, "--yes"]).exits(3);
    refused.says(&["the plan is stale; nothing was touched", "object Deployment/shop/window"]);
    lab.fmp_for(file, &["apply", "--yes"]).exits(0);
    lab.fmp_for(file, &["plan"]).exits(0);
}

fn written_anew(lab: &Lab, file: &Path, folder: &Path) {
    let text =
        fixture("real/manifests/shop.yaml").replace("colour = red", "colour = blue").replace("pieces: 3", "pieces: 4");
    write(folder, &text);
    let shown = lab.fmp_for(file, &["plan"]).exits(2);
    shown.says(&["data.\"shop.conf\" differs", "-colour = red", "+colour = blue", "spec.pieces is 3, wanted 4"]);
    assert_eq!(lab.plan_for(file).steps.len(), 2);
    lab.fmp_for(file, &["apply", "--yes"]).exits(0);
}

/// By the cluster's own file nobody wants them any more.
fn wanted_no_more(lab: &Lab) {
    let shown = lab.fmp(&["plan"]).exits(2);
    shown.says(&[
        "consent = [\"delete Namespace//shop\"]",
        "object/Deployment/shop/window: delete",
        "object/Order.example.com/shop/first: delete",
    ]);
    lab.fmp(&["apply", "--yes"]).exits(0);
    assert_eq!(
        lab.kubectl(&["-n", "shop", "get", "deployments,configmaps", "-l", "app.kubernetes.io/managed-by=fmp"]),
        ""
    );
    assert_eq!(lab.kubectl(&["-n", "shop", "get", "orders"]), "");
    assert!(!lab.kubectl(&["-n", "kube-system", "get", "configmaps"]).contains("fmp-inventory"));
    let agreed = HELD.map(|object| format!("\"delete {object}\"")).join(", ");
    let file = with(lab, "agreed.toml", &format!("consent = [{agreed}]\n"), "");
    lab.fmp_for(&file, &["apply", "--yes"]).exits(0);
    assert_eq!(lab.kubectl(&["get", "namespace", "shop", "--ignore-not-found"]), "");
    assert_eq!(lab.kubectl(&["get", "crd", "--ignore-not-found", "-l", "app.kubernetes.io/managed-by=fmp"]), "");
    let quiet = lab.fmp(&["plan"]).exits(0);
    assert!(!quiet.out.contains("shop"), "{}", quiet.out);
}

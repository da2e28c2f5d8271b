//! A host whose ledger names another cluster: nothing is touched, there or anywhere else.

use std::{env, fs, path::PathBuf, process::Command};

use crate::{
    lab::{Lab, SOON, Way, cluster, operator_key, until},
    runner::say,
};

const HOST: &str = "work-4";

/// Something else to do, which must not be done meanwhile.
const DRIFT: (&str, &str) = ("work-1", "/etc/crictl.yaml");

/// All that could be touched, on the foreign host and where there is something to do.
fn state(lab: &Lab) -> [String; 2] {
    let ledger = "find /var/lib/fmp /etc/fmp /etc/kubernetes /etc/systemd/system -type f ! -name epoch -exec sha256sum {} + | sort";
    [lab.sh(HOST, ledger), lab.sh(DRIFT.0, &format!("sha256sum {}", DRIFT.1))]
}

pub(crate) fn run(lab: &Lab) {
    an_api_of_another_cluster(lab);
    a_ledger_of_another_cluster(lab);
    if env::var_os("FMP_FULL").is_some() {
        the_address_of_another_clusters_host(lab);
    }
}

fn a_ledger_of_another_cluster(lab: &Lab) {
    lab.sh(DRIFT.0, &format!("echo '# by hand' >> {}", DRIFT.1));
    lab.sh(HOST, "cp -p /var/lib/fmp/cluster-id /run/own-id; tr 0-9a-f 1-9a-f0 </run/own-id >/var/lib/fmp/cluster-id");
    let other = lab.sh(HOST, "cat /var/lib/fmp/cluster-id");
    let before = state(lab);
    let names = [HOST, other.trim(), &format!("adopt {HOST}")];
    lab.fmp(&["plan"]).exits(3).says(&names);
    lab.fmp(&["apply", "--yes"]).exits(3).says(&names);
    let (_, plan) = lab.plan();
    assert!(plan.steps.is_empty() && plan.changes.is_empty(), "{plan:#?}");
    assert_eq!(state(lab), before, "something was touched");
    lab.sh(HOST, "cp -p /run/own-id /var/lib/fmp/cluster-id");
    lab.fmp(&["apply", "--yes"]).exits(0);
}

/// What the API says of itself: the hosts' id, and while it says another one, nothing is touched.
fn an_api_of_another_cluster(lab: &Lab) {
    let own = lab.sh("main-1", "cat /var/lib/fmp/cluster-id");
    let says = |id: &str| {
        let annotation = format!("fmp.io/cluster-id={id}");
        lab.kubectl(&["-n", "kube-system", "annotate", "--overwrite", "configmap", "fmp-cluster", &annotation]);
    };
    let template = r#"go-template={{index .metadata.annotations "fmp.io/cluster-id"}}"#;
    let said = lab.kubectl(&["-n", "kube-system", "get", "configmap", "fmp-cluster", "-o", template]);
    assert_eq!(said.trim(), own.trim());
    lab.sh(DRIFT.0, &format!("echo '# by hand' >> {}", DRIFT.1));
    says("other");
    let before = state(lab);
    lab.fmp(&["apply", "--yes"]).exits(3).says(&["names cluster other", own.trim(), "fmp-cluster"]);
    assert_eq!(state(lab), before, "something was touched");
    says(own.trim());
    lab.fmp(&["apply", "--yes"]).exits(0);
}

/// Another cluster, of one main, on the same link.
const OTHER: (&str, &str, &str) = ("fmp-real-b", "b-1", "198.18.0.31");

/// Its machine, deleted whatever happens.
struct OtherCluster<'a> {
    lab: &'a Lab,
    file: PathBuf,
}

impl OtherCluster<'_> {
    fn delete(&self) {
        self.lab.fmp_for(&self.file, &["destroy", "--name", OTHER.0]).exits(0);
    }

    /// A file of its machine, as it lies on this computer.
    fn place(path: &str) -> PathBuf {
        PathBuf::from(format!("/var/lib/fmp-local/{}/machines/{}/root/{path}", OTHER.0, OTHER.1))
    }
}

impl Drop for OtherCluster<'_> {
    fn drop(&mut self) {
        self.delete();
    }
}

/// For real: a whole cluster, whose main one line of our file names.
fn the_address_of_another_clusters_host(lab: &Lab) {
    let (cluster, node, address) = OTHER;
    let file = lab.place("other.toml");
    let text = format!(
        "[cluster]\nname = \"{cluster}\"\nprofile = \"local\"\nkubernetes = \"1.29.15\"\n\
         [environment]\nkind = \"local\"\n\
         [network]\nmode = \"routed\"\npods = \"10.244.0.0/16\"\nservices = \"10.96.0.0/16\"\n\
         [entrance.api]\nkind = \"none\"\n[nodes.{node}]\nrole = \"main\"\naddress = \"{address}\"\n"
    );
    fs::write(&file, text).expect("the target directory can be written");
    let other = OtherCluster { lab, file };
    other.delete();
    lab.fmp_for(&other.file, &["apply", "--yes"]).exits(0);
    put_on_one_link(lab);
    let read = |path: &str| fs::read_to_string(OtherCluster::place(path)).expect("the machine has it");
    let host_key = read("etc/ssh/ssh_host_ed25519_key.pub").split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    let ours = lab.by_ssh("foreign.toml", |node, way| {
        let (host, host_key) = (address.to_owned(), host_key.clone());
        if node == HOST { Way { host, host_key, identity: operator_key(cluster), ..way } } else { way }
    });
    let state = || {
        let mut find = Command::new("sh");
        let tree = "find etc var/lib/fmp opt -type f -exec sha256sum {} + | sort";
        find.args(["-c", tree]).current_dir(OtherCluster::place(""));
        lab.run(find, None).exits(0).out
    };
    let before = state();
    // The other machine's kernel learns within seconds that its gateway is another one now.
    until("the foreign host answers", SOON, || {
        let ran = lab.nearby_fmp(&ours, &["plan"]);
        if ran.code == Some(3) { Ok(()) } else { Err(format!("{ran:?}")) }
    });
    let names = [HOST, read("var/lib/fmp/cluster-id").trim(), "its ledger names cluster"].map(str::to_owned);
    lab.nearby_fmp(&ours, &["apply", "--yes"]).exits(3).says(&names.each_ref().map(String::as_str));
    assert_eq!(state(), before, "the other cluster was touched");
    say("  a host of another cluster, for real: named and left alone");
}

/// Joins the bridges of both clusters, and leaves the gateway's address to ours.
fn put_on_one_link(lab: &Lab) {
    let (ours, theirs) = (format!("fmp-{}", cluster()), format!("fmp-{}", OTHER.0));
    let script = format!(
        "set -e; ip link add to-b netns {ours} type veth peer name to-a netns {theirs}; \
         ip -n {ours} link set to-b master br0 up; ip -n {theirs} link set to-a master br0 up; \
         ip -n {theirs} addr flush dev br0"
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]);
    lab.run(shell, None).exits(0);
}

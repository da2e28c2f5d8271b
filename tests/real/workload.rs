//! Pods that answer: every node reaches every pod, by Service and by address, and people reach them by kubectl.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use fmp::providers::transport::Input;

use crate::{
    image,
    lab::{Lab, SOON, WORKS, everyone, fixture, until},
};

/// How often each way is asked. Four pods are asked by chance: one is missed once in ten million runs.
const QUESTIONS: usize = 64;

/// Where busybox lies on the machines meanwhile: they have no other client for HTTP.
const ON_MACHINES: &str = "/var/tmp/busybox";

/// A pod of the Deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pod {
    name: String,
    address: String,
    node: String,
}

pub(crate) fn run(lab: &Lab) {
    deploy(lab);
    answers(lab);
    people_reach_pods(lab);
}

/// One pod on each work node. Done again, it changes nothing.
pub(crate) fn deploy(lab: &Lab) {
    let busybox = static_busybox(lab);
    let archive = image::archive(&busybox);
    thread::scope(|scope| {
        for node in WORKS {
            scope.spawn(|| import(lab, node, archive.clone()));
        }
    });
    lab.kubectl_reading(&fixture("real/workload.yaml"), &["apply", "-f", "-"]);
    until("one pod runs on each work node", SOON, || pods(lab).map(drop));
}

fn import(lab: &Lab, node: &str, archive: Vec<u8>) {
    let script = format!(
        "cat >/run/who.tar; ctr -n k8s.io images ls -q | grep -qx {0} || ctr -n k8s.io images import /run/who.tar; rm /run/who.tar",
        image::REFERENCE
    );
    let output = lab.ask(node, &script, Input::from(archive)).expect("the node answers");
    assert!(output.success(), "{node}: {output:?}");
}

/// busybox with no library beside it, which an image and any machine can run: this computer's own, or Debian's package.
fn static_busybox(lab: &Lab) -> PathBuf {
    let has_no_library = |path: &Path| {
        let mut ldd = Command::new("ldd");
        ldd.arg(path).env("LC_ALL", "C");
        lab.run(ldd, None).code != Some(0)
    };
    let folder = lab.place("busybox");
    let unpacked = folder.join("bin/busybox");
    let places = [PathBuf::from("/bin/busybox"), unpacked.clone()];
    if let Some(path) = places.into_iter().find(|path| path.exists() && has_no_library(path)) {
        return path;
    }
    fs::create_dir_all(&folder).expect("the target directory can be written");
    let fetch = "apt-get download busybox-static && dpkg-deb -x busybox-static_*.deb . && rm busybox-static_*.deb";
    let mut shell = Command::new("sh");
    shell.args(["-c", fetch]).current_dir(&folder);
    lab.run(shell, None).exits(0);
    assert!(has_no_library(&unpacked), "busybox-static is static");
    unpacked
}

/// The Deployment's pods, where there is one that is ready on each work node and no other.
fn pods(lab: &Lab) -> Result<BTreeMap<String, Pod>, String> {
    let path = r#"jsonpath={range .items[*]}{.metadata.name} {.status.podIP} {.spec.nodeName} {.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}"#;
    let ran = lab.fmp(&["kubectl", "--", "get", "pods", "-l", "app=who", "-o", path]);
    let pod = |line: &str| {
        let [name, address, node, "True"] = line.split(' ').collect::<Vec<_>>()[..] else { return None };
        let pod = Pod { name: name.to_owned(), address: address.to_owned(), node: node.to_owned() };
        Some((pod.name.clone(), pod))
    };
    let pods: Option<BTreeMap<String, Pod>> = ran.out.lines().map(pod).collect();
    let pods = pods.ok_or_else(|| format!("not all are ready: {}", ran.out))?;
    let nodes: BTreeSet<&str> = pods.values().map(|pod| pod.node.as_str()).collect();
    if pods.len() == WORKS.len() && nodes == BTreeSet::from(WORKS) {
        Ok(pods)
    } else {
        Err(format!("{}{}", ran.out, ran.err))
    }
}

/// Each node answers for each pod, by `NodePort` and by `ClusterIP`, and pods see each other's own addresses.
pub(crate) fn answers(lab: &Lab) {
    let busybox = static_busybox(lab);
    let pods = until("one pod is ready on each work node", SOON, || pods(lab));
    let cluster_ip = lab.kubectl(&["get", "service", "who", "-o", "jsonpath={.spec.clusterIP}"]);
    let from_outside = |node: &str| {
        let questions = questions(&busybox, &format!("http://{}:30080/cgi-bin/who", lab.address(node)));
        until("its NodePort reaches each pod", SOON, || {
            all_told(node, &lab.nearby("sh", &["-c", &questions]).out, &pods)
        });
    };
    let from_inside = |node: &str| {
        put_busybox(lab, node, &busybox);
        let questions = questions(Path::new(ON_MACHINES), &format!("http://{cluster_ip}/cgi-bin/who"));
        until("the ClusterIP reaches each pod", SOON, || all_told(node, &lab.try_sh(node, &questions)?, &pods));
    };
    for node in everyone() {
        from_outside(node);
        from_inside(node);
    }
    pods_see_pod_addresses(lab, &pods, &cluster_ip);
}

/// A script that asks often; `-` where nobody answers.
fn questions(busybox: &Path, url: &str) -> String {
    let busybox = busybox.display();
    format!("i=0; while [ $i -lt {QUESTIONS} ]; do {busybox} wget -q -O - -T 5 {url} || echo -; i=$((i+1)); done")
}

fn all_told(node: &str, answers: &str, pods: &BTreeMap<String, Pod>) -> Result<(), String> {
    let told: BTreeSet<&str> = answers.lines().map(|line| line.split(' ').next().unwrap_or_default()).collect();
    let wanted: BTreeSet<&str> = pods.keys().map(String::as_str).collect();
    if told == wanted { Ok(()) } else { Err(format!("{node}: answers came from {told:?}, pods are {wanted:?}")) }
}

fn put_busybox(lab: &Lab, node: &str, busybox: &Path) {
    let program = fs::read(busybox).expect("busybox can be read");
    let script = format!("cat >{ON_MACHINES}.new; chmod 755 {ON_MACHINES}.new; mv {ON_MACHINES}.new {ON_MACHINES}");
    let output = lab.ask(node, &script, Input::from(program)).expect("the node answers");
    assert!(output.success(), "{node}: {output:?}");
}

/// From each pod to the pod on the next node: directly, and by the Service, which another node's pod may answer.
fn pods_see_pod_addresses(lab: &Lab, pods: &BTreeMap<String, Pod>, cluster_ip: &str) {
    for (client, server) in pods.values().zip(pods.values().cycle().skip(1)) {
        let url = format!("http://{}:{}/cgi-bin/who", server.address, image::PORT);
        let seen = exec(lab, client, &url);
        assert_eq!(seen, format!("{} {}", server.name, client.address), "{client:?} asked {server:?}");
        until("another pod answers by the Service", SOON, || {
            let answer = exec(lab, client, &format!("http://{cluster_ip}/cgi-bin/who"));
            // A pod that reaches itself by a Service is the one case in which the kernel must put another address.
            let (name, address) = answer.split_once(' ').ok_or_else(|| format!("no answer: {answer}"))?;
            if name == client.name {
                return Err("it reached itself".to_owned());
            }
            assert_eq!(address, client.address, "{name} sees who asks");
            Ok(())
        });
    }
}

/// What a pod is told under an address.
fn exec(lab: &Lab, client: &Pod, url: &str) -> String {
    lab.kubectl(&["exec", &client.name, "--", "busybox", "wget", "-q", "-O", "-", "-T", "10", url]).trim().to_owned()
}

/// Logs, exec and port-forward, on each work node's kubelet.
fn people_reach_pods(lab: &Lab) {
    for Pod { name, node, .. } in pods(lab).expect("one pod is ready on each work node").values() {
        let logs = lab.kubectl(&["logs", name]);
        assert!(logs.contains("/cgi-bin/who"), "{node}: {logs}");
        let hostname = lab.kubectl(&["exec", name, "--", "busybox", "hostname"]);
        assert_eq!(hostname.trim(), name, "{node}");
        let forward = format!(
            "kubectl port-forward pod/{name} 18080:{port} >/dev/null 2>&1 & trap \"kill $!\" EXIT; \
             for try in $(seq 60); do {ON_MACHINES} wget -q -O - -T 5 http://127.0.0.1:18080/cgi-bin/who && exit; \
             {ON_MACHINES} usleep 250000; done; exit 1",
            port = image::PORT
        );
        let told = lab.sh("main-1", &forward);
        assert!(told.starts_with(name.as_str()), "{node}: {told}");
    }
}

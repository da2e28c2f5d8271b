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

/// Where every node answers, as the fixture says.
const NODE_PORT: u16 = 30080;

/// How often each way is asked. Four pods are asked by chance: one is missed once in ten million runs.
const QUESTIONS: usize = 64;

/// The question, as a client of HTTP writes it.
const REQUEST: &str = "GET /cgi-bin/who HTTP/1.0\r\n\r\n";

/// A pod of the Deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pod {
    name: String,
    address: String,
    node: String,
}

pub(crate) fn run(lab: &Lab) {
    deploy(lab);
    all_ways(lab);
}

/// Every way to a pod: from nodes, from pods, by name, and by kubectl.
pub(crate) fn all_ways(lab: &Lab) {
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

/// The server's image alone, on this node.
pub(crate) fn bring_image(lab: &Lab, node: &str) {
    import(lab, node, image::archive(&static_busybox(lab)));
}

fn import(lab: &Lab, node: &str, archive: Vec<u8>) {
    let script = format!(
        "cat >/run/who.tar; /opt/fmp/store/*/ctr -n k8s.io images ls -q | grep -qx {0} || /opt/fmp/store/*/ctr -n k8s.io images import /run/who.tar; rm /run/who.tar",
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
    // A node that shuts down ends its pods, and leaves their objects behind.
    let alive = "--field-selector=status.phase!=Failed,status.phase!=Succeeded";
    let ran = lab.fmp(&["kubectl", "--", "get", "pods", "-l", "app=who", alive, "-o", path]);
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
fn answers(lab: &Lab) {
    let pods = until("one pod is ready on each work node", SOON, || pods(lab));
    let cluster_ip = lab.kubectl(&["get", "service", "who", "-o", "jsonpath={.spec.clusterIP}"]);
    for node in everyone() {
        let address = lab.address(node);
        until("its NodePort reaches each pod", SOON, || {
            let answer = |_| lab.converse(&address, NODE_PORT, REQUEST).unwrap_or_else(|why| why);
            all_told(node, &(0..QUESTIONS).map(answer).collect::<String>(), &pods)
        });
        let often = format!("i=0; while [ $i -lt {QUESTIONS} ]; do {}; i=$((i+1)); done", question(&cluster_ip, 80));
        until("the ClusterIP reaches each pod", SOON, || all_told(node, &lab.try_sh(node, &often)?, &pods));
    }
    pods_see_pod_addresses(lab, &pods, &cluster_ip);
    outside_sees_nodes(lab, &pods);
    names_resolve(lab, &pods, &cluster_ip);
}

/// A program on a host that tells whoever connects who that is.
const SAYS: &str = "systemctl stop canary-says 2>/dev/null || true
    cat >/run/canary-says <<'end'
use IO::Socket::INET;
my $listener = IO::Socket::INET->new(LocalPort => 8123, Listen => 5, ReuseAddr => 1) or die;
while (my $client = $listener->accept) { print $client $client->peerhost; close $client }
end
    systemd-run --quiet --collect --unit=canary-says perl /run/canary-says";

/// Whoever is asked from a pod and is no pod sees the node: nobody outside knows the way to the pods' addresses. The answer
/// comes from a program of a main, which says who asks.
fn outside_sees_nodes(lab: &Lab, pods: &BTreeMap<String, Pod>) {
    lab.sh("main-1", SAYS);
    for Pod { name, node, .. } in pods.values() {
        let (asked, seen) = (lab.address("main-1"), lab.address(node));
        until("what is outside sees the node", SOON, || {
            let ran = lab.fmp(&["kubectl", "--", "exec", name, "--", "busybox", "nc", &asked, "8123"]);
            if ran.out.trim() == seen { Ok(()) } else { Err(format!("{node}: {}{}", ran.out, ran.err)) }
        });
    }
    lab.sh("main-1", "systemctl stop canary-says");
}

/// From a pod on each node: the cluster's names, in both directions. Its answers come from pods on two nodes.
fn names_resolve(lab: &Lab, pods: &BTreeMap<String, Pod>, cluster_ip: &str) {
    for Pod { name, node, .. } in pods.values() {
        let reverse = format!("{}.in-addr.arpa", cluster_ip.rsplit('.').collect::<Vec<_>>().join("."));
        let (who, api) = ("who.default.svc.cluster.local", "kubernetes.default.svc.cluster.local");
        let questions = [(who, cluster_ip), (api, "10.96.0.1"), (&reverse, who)];
        for (asked, answer) in questions {
            let kind = if asked.ends_with(".arpa") { "-type=ptr" } else { "-type=a" };
            until("names resolve", SOON, || {
                let ran = lab.fmp(&["kubectl", "--", "exec", name, "--", "busybox", "nslookup", kind, asked]);
                // Its first lines name the server that was asked, at an address of its own.
                let told = ran.out.lines().any(|line| line.split_whitespace().last() == Some(answer));
                if told { Ok(()) } else { Err(format!("{node}: {asked}: {}{}", ran.out, ran.err)) }
            });
        }
    }
}

/// The question for a shell of a machine.
pub(crate) fn question(address: &str, port: u16) -> String {
    format!("printf '{}' | socat -t 5 - TCP:{address}:{port},connect-timeout=5", REQUEST.escape_default())
}

/// The question for a shell of a pod: busybox's wget of Debian 12 does not survive numeric addresses.
pub(crate) fn question_of_a_pod(address: &str, port: u16) -> String {
    format!("printf '{}' | busybox nc -w 10 {address} {port}", REQUEST.escape_default())
}

/// What the server told: its name, and the address that it saw.
fn told(answer: &str) -> Option<(&str, &str)> {
    answer.trim_end().rsplit(['\n', '\r']).next()?.split_once(' ')
}

fn all_told(node: &str, answers: &str, pods: &BTreeMap<String, Pod>) -> Result<(), String> {
    let of_pods = |line: &&str| !line.is_empty() && !line.starts_with("HTTP/") && !line.starts_with("Content-Type:");
    let told: BTreeSet<&str> =
        answers.lines().filter(of_pods).map(|line| line.split(' ').next().unwrap_or_default()).collect();
    let wanted: BTreeSet<&str> = pods.keys().map(String::as_str).collect();
    if told == wanted { Ok(()) } else { Err(format!("{node}: answers came from {told:?}, pods are {wanted:?}")) }
}

/// From each pod to the pod on the next node: directly, and by the Service, which another node's pod may answer.
fn pods_see_pod_addresses(lab: &Lab, pods: &BTreeMap<String, Pod>, cluster_ip: &str) {
    for (client, server) in pods.values().zip(pods.values().cycle().skip(1)) {
        let answer = ask_from(lab, client, &server.address, image::PORT);
        assert_eq!(told(&answer), Some((server.name.as_str(), client.address.as_str())), "{client:?} asked {server:?}");
        until("another pod answers by the Service", SOON, || {
            let answer = ask_from(lab, client, cluster_ip, 80);
            let (name, address) = told(&answer).ok_or_else(|| format!("no answer: {answer}"))?;
            // A pod that reaches itself by a Service is the one case in which the kernel must put another address.
            if name == client.name {
                return Err("it reached itself".to_owned());
            }
            assert_eq!(address, client.address, "{name} sees who asks");
            Ok(())
        });
    }
}

/// What a pod is answered.
fn ask_from(lab: &Lab, client: &Pod, address: &str, port: u16) -> String {
    lab.kubectl(&["exec", &client.name, "--", "busybox", "sh", "-c", &question_of_a_pod(address, port)])
}

/// Logs, exec and port-forward, on each work node's kubelet.
fn people_reach_pods(lab: &Lab) {
    for Pod { name, node, .. } in pods(lab).expect("one pod is ready on each work node").values() {
        let logs = lab.kubectl(&["logs", name]);
        assert!(logs.contains("/cgi-bin/who"), "{node}: {logs}");
        let hostname = lab.kubectl(&["exec", name, "--", "busybox", "hostname"]);
        assert_eq!(hostname.trim(), name, "{node}");
        let forward = format!("kubectl port-forward pod/{name} 18080:{} >/run/forward.log 2>&1 & echo $!", image::PORT);
        let process = lab.sh("main-1", &forward);
        let answer = until("the port is forwarded", SOON, || lab.try_sh("main-1", &question("127.0.0.1", 18080)));
        lab.sh("main-1", &format!("kill {process}"));
        assert_eq!(told(&answer).map(|(name, _)| name), Some(name.as_str()), "{node}: {answer}");
    }
}

//! What the API says of Node objects and of the objects that FMP applied.

use std::collections::{BTreeMap, BTreeSet};

use fmp_core::{
    observed::{Api, Fact, NodeSeen, ObjectSeen},
    role::paths::IDENTITY,
    tree::Tree,
};
use fmp_exec::{Besides, Questions};
use serde::Deserialize;

use super::{Answers, Unanswered, health, objects, pods, workloads};
use crate::transport::quote;

/// Where every apiserver listens.
pub(crate) const PORT: u16 = 6443;

/// Marks every object that FMP applies.
pub(crate) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Holds the digest of the manifest that was applied.
pub(crate) const DIGEST: &str = "fmp.io/digest";

/// Holds the id of the cluster, on the one object that says it.
pub(crate) const CLUSTER_ID: &str = "fmp.io/cluster-id";

/// Enough to name some and to see that there are more.
const POLICIES: &str = "/apis/networking.k8s.io/v1/networkpolicies?limit=20";

/// Lines for the probe, which asks the main's own apiserver. What is asked for as it lies there needs no look at the
/// API's list of kinds.
pub(super) fn questions(ask: &Questions) -> String {
    let nodes = Some("api nodes 127.0.0.1:6443 get --raw=/api/v1/nodes\n".to_owned());
    let objects = objects::questions(&ask.kinds);
    let policies = ask.network_policies.then(|| format!("api policies 127.0.0.1:6443 get --raw={}\n", quote(POLICIES)));
    let ailments = (ask.besides == Besides::Ailments).then(|| pods::question() + &health::questions());
    let workloads = (ask.besides == Besides::Workloads).then(workloads::questions);
    [nodes, Some(objects), policies, workloads, ailments].into_iter().flatten().collect()
}

/// A line for the probe that asks for words of objects: `what` as kubectl takes it, `words` as its `--output`.
pub(super) fn get(name: &str, what: &str, words: &str) -> String {
    format!("api {name} 127.0.0.1:{PORT} get {what} -o {}\n", quote(words))
}

#[derive(Debug, Deserialize)]
pub(super) struct List<T> {
    pub(super) items: Vec<T>,
}

#[derive(Debug, Deserialize)]
struct Node {
    metadata: Metadata,
    #[serde(default)]
    spec: NodeSpec,
    #[serde(default)]
    status: NodeStatus,
}

#[derive(Debug, Deserialize)]
struct Policy {
    metadata: Metadata,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeSpec {
    #[serde(default, rename = "podCIDR")]
    pod_cidr: String,
    #[serde(default)]
    taints: Vec<Taint>,
    #[serde(default)]
    unschedulable: bool,
}

#[derive(Debug, Deserialize)]
struct Taint {
    key: String,
    #[serde(default)]
    value: String,
    effect: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeStatus {
    #[serde(default)]
    conditions: Vec<Condition>,
    #[serde(default)]
    addresses: Vec<Address>,
    #[serde(default)]
    node_info: NodeInfo,
}

#[derive(Debug, Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    message: String,
}

#[derive(Debug, Deserialize)]
struct Address {
    #[serde(rename = "type")]
    kind: String,
    address: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeInfo {
    #[serde(default)]
    kubelet_version: String,
}

/// Reads both answers; who is ready is seen elsewhere.
pub(super) fn read(answers: &Answers, ask: &Questions) -> Fact<Api> {
    let nodes: List<Node> = match list(answers, "nodes") {
        Ok(nodes) => nodes,
        Err(why) => return Fact::Unknown(why),
    };
    let objects = match objects::read(answers, &ask.kinds) {
        Ok(objects) => objects,
        Err(why) => return Fact::Unknown(why),
    };
    let cluster_id = identity(&objects, ask);
    let nodes = nodes.items.into_iter().map(|node| (node.metadata.name.clone(), seen(node))).collect();
    Fact::Known(Api {
        ready: BTreeMap::new(),
        cluster_id,
        nodes,
        objects,
        network_policies: policies(answers, ask),
        pods: pods::read(answers, ask),
        workloads: (ask.besides == Besides::Workloads).then(|| workloads::read(answers)),
        health: (ask.besides == Besides::Ailments).then(|| health::read(answers)),
    })
}

/// Which cluster the API says that it is.
fn identity(objects: &BTreeMap<String, Fact<ObjectSeen>>, ask: &Questions) -> Fact<String> {
    if !IDENTITY.split('/').next().is_some_and(|kind| ask.kinds.contains(kind)) {
        return Fact::Unknown("nobody asked".to_owned());
    }
    let live =
        objects.get(IDENTITY).and_then(Fact::known).and_then(|seen| seen.fields.as_ref()).map(|fields| &fields.live);
    let says = live.and_then(|live| live.at(["metadata", "annotations", CLUSTER_ID])).and_then(Tree::text);
    says.map_or(Fact::Absent, |id| Fact::Known(id.to_owned()))
}

fn policies(answers: &Answers, ask: &Questions) -> Fact<BTreeSet<String>> {
    if !ask.network_policies {
        return Fact::Unknown("nobody asked".to_owned());
    }
    let name = |policy: Policy| format!("{}/{}", policy.metadata.namespace, policy.metadata.name);
    list(answers, "policies")
        .map_or_else(Fact::Unknown, |policies| Fact::Known(policies.items.into_iter().map(name).collect()))
}

pub(super) fn list<T: for<'de> Deserialize<'de>>(answers: &Answers, question: &str) -> Result<List<T>, String> {
    let text = answers.get(question).map_err(|Unanswered { why, .. }| why)?;
    serde_json::from_str(text).map_err(|error| format!("the API's answer about {question} can't be read: {error}"))
}

fn seen(node: Node) -> NodeSeen {
    let ready = node.status.conditions.iter().find(|condition| condition.kind == "Ready");
    let is_ready = ready.is_some_and(|condition| condition.status == "True");
    let message = match ready {
        Some(_) if is_ready => String::new(),
        Some(condition) => condition.message.clone(),
        None => "its kubelet has not reported yet".to_owned(),
    };
    let short = |condition: &&Condition| condition.kind.ends_with("Pressure") && condition.status == "True";
    let pressures = node.status.conditions.iter().filter(short).map(|condition| condition.kind.clone());
    let internal = node.status.addresses.iter().find(|address| address.kind == "InternalIP");
    NodeSeen {
        ready: is_ready,
        message,
        pressures: pressures.collect(),
        kubelet_version: node.status.node_info.kubelet_version,
        pod_cidr: node.spec.pod_cidr.parse().ok(),
        address: internal.and_then(|address| address.address.parse().ok()),
        labels: node.metadata.labels,
        taints: taints(&node.spec.taints),
        unschedulable: node.spec.unschedulable,
    }
}

fn taints(taints: &[Taint]) -> BTreeSet<String> {
    let text = |Taint { key, value, effect }: &Taint| format!("{key}={value}:{effect}");
    taints.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use fmp_core::observed::FieldsSeen;

    use super::*;

    #[test]
    fn a_node_without_a_kubelet_is_not_ready_and_says_why() {
        let node = r#"{"metadata":{"name":"work-1","labels":{"a":"b"}},"spec":{"podCIDR":"10.244.3.0/24",
            "taints":[{"key":"k","effect":"NoSchedule"}]}}"#;
        let seen = seen(serde_json::from_str(node).unwrap());
        assert_eq!((seen.ready, seen.message.as_str()), (false, "its kubelet has not reported yet"));
        assert_eq!(seen.pod_cidr, "10.244.3.0/24".parse().ok());
        assert!(seen.taints.contains("k=:NoSchedule"));
    }

    #[test]
    fn the_api_says_which_cluster_it_is_by_one_object_and_no_other() {
        let object = |key: &str, annotations: &str| {
            let live = format!(r#"{{"metadata":{{"annotations":{{{annotations}}}}}}}"#);
            let live = serde_json::from_str(&live).unwrap();
            let fields = FieldsSeen { live, owned: Tree::Null, others: BTreeSet::new() };
            (key.to_owned(), Fact::Known(ObjectSeen { digest: "d".to_owned(), fields: Some(fields) }))
        };
        let ask = Questions { kinds: ["ConfigMap".to_owned()].into(), ..Questions::default() };
        let id = r#""fmp.io/cluster-id":"c1""#;
        let other = "ConfigMap/kube-system/a";
        assert_eq!(identity(&[object(other, id), object(IDENTITY, id)].into(), &ask), Fact::Known("c1".to_owned()));
        assert_eq!(identity(&[object(other, id), object(IDENTITY, "")].into(), &ask), Fact::Absent);
        assert_eq!(identity(&BTreeMap::new(), &ask), Fact::Absent);
        assert!(matches!(identity(&BTreeMap::new(), &Questions::default()), Fact::Unknown(_)));
    }

    #[test]
    fn what_a_node_is_short_of_is_told() {
        let node = r#"{"metadata":{"name":"w"},"status":{"conditions":[{"type":"MemoryPressure","status":"False"},
            {"type":"DiskPressure","status":"True"},{"type":"Ready","status":"True"}]}}"#;
        let seen = seen(serde_json::from_str(node).unwrap());
        assert_eq!(seen.pressures, ["DiskPressure".to_owned()].into());
    }

    #[test]
    fn a_ready_node_has_no_message() {
        let node = r#"{"metadata":{"name":"w"},"status":{"conditions":[{"type":"Ready","status":"True","message":"kubelet is posting"}],
            "addresses":[{"type":"InternalIP","address":"198.18.0.21"}],"nodeInfo":{"kubeletVersion":"v1.29.15"}}}"#;
        let seen = seen(serde_json::from_str(node).unwrap());
        assert!(seen.ready && seen.message.is_empty());
        assert_eq!((seen.kubelet_version.as_str(), seen.address), ("v1.29.15", "198.18.0.21".parse().ok()));
    }
}

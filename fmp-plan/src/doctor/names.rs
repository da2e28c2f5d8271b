//! Names in the cluster: somebody answers for them, and each node hears the answer.

use fmp_core::{
    NodeName, Severity, check,
    observed::{EndpointSeen, Fact, NameAnswer},
    spec::Dns,
};

use super::{Ailment, Fix, Kind, Patient, network, told};
use crate::Step;

/// The object without which nobody expects an answer.
const SERVICE: &str = "Service/kube-system/kube-dns";

const PROXY: &str = "kube-proxy.service";

/// Nobody answers, or some nodes don't hear it.
pub(super) fn ailments(patient: &Patient<'_>) -> Vec<Ailment> {
    let Some(api) = patient.observed.api.known() else { return Vec::new() };
    let Some(Fact::Known(pods)) = api.health.as_ref().map(|health| &health.dns) else { return Vec::new() };
    if patient.spec.components.dns == Dns::None || !api.objects.contains_key(SERVICE) {
        return Vec::new();
    }
    let ready = pods.iter().filter(|pod| pod.ready).count();
    if ready == 0 {
        return vec![nobody(patient, pods)];
    }
    patient.spec.nodes.keys().filter_map(|name| unheard(patient, name, ready)).collect()
}

fn nobody(patient: &Patient<'_>, pods: &[EndpointSeen]) -> Ailment {
    let told = |pod: &EndpointSeen| {
        let node = pod.node.as_ref().map_or_else(String::new, |node| format!(" on {node}"));
        format!("{}{node} is not ready", pod.pod)
    };
    let of_dns = |what: &str| ["kube-system/coredns", "kube-system/kube-dns"].iter().any(|name| what.contains(name));
    let hand = || "`fmp kubectl -- -n kube-system describe pods -l k8s-app=kube-dns`, and `logs` of them".to_owned();
    Ailment {
        subject: check::CLUSTER.to_owned(),
        kind: Kind::Dns,
        severity: Severity::Error,
        what: "nobody answers for names in the cluster".to_owned(),
        evidence: if pods.is_empty() {
            vec!["the Service kube-dns has no pods".to_owned()]
        } else {
            pods.iter().map(told).collect()
        },
        cause: "CoreDNS's pods do not run, do not reach the API, or somebody changed its objects".to_owned(),
        fix: patient.fix(|step: &Step| of_dns(step.id.as_str()), of_dns, hand),
    }
}

/// A node on which names don't resolve although somebody answers for them.
fn unheard(patient: &Patient<'_>, name: &NodeName, ready: usize) -> Option<Ailment> {
    let health = patient.observed.host(name)?.health.as_ref()?;
    // Before its proxy is there, a host has not joined yet.
    let proxy = patient.unit(name, PROXY)?;
    let server = patient.spec.network.cluster_dns();
    let (evidence, cause) = match &health.name {
        Fact::Known(NameAnswer::Silence) => (
            format!("{server} gave no answer"),
            "it does not reach the pods that answer: routes between nodes, or a firewall that drops UDP",
        ),
        Fact::Known(NameAnswer::Wrong(answer)) => (
            format!("{server} answers {answer}, not {}", patient.spec.network.kubernetes_service()),
            "CoreDNS knows the cluster by another domain, or does not see the API",
        ),
        Fact::Known(NameAnswer::Right) | Fact::Absent | Fact::Unknown(_) => return None,
    };
    let is_down = proxy.is_down();
    let cause = if is_down { "kube-proxy does not run there, which leads to Services" } else { cause };
    Some(Ailment {
        subject: name.to_string(),
        kind: Kind::Dns,
        severity: Severity::Error,
        what: "names in the cluster don't resolve there".to_owned(),
        evidence: vec![evidence, format!("{ready} pods of CoreDNS are ready"), format!("{PROXY} is {}", told(proxy))],
        cause: cause.to_owned(),
        fix: if is_down { patient.fix_unit(name, PROXY) } else { by_routes(patient, name) },
    })
}

/// The way out by what else ails the node's network.
fn by_routes(patient: &Patient<'_>, name: &NodeName) -> Fix {
    let hand = || Fix::Hand(format!("`iptables-save` and `ip route` on {name}; `fmp check` compares what it needs"));
    network::routes(patient, name).map_or_else(hand, |ailment| ailment.fix)
}

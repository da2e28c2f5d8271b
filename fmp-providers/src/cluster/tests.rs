//! The cluster's probe with programs of the test in place of kubectl and etcdctl.

use fmp_core::{NodeName, observed::Fact, role::paths::inventory};
use fmp_exec::{
    Provider as _,
    provider::{HostQuestions, Questions},
};

use crate::hosts::testing::Lab;

const KUBECTL: &str = r#"case "$*" in
    *--server=https://127.0.0.1:6443*' get --raw=/api/v1/nodes') echo '{"items":[{"metadata":{"name":"w"}}]}' ;;
    *--server=https://127.0.0.1:6443*' get ClusterRole,ConfigMap --all-namespaces '*) echo '{"items":[]}' ;;
    *--server=https://127.0.0.1:6443*' get --raw=/apis/networking.k8s.io/v1/networkpolicies'*)
        echo '{"items":[{"metadata":{"name":"deny","namespace":"shop"}}]}' ;;
    *--server=https://192.0.2.1:6443*' get --raw=/readyz') printf ok ;;
    *) echo "not expected: $*" >&2; exit 9 ;;
esac"#;

async fn observed(lab: &Lab) -> fmp_core::observed::Observed {
    let ask = HostQuestions { main: true, ..HostQuestions::default() };
    let hosts = ["a", "b"].map(|name| (name.parse().unwrap(), ask.clone())).into();
    let kinds = ["ClusterRole", "ConfigMap"].map(str::to_owned).into();
    lab.provider.observe(&lab.cx, &Questions { hosts, kinds, network_policies: true, ..Questions::default() }).await
}

#[tokio::test]
async fn an_apiserver_is_ready_when_another_main_says_so() {
    let lab = Lab::new();
    for host in ["a", "b"] {
        lab.program_of(host, "kubectl", KUBECTL);
    }
    let seen = observed(&lab).await;
    let Fact::Known(api) = seen.api else { panic!("{:?}", seen.api) };
    assert!(api.nodes.contains_key("w") && api.objects.is_empty());
    assert_eq!(api.network_policies, Fact::Known(["shop/deny".to_owned()].into()));
    for node in ["a", "b"] {
        assert_eq!(api.ready[&node.parse::<NodeName>().unwrap()], Fact::Known(true), "{node}");
    }
}

#[tokio::test]
async fn the_next_main_is_asked_where_the_first_one_knows_nothing() {
    let lab = Lab::new();
    lab.program_of("a", "kubectl", "echo 'connection refused' >&2; exit 1");
    lab.program_of("b", "kubectl", KUBECTL);
    let seen = observed(&lab).await;
    assert!(seen.api.known().is_some_and(|api| api.nodes.contains_key("w")), "{:?}", seen.api);
}

#[tokio::test]
async fn without_any_answer_the_api_is_unknown_and_says_why() {
    let lab = Lab::new();
    for host in ["a", "b"] {
        lab.program_of(host, "kubectl", "echo 'connection refused' >&2; exit 1");
    }
    let seen = observed(&lab).await;
    assert!(matches!(&seen.api, Fact::Unknown(why) if why.contains("refused")), "{:?}", seen.api);
}

#[tokio::test]
async fn nothing_is_asked_that_nobody_wants_to_know() {
    let lab = Lab::new();
    for host in ["a", "b"] {
        lab.program_of(host, "kubectl", KUBECTL);
    }
    let ask = HostQuestions { main: true, ..HostQuestions::default() };
    let questions = Questions { hosts: [("a".parse().unwrap(), ask)].into(), ..Questions::default() };
    let seen = lab.provider.observe(&lab.cx, &questions).await;
    let Fact::Known(api) = seen.api else { panic!("{:?}", seen.api) };
    assert!(matches!(api.network_policies, Fact::Unknown(_)), "{:?}", api.network_policies);
    let calls = lab.read("calls");
    assert!(!calls.contains("all-namespaces") && !calls.contains("networkpolicies"), "{calls}");
}

/// What FMP noted of a kind, as the API shows it.
const NOTE: &str = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"fmp-inventory.order.example.com",
    "namespace":"kube-system","annotations":{"fmp.io/digest":"sha256:1"}},"data":{"kind":"Order.example.com"}}"#;

#[tokio::test]
async fn objects_of_a_kind_that_only_the_api_remembers_are_found() {
    let lab = Lab::new();
    let answers = |objects: &str, orders: &str| {
        let noted = KUBECTL.replace(r#"'{"items":[]}'"#, &format!("'{{\"items\":[{objects}]}}'"));
        noted.replace("    *) echo", &format!("    *' get Order.example.com '*) {orders} ;;\n    *) echo"))
    };
    let order = r#"{"apiVersion":"example.com/v1","kind":"Order","metadata":{"name":"first","namespace":"shop",
        "annotations":{"fmp.io/digest":"sha256:2"}}}"#;
    lab.program_of("a", "kubectl", &answers(NOTE, &format!("echo '{{\"items\":[{order}]}}'")));
    lab.program_of("b", "kubectl", KUBECTL);
    let Fact::Known(api) = observed(&lab).await.api else { panic!("the API answers") };
    assert!(api.objects.contains_key("Order.example.com/shop/first"), "{:?}", api.objects);
    // What can't be listed is not known, and that its kind is gone is known; neither holds anything up.
    let missing = "echo \"error: the server doesn't have a resource type\" >&2; exit 1";
    for (orders, known) in [("exit 1", false), (missing, true)] {
        for host in ["a", "b"] {
            lab.program_of(host, "kubectl", &answers(NOTE, orders));
        }
        let Fact::Known(api) = observed(&lab).await.api else { panic!("the API answers") };
        assert_eq!(api.objects[&inventory("Order.example.com")].known().is_some(), known, "{orders}");
    }
    // Somebody else's words are no kind to ask for: this kubectl knows none but the one above.
    for word in ["Order.example.org", "order", "--all"] {
        for host in ["a", "b"] {
            lab.program_of(host, "kubectl", &answers(&NOTE.replace("Order.example.com", word), "exit 1"));
        }
        assert!(observed(&lab).await.api.known().is_some(), "{word}");
    }
}

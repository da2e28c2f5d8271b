//! Who is let in nowhere, and what can't be read by whoever takes etcd's disk along.

use fmp::providers::transport::Input;

use crate::lab::{Lab, MAINS, Ran, everyone};

/// Words that occur nowhere else.
const SECRET: &str = "canary-of-a-secret-4b1d";
const PLAIN: &str = "canary-in-plain-text-93c7";

/// What whoever has no certificate may not ask. The version is Kubernetes' own gift to everybody, which ours takes back.
const NOT_FOR_ANYBODY: [&str; 11] = [
    "/",
    "/api",
    "/api/v1/nodes",
    "/api/v1/secrets",
    "/apis",
    "/metrics",
    "/openapi/v2",
    "/openapi/v3",
    "/version",
    "/version/",
    "/.well-known/openid-configuration",
];

pub(crate) fn run(lab: &Lab) {
    etcd_refuses_whoever_has_no_certificate(lab);
    secrets_are_unreadable_on_the_disk(lab);
    apiservers_refuse_the_anonymous(lab);
    kubelets_refuse_the_anonymous(lab);
}

fn etcd_refuses_whoever_has_no_certificate(lab: &Lab) {
    let ask = |main: &str, certificate: &str| {
        let address = lab.address(main);
        let script = format!(
            "/opt/fmp/store/*/etcdctl --endpoints https://{address}:2379 --dial-timeout=3s --command-timeout=4s \
             --cacert /etc/kubernetes/pki/etcd/ca.crt {certificate} endpoint health 2>&1"
        );
        lab.ask(main, &script, Input::Empty).expect("the main answers")
    };
    for main in MAINS {
        let refused = ask(main, "");
        assert!(!refused.success() && refused.text().contains("unhealthy"), "{main}: {refused:?}");
        // What was asked is right, but for the certificate.
        let own =
            "--cert /etc/kubernetes/pki/apiserver-etcd-client.crt --key /etc/kubernetes/pki/apiserver-etcd-client.key";
        let granted = ask(main, own);
        assert!(granted.success(), "{main}: {granted:?}");
        let answer = anonymous(lab, &format!("{}:2379", lab.address(main)), "/version");
        assert!(!answer.out.contains("etcdserver"), "{main} answered somebody: {answer:?}");
        let refused = ["certificate required", "bad certificate"].iter().any(|alert| answer.err.contains(alert));
        assert!(refused, "{main}: {answer:?}");
    }
}

fn secrets_are_unreadable_on_the_disk(lab: &Lab) {
    lab.kubectl(&["delete", "secret,configmap", "canary", "--ignore-not-found"]);
    lab.kubectl(&["create", "secret", "generic", "canary", &format!("--from-literal=word={SECRET}")]);
    lab.kubectl(&["create", "configmap", "canary", &format!("--from-literal=word={PLAIN}")]);
    let read = lab.kubectl(&["get", "secret", "canary", "-o", "go-template={{.data.word | base64decode}}"]);
    assert_eq!(read, SECRET);
    let stored = lab.sh("main-2", "etcdctl get /registry/secrets/default/canary | head -c 200 | tr -c '[:print:]' .");
    assert!(stored.contains("k8s:enc:"), "{stored}");
    for main in MAINS {
        // A log that is still in memory says nothing; the other word shows that this one was written.
        let count =
            |word: &str| lab.sh(main, &format!("sync; grep -rac {word} /var/lib/etcd/member | grep -vc ':0$' || true"));
        assert_ne!(count(PLAIN).trim(), "0", "{main}: what is not encrypted can be found");
        assert_eq!(count(SECRET).trim(), "0", "{main}: the secret can be read");
    }
    lab.kubectl(&["delete", "secret,configmap", "canary"]);
}

/// What whoever has no certificate is answered on a path of a server: the status and the body, or why there is none.
fn anonymous(lab: &Lab, server: &str, path: &str) -> Ran {
    let request = format!("printf 'GET {path} HTTP/1.0\\r\\nHost: fmp\\r\\n\\r\\n'");
    lab.nearby("sh", &["-c", &format!("{request} | timeout 20 openssl s_client -quiet -connect {server}")])
}

fn apiservers_refuse_the_anonymous(lab: &Lab) {
    for main in MAINS {
        let server = format!("{}:6443", lab.address(main));
        for path in ["/healthz", "/livez", "/readyz", "/livez/ping"] {
            let answer = anonymous(lab, &server, path);
            assert!(answer.out.contains(" 200 OK") && answer.out.ends_with("\nok"), "{main} {path}: {answer:?}");
        }
        for path in NOT_FOR_ANYBODY {
            let answer = anonymous(lab, &server, path);
            assert!(answer.out.contains(" 403 Forbidden"), "{main} {path}: {answer:?}");
        }
    }
}

fn kubelets_refuse_the_anonymous(lab: &Lab) {
    for node in everyone() {
        let answer = anonymous(lab, &format!("{}:10250", lab.address(node)), "/pods");
        assert!(answer.out.contains(" 401 Unauthorized"), "{node}: {answer:?}");
    }
}

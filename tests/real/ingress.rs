//! An ingress: an application is found by its host name at the address that the work nodes share, with its own certificate, and
//! sees who asks.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    apps::{ADDRESS, holder, holder_dies, the_client_is_seen},
    lab::{Lab, SOON, fixture, until},
    workload,
};

const ASKED_FOR: &str = "
[entrance.apps]
kind = \"keepalived\"
address = \"198.18.0.20\"

[components.ingress]
kind = \"traefik\"
";

/// The application's, as the fixture says.
const HOST: &str = "who.example.org";

/// With a header by which a client would pass for another one.
const REQUEST: &str = "GET /cgi-bin/who HTTP/1.0\r\nHost: who.example.org\r\nX-Forwarded-For: 192.0.2.99\r\n\r\n";

/// The same to somebody who shows a certificate for that name, in the file that is named.
const ASKS_BY_TLS: &str = r#"
printf 'GET /cgi-bin/who HTTP/1.0\r\nHost: who.example.org\r\n\r\n' |
    timeout 20 openssl s_client -quiet -connect "$0:443" -servername who.example.org -CAfile "$1" \
        -verify_return_error -verify_hostname who.example.org"#;

pub(crate) fn run(lab: &Lab) {
    workload::deploy(lab);
    let file = lab.variant("ingress.toml", |text| format!("{text}{ASKED_FOR}"));
    lab.fmp_for(&file, &["apply", "--yes"]).exits(0).says(&["in sync after"]);
    let certificate = application(lab);
    let holder = until("a work node holds the address", SOON, || holder(lab));
    the_client_is_seen(lab, REQUEST);
    its_certificate_is_shown(lab, &certificate);
    lab.fmp_for(&file, &["plan"]).exits(0);
    holder_dies(lab, holder, ADDRESS);
    taken_away(lab);
}

/// An Ingress and its certificate, which is returned; it is reached where the address is.
fn application(lab: &Lab) -> PathBuf {
    let (certificate, key) = (lab.place("who.crt"), lab.place("who.key"));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]);
    openssl.args(["-subj", &format!("/CN={HOST}"), "-addext", &format!("subjectAltName=DNS:{HOST}")]);
    openssl.arg("-keyout").arg(&key).arg("-out").arg(&certificate);
    lab.run(openssl, None).exits(0);
    let read = |path: &Path| fs::read_to_string(path).expect("openssl wrote it");
    let secret = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": "who" },
        "type": "kubernetes.io/tls",
        "stringData": { "tls.crt": read(&certificate), "tls.key": read(&key) },
    });
    lab.kubectl_reading(&secret.to_string(), &["apply", "-f", "-"]);
    lab.kubectl_reading(&fixture("real/ingress.yaml"), &["apply", "-f", "-"]);
    until("it is told where it is reached", SOON, || {
        let told = lab.kubectl(&["get", "ingress", "who", "-o", "jsonpath={.status.loadBalancer.ingress[*].ip}"]);
        if told == ADDRESS { Ok(()) } else { Err(told) }
    });
    certificate
}

/// The application's own, not one that the ingress made.
fn its_certificate_is_shown(lab: &Lab, certificate: &Path) {
    let file = certificate.to_str().expect("the path is text");
    until("it shows its certificate", SOON, || {
        let ran = lab.nearby("bash", &["-c", ASKS_BY_TLS, ADDRESS, file]);
        if ran.out.contains(" 200 ") { Ok(()) } else { Err(format!("{}{}", ran.out, ran.err)) }
    });
}

/// By the cluster's own file nothing is shared any more, and nobody asks for an ingress: what moves the address is stopped,
/// the ingress deleted.
fn taken_away(lab: &Lab) {
    lab.kubectl(&["delete", "ingress/who", "secret/who"]);
    lab.fmp(&["plan"]).exits(2).says(&[
        "unit/fmp-entrance.service: stop and disable",
        "object/DaemonSet/kube-system/traefik: delete",
        "nothing in cluster.toml wants it any more",
    ]);
    lab.fmp(&["apply", "--yes"]).exits(0);
    assert_eq!(holder(lab), Err("[] have it".to_owned()));
    lab.fmp(&["plan"]).exits(0);
}

//! Services of type `LoadBalancer`: each gets an address that moves with the one that the work nodes share, and is reached at it
//! from outside.

use std::path::Path;

use crate::{
    apps::{ADDRESS, holder, holder_dies},
    entrance::{holder_of, millis},
    lab::{Lab, SOON, WORKS, fixture, until},
    runner::say,
    workload,
};

/// The addresses that Services get: of the first file one, of the second one two.
const GIVEN: [&str; 2] = ["198.18.0.30", "198.18.0.31"];

const REQUEST: &str = "GET /cgi-bin/who HTTP/1.0\r\n\r\n";

/// The kinds that come with what gives addresses: they go where a person says so.
const KINDS: [&str; 8] = [
    "bfdprofiles",
    "bgpadvertisements",
    "bgppeers",
    "communities",
    "configurationstates",
    "ipaddresspools",
    "l2advertisements",
    "servicebgpstatuses",
];

pub(crate) fn run(lab: &Lab) {
    workload::deploy(lab);
    let file = with_services(lab, "services.toml", GIVEN[0]);
    lab.fmp_for(&file, &["apply", "--yes"]).exits(0).says(&["in sync after"]);
    one_waits(lab, &file);
    let before = until("a work node holds the address", SOON, || holder(lab));
    let file = with_services(lab, "more-services.toml", "198.18.0.30-198.18.0.31");
    lab.fmp_for(&file, &["plan"]).exits(2).says(&["unit/fmp-entrance.service"]);
    lab.fmp_for(&file, &["apply", "--yes"]).exits(0).says(&["in sync after"]);
    until("each Service has an address of its own", SOON, || match addresses(lab) {
        all if all == GIVEN => Ok(()),
        all => Err(format!("{all:?}")),
    });
    assert_eq!(holder(lab), Ok(before), "another address for Services moves none");
    all_are_reached(lab, before);
    lab.fmp_for(&file, &["plan"]).exits(0);
    holder_dies(lab, before, GIVEN[1]);
    all_are_reached(lab, until("a work node holds the address", SOON, || holder(lab)));
    assert_eq!(addresses(lab), GIVEN, "each keeps its own");
    taken_away(lab);
}

fn with_services(lab: &Lab, name: &str, services: &str) -> std::path::PathBuf {
    let section = format!(
        "\n[entrance.apps]\nkind = \"keepalived\"\naddress = \"{ADDRESS}\"\nports = []\nservices = [\"{services}\"]\n"
    );
    lab.variant(name, |text| format!("{text}{section}"))
}

/// Two Services, and one address: the doctor says that one waits.
fn one_waits(lab: &Lab, file: &Path) {
    let from = millis();
    lab.kubectl_reading(&fixture("real/services.yaml"), &["apply", "-f", "-"]);
    until("one Service has an address", SOON, || match addresses(lab) {
        all if all == GIVEN[..1] => Ok(()),
        all => Err(format!("{all:?}")),
    });
    say(&format!("  a Service of type LoadBalancer had its address {} ms after it was asked for", millis() - from));
    let waits = "1 Service of type LoadBalancer has no address";
    lab.fmp_for(file, &["doctor"]).exits(0).says(&[waits, "all 1 addresses"]);
}

/// Those that Services have, in order.
fn addresses(lab: &Lab) -> Vec<String> {
    const PATH: &str = r#"jsonpath={range .items[*]}{.status.loadBalancer.ingress[*].ip}{"\n"}{end}"#;
    let told = lab.kubectl(&["get", "services", "-l", "app=balanced", "-o", PATH]);
    let mut all: Vec<String> = told.split_whitespace().map(str::to_owned).collect();
    all.sort_unstable();
    all
}

/// From outside the cluster, where the holder of the entrance has them all.
fn all_are_reached(lab: &Lab, holder: &str) {
    for address in GIVEN {
        assert_eq!(holder_of(lab, address, &WORKS).as_deref(), Ok(holder), "{address}");
        until("the application answers", SOON, || {
            let answer = lab.converse(address, 80, REQUEST)?;
            if answer.contains(" 200 ") { Ok(()) } else { Err(answer) }
        });
    }
}

/// By the cluster's own file nobody gives addresses any more: Services lose theirs, and nobody has one. The kinds stay until a
/// person says otherwise.
fn taken_away(lab: &Lab) {
    let deployment = "object/Deployment/kube-system/metallb-controller: delete";
    let stays = "consent = [\"delete CustomResourceDefinition//ipaddresspools.metallb.io\"]";
    lab.fmp(&["plan"]).exits(2).says(&["unit/fmp-entrance.service: stop and disable", deployment, stays]);
    let agreed = KINDS.map(|kind| format!("\"delete CustomResourceDefinition//{kind}.metallb.io\"")).join(", ");
    let file = lab.variant("no-services.toml", |text| format!("consent = [{agreed}]\n{text}"));
    lab.fmp_for(&file, &["apply", "--yes"]).exits(0);
    assert_eq!(lab.kubectl(&["get", "customresourcedefinitions", "-o", "name"]), "");
    assert_eq!(addresses(lab), [""; 0], "what nobody has is told no more");
    for address in [ADDRESS].iter().chain(&GIVEN) {
        assert_eq!(holder_of(lab, address, &WORKS), Err("[] have it".to_owned()), "{address}");
    }
    lab.kubectl(&["delete", "services", "-l", "app=balanced"]);
    lab.fmp(&["plan"]).exits(0);
}

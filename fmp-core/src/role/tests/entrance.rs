//! The addresses that mains share, and work nodes.

use super::super::{Lowered, lower, testing::*};
use crate::{
    resource::{Effect, Resource, ResourceId},
    spec::{ApiEntrance, AppsAddress, AppsEntrance, SharedAddress, Spec},
};

fn shared_by_mains() -> Spec {
    let address = SharedAddress { address: [198, 18, 0, 10].into(), port: 8443, router_id: 10 };
    Spec { api_entrance: ApiEntrance::Keepalived(address), ..cluster("1.29.15", "routed") }
}

fn lowered(spec: &Spec) -> Lowered {
    lower(spec, &bundle("1.29.15"), &nothing(spec)).unwrap()
}

const CONFIG: &str = "/etc/fmp/keepalived.conf";
const BALANCER: &str = "/etc/fmp/haproxy.cfg";

#[test]
fn each_main_names_the_others_and_no_two_take_over_at_once() {
    let desired = lowered(&shared_by_mains()).desired;
    let text = |name| text(&desired, name, CONFIG);
    assert!(text("main-2").contains("unicast_src_ip 198.18.0.12\n"));
    assert!(text("main-2").contains("unicast_peer {\n        198.18.0.11\n        198.18.0.13\n    }\n"));
    let priority = |name| text(name).lines().find_map(|line| line.trim().strip_prefix("priority ")?.parse().ok());
    assert_eq!(["main-1", "main-2", "main-3"].map(priority), [Some(250), Some(150), Some(50)]);
    for wanted in ["state BACKUP", "nopreempt", "vrrp_version 3", "virtual_router_id 10", "198.18.0.10/32 dev @LINK@"] {
        assert!(text("main-1").contains(wanted), "{wanted}");
    }
}

#[test]
fn one_main_alone_has_nobody_to_tell() {
    let mut spec = shared_by_mains();
    spec.nodes.retain(|name, _| !["main-2", "main-3"].contains(&name.as_str()));
    assert!(!text(&lowered(&spec).desired, "main-1", CONFIG).contains("unicast_peer"));
}

#[test]
fn behind_the_address_is_the_mains_own_balancer() {
    let desired = lowered(&shared_by_mains()).desired;
    let main = text(&desired, "main-1", BALANCER);
    assert!(main.contains("bind :8443\n") && main.contains("monitor fail if { nbsrv(entrance) lt 1 }"), "{main}");
    assert!(!text(&desired, "work-1", BALANCER).contains("entrance"));
    assert!(!text(&lowered(&cluster("1.29.15", "routed")).desired, "main-1", BALANCER).contains("entrance"));
}

fn apps(ports: &[u16]) -> Spec {
    let (address, ports) = ([198, 18, 0, 20].into(), ports.iter().copied().collect());
    let shared = AppsAddress { address, ports, router_id: 20, services: Vec::new() };
    Spec { apps_entrance: AppsEntrance::Keepalived(shared), ..shared_by_mains() }
}

#[test]
fn work_nodes_share_another_address_and_ask_themselves() {
    let desired = lowered(&apps(&[80, 443])).desired;
    let work = text(&desired, "work-1", CONFIG);
    let asks = "script \"/opt/fmp/lib/entrance-ready.sh 198.18.0.21 80 443\"\n";
    let own = "virtual_router_id 20\n    priority 250\n";
    for wanted in ["# The applications' entrance, 198.18.0.20: which work node", "vrrp_instance apps {", asks, own] {
        assert!(work.contains(wanted), "{wanted}: {work}");
    }
    assert!(work.contains("unicast_peer {\n        198.18.0.22\n") && !work.contains("198.18.0.11"), "{work}");
    assert!(text(&desired, "main-1", CONFIG).contains("198.18.0.10/32 dev @LINK@"), "mains have their own");
    let scripts = ["main-1", "work-1"].map(|name| text(&desired, name, "/opt/fmp/lib/entrance-ready.sh"));
    assert_ne!(scripts[0], scripts[1]);
    let always = lowered(&apps(&[])).desired;
    assert!(text(&always, "work-1", CONFIG).contains("entrance-ready.sh 198.18.0.21\"\n"));
}

#[test]
fn further_addresses_move_with_the_first_one() {
    let mut spec = apps(&[80, 443]);
    let AppsEntrance::Keepalived(shared) = &mut spec.apps_entrance else { panic!("it is shared") };
    shared.services = vec!["198.18.0.30".parse().unwrap(), "198.18.0.40/30".parse().unwrap()];
    let desired = lowered(&spec).desired;
    let line = |last: u8| format!("        198.18.0.{last}/32 dev @LINK@\n");
    let all: String = [30, 40, 41, 42, 43].map(line).concat();
    let wanted = format!("{}    }}\n    virtual_ipaddress_excluded {{\n{all}    }}\n    track_script {{", line(20));
    let work = text(&desired, "work-1", CONFIG);
    assert!(work.contains(&wanted), "{work}");
    assert!(!text(&desired, "main-1", CONFIG).contains("excluded"));
}

#[test]
fn a_change_is_reloaded_and_moves_no_address() {
    let unit = unit(&lowered(&shared_by_mains()).desired, "main-1", "fmp-entrance.service");
    let config = unit.inputs.iter().find(|input| &*input.path == CONFIG).unwrap();
    assert_eq!(config.effect, Effect::Reload);
}

#[test]
fn what_is_read_is_noted_before_it_is_rendered() {
    let desired = lowered(&shared_by_mains()).desired;
    let unit = text(&desired, "main-1", "/etc/systemd/system/fmp-entrance.service").replace("\\\n", "");
    for (directive, what) in [("ExecStartPre=", "start"), ("ExecReload=", "reload")] {
        let commands: Vec<&str> = unit.lines().filter_map(|line| line.strip_prefix(directive)).collect();
        let at = |word: &str| commands.iter().position(|command| command.contains(word)).unwrap();
        assert!(at("stamp.sh fmp-entrance.service") < at(&format!("entrance-link.sh {what}")), "{commands:?}");
    }
}

#[test]
fn only_mains_that_share_something_take_part() {
    let has = |spec: &Spec, name: &str| {
        lowered(spec).desired.find(&ResourceId::node(&node(name), "unit/fmp-entrance.service")).is_some()
    };
    assert!(has(&shared_by_mains(), "main-3") && !has(&shared_by_mains(), "work-1"));
    assert!(!has(&cluster("1.29.15", "routed"), "main-1"));
}

/// Whether the apiserver's certificate on a main says a name.
#[track_caller]
fn check_certificate(spec: &Spec, main: &str, name: &str) {
    let desired = lowered(spec).desired;
    let Resource::Certificate(certificate) = find(&desired, main, "certificate/etc/kubernetes/pki/apiserver.crt")
    else {
        panic!("it is a certificate");
    };
    assert!(certificate.request.names.contains(name), "{main}: {:?}", certificate.request.names);
}

#[test]
fn the_apiservers_certificate_has_the_address_before_it_is_used() {
    check_certificate(&shared_by_mains(), "main-1", "IP:198.18.0.10");
}

#[test]
fn the_apiservers_certificate_has_the_name_of_somebody_elses_balancer() {
    for (host, name) in [("api.example.com", "DNS:api.example.com"), ("192.0.2.10", "IP:192.0.2.10")] {
        let mut spec = cluster("1.29.15", "routed");
        spec.api_entrance = ApiEntrance::External { host: host.to_owned(), port: 6443 };
        ["main-1", "main-2", "main-3"].into_iter().for_each(|main| check_certificate(&spec, main, name));
    }
}

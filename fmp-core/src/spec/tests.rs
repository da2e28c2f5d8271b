//! Files that are wrong, a fixture a kind of problem, and files that are right.
//!
//! A fixture under `fixtures/spec/` begins with what is expected of it: `# expect: CODE at CHARACTERS`, one line a
//! problem.
#![expect(clippy::disallowed_methods, reason = "tests read fixtures")]

use std::{collections::BTreeSet, fs, path::PathBuf};

use miette::{Diagnostic, NarratableReportHandler};

use super::*;
use crate::resource::Object;

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures")
}

fn read(path: &str) -> String {
    fs::read_to_string(fixtures().join(path)).unwrap()
}

fn good(path: &str) -> Spec {
    let text = read(path);
    parse(path, &text, &Profiles::shipped()).unwrap_or_else(|problems| panic!("{}", rendered(&problems)))
}

fn bad(text: &str) -> Problems {
    parse("cluster.toml", text, &Profiles::shipped()).expect_err(text)
}

fn rendered(problems: &Problems) -> String {
    let mut out = String::new();
    NarratableReportHandler::new().render_report(&mut out, problems).unwrap();
    out
}

/// Compares what is wrong with `text` with its own expectation, and returns the codes.
fn check(name: &str, text: &str) -> Vec<Code> {
    let problems = bad(text);
    let mut wanted: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# expect: ")).collect();
    let shown = |problem: &Problem| {
        let at = problem.places().next().unwrap();
        let characters = text[at].lines().next().unwrap_or_default();
        let word = problem.code().as_str().trim_start_matches("fmp::spec::");
        format!("{word} at {characters}")
    };
    let mut found: Vec<String> = problems.iter().map(shown).collect();
    wanted.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, wanted, "{name}\n{}", rendered(&problems));
    let helpless =
        problems.iter().find(|problem| Diagnostic::help(*problem).is_none_or(|help| help.to_string().len() < 8));
    assert!(helpless.is_none(), "{name}: nobody says what to do about {helpless:?}");
    problems.iter().map(Problem::code).collect()
}

#[test]
fn every_kind_of_problem_is_found_at_its_characters() {
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir(fixtures().join("spec")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|kind| kind != "toml") {
            continue;
        }
        seen.extend(check(&path.display().to_string(), &fs::read_to_string(&path).unwrap()));
    }
    let untested: Vec<&Code> = Code::ALL.iter().filter(|code| !seen.contains(code)).collect();
    assert!(untested.is_empty(), "no fixture for {untested:?}");
}

#[test]
fn the_examples_are_right() {
    let local = good("local-7/cluster.toml");
    assert_eq!((local.mains().count(), local.workers().count(), local.network.node_prefix), (3, 4, 24));
    assert_eq!((local.environment, local.machines), (Environment::Local, Machines::Virtual));
    let ssh = good("ssh-7/cluster.toml");
    let target = &ssh.nodes["work-4"].ssh;
    assert_eq!((target.host.as_str(), target.port, target.user.as_str()), ("work-4.fmp.example.org", 2222, "admin"));
    assert_eq!(ssh.api_entrance, ApiEntrance::External { host: "api.fmp.example.org".into(), port: 6443 });
}

const SMALL: &str = "[cluster]\nname = 'fmp'\nkubernetes = '1.29.15'\n[environment]\nkind = 'local'\n\
                     [nodes.main-1]\nrole = 'main'\naddress = '198.18.0.11'\n";

/// A work node, and an address that it has.
const APPS: &str = "[nodes.work-1]\nrole = 'work'\naddress = '198.18.0.21'\n\
                    [entrance.apps]\nkind = 'keepalived'\naddress = '198.18.0.20'\n";

#[test]
fn addresses_for_services_come_in_order() {
    let text = format!("{SMALL}{APPS}services = ['198.18.0.40/30', '198.18.0.30']\n");
    let spec = parse("cluster.toml", &text, &Profiles::shipped()).unwrap();
    let told: Vec<String> = spec.apps_entrance.services().iter().map(ToString::to_string).collect();
    assert_eq!(told, ["198.18.0.30", "198.18.0.40-198.18.0.43"]);
}

#[test]
fn what_is_not_written_has_a_default() {
    let spec = parse("cluster.toml", SMALL, &Profiles::shipped()).unwrap();
    assert_eq!(spec.profile.name, "local");
    assert_eq!(spec.network.pods.to_string(), "10.244.0.0/16");
    assert_eq!(spec.network.cluster_dns().to_string(), "10.96.0.10");
    assert_eq!(spec.network.domain, "cluster.local");
    assert_eq!(spec.api_entrance, ApiEntrance::None);
    let ssh = &spec.nodes["main-1"].ssh;
    assert_eq!((ssh.host.as_str(), ssh.port, ssh.user.as_str()), ("198.18.0.11", 22, "root"));
}

#[test]
fn a_shared_address_has_a_port_and_a_number_by_itself() {
    let shared = |keys: &str| {
        let text = format!("{SMALL}[entrance.api]\nkind = 'keepalived'\n{keys}\n");
        let spec = parse("cluster.toml", &text, &Profiles::shipped()).unwrap();
        let SharedAddress { address, port, router_id } = spec.api_entrance.shared().unwrap();
        assert_eq!(spec.api_entrance.server(), Some((address.to_string(), port)));
        (address.to_string(), port, router_id)
    };
    assert_eq!(shared("address = '198.18.0.10'"), ("198.18.0.10".to_owned(), 8443, 10));
    assert_eq!(shared("address = '198.18.1.0'"), ("198.18.1.0".to_owned(), 8443, 1));
    let all = "address = '198.18.0.10'\nport = 443\nrouter-id = 77";
    assert_eq!(shared(all), ("198.18.0.10".to_owned(), 443, 77));
}

#[test]
fn somebody_elses_entrance_is_asked_by_whom_it_does_not_lead_to() {
    let external = "[entrance.api]\nkind = 'external'\nhost = 'api.example.org'\n\
                    [entrance.apps]\nkind = 'external'\nhost = '192.0.2.20'\nproxies = ['192.0.2.3']\n";
    let work = "[nodes.work-1]\nrole = 'work'\naddress = '198.18.0.21'\n";
    let asked = |text: &str, role| {
        let spec = parse("cluster.toml", text, &Profiles::shipped()).unwrap();
        spec.entrances_asked(role).into_iter().collect::<Vec<_>>().join(" ")
    };
    let whole = format!("{SMALL}{work}{external}");
    assert_eq!(asked(&whole, Role::Main), "192.0.2.20:443 192.0.2.20:80");
    assert_eq!(asked(&whole, Role::Work), "api.example.org:6443");
    let api = &external[..external.find("[entrance.apps]").unwrap()];
    assert_eq!(asked(&format!("{SMALL}{api}"), Role::Main), "api.example.org:6443", "nobody else is there");
    assert_eq!(asked(&format!("{SMALL}{work}"), Role::Main), "");
}

#[test]
fn volumes_of_pods_lie_on_the_volume_of_a_node_that_has_one() {
    let mounts = |storage: &str, volumes: &str| {
        let text = format!("{SMALL}[storage]\n{storage}\n[components.volumes]\n{volumes}\n");
        let spec = parse("cluster.toml", &text, &Profiles::shipped()).unwrap();
        spec.storage.map(|storage| storage.mounts.into_iter().collect::<Vec<_>>().join(" "))
    };
    let local_path = "kind = 'local-path'";
    assert_eq!(mounts("kind = 'none'", local_path), None);
    let usual = Some("/var/lib/containerd /var/lib/kubelet".to_owned());
    assert_eq!(mounts("kind = 'disk'", "kind = 'none'"), usual);
    let with_theirs = Some("/var/lib/containerd /var/lib/fmp-volumes /var/lib/kubelet".to_owned());
    assert_eq!(mounts("kind = 'disk'", local_path), with_theirs);
    let own = "kind = 'local-path'\ndirectory = '/data/pods'";
    assert_eq!(mounts("kind = 'disk'\nmounts = ['/data']", own), Some("/data".to_owned()));
    assert_eq!(mounts("kind = 'disk'\nmounts = ['/other']", own), Some("/data/pods /other".to_owned()));
}

#[test]
fn the_digest_is_of_the_meaning() {
    let digest = |text: &str| parse("cluster.toml", text, &Profiles::shipped()).unwrap().digest;
    let (head, node) = SMALL.split_at(SMALL.find("[nodes").unwrap());
    assert_eq!(digest(&format!("# first the node\n{node}{head}")), digest(SMALL));
    let nobody = "[components]\nmetrics.kind = 'none'\nvolumes.kind = 'none'\ningress.kind = 'none'\n";
    assert_eq!(digest(&format!("{SMALL}{nobody}")), digest(SMALL));
    for changed in [
        SMALL.replace("1.29.15", "1.29.14"),
        SMALL.replace("main-1", "main-2"),
        SMALL.replace("0.11", "0.12"),
        format!("consent = ['outage main-1']\n{SMALL}"),
        format!("{SMALL}ssh.port = 23\n"),
        format!("{SMALL}labels = {{ rack = 'a' }}\n"),
        format!("{SMALL}[network]\nmode = 'flannel'\n"),
        format!("{SMALL}[entrance.api]\nkind = 'external'\nhost = 'api'\n"),
        format!("{SMALL}[entrance.api]\nkind = 'keepalived'\naddress = '198.18.0.10'\n"),
        format!("{SMALL}[entrance.apps]\nkind = 'external'\nhost = 'apps.example.org'\n"),
        format!("{SMALL}{APPS}"),
        format!("{SMALL}{APPS}services = ['198.18.0.30']\n"),
        format!("{SMALL}[components.metrics]\nkind = 'metrics-server'\n"),
        format!("{SMALL}[components.volumes]\nkind = 'local-path'\n"),
        format!("{SMALL}[components.ingress]\nkind = 'traefik'\n"),
    ] {
        assert_ne!(digest(&changed), digest(SMALL), "{changed}");
    }
}

#[test]
fn a_virtual_machine_has_a_profile_of_its_own_where_there_is_one() {
    let parsed = |text: &str, profiles: &Profiles| parse("cluster.toml", text, profiles).unwrap();
    let vm = format!("{SMALL}[nodes.work-9]\nrole = 'work'\naddress = '198.18.0.29'\nmachine = 'vm'\n");
    let container = vm.replace("'vm'", "'container'");
    let spec = parsed(&vm, &Profiles::shipped());
    let named = |node: &str| spec.profile_of(&spec.nodes[node]).name.clone();
    assert_eq!((&*named("main-1"), &*named("work-9")), ("local", "local-vm"));
    assert_eq!(spec.profiles().count(), 2);
    // What is asked of virtual machines means something only where there is one.
    let own = Profiles::shipped().with("own.toml", "schema = 1\ninherits = 'local-vm'\n[settings]\nmax-pods = 9\n");
    let own = own.with("local", &include_str!("../profile/data/local.toml").replace("local-vm", "own.toml"));
    assert_ne!(parsed(&vm, &own).digest, spec.digest);
    assert_eq!(parsed(&container, &own).digest, parsed(&container, &Profiles::shipped()).digest);
    assert_eq!(parsed(&container, &own).profiles().count(), 1);
}

#[test]
fn a_virtual_machine_is_made_with_its_disks() {
    let text = read("spec/bad-disk-of-a-vm.toml")
        .replace("wwn-0x5000c500a1b2c3d4", "virtio-vm1-b")
        .replace("virtio-a.serial", "virtio-vm1-c");
    let spec = parse("cluster.toml", &text, &Profiles::shipped()).unwrap();
    let vm = spec.nodes["work-1"].virtual_machine().unwrap();
    assert_eq!(vm.disks.iter().map(Serial::as_str).collect::<Vec<_>>(), ["vm1-a", "vm1-b", "vm1-c"]);
    assert_eq!(spec.nodes["main-1"].virtual_machine(), None);
}

#[test]
fn a_nodes_part_of_the_pod_range_shrinks_where_room_is_short() {
    for (pods, nodes, prefix) in [
        ("10.244.0.0/16", 7, 24),
        ("10.244.0.0/16", 128, 24),
        ("10.244.0.0/16", 129, 25),
        ("10.244.0.0/20", 7, 24),
        ("10.244.0.0/20", 16, 25),
        ("10.244.0.0/20", 64, 26),
    ] {
        let text = format!("{SMALL}{}[network]\npods = '{pods}'\n", workers(nodes - 1));
        let spec = parse("cluster.toml", &text, &Profiles::shipped()).unwrap();
        assert_eq!(spec.network.node_prefix, prefix, "{nodes} nodes in {pods}");
    }
}

#[test]
fn a_machine_that_stores_images_takes_no_part_of_the_pod_range() {
    let text = format!(
        "images.source = 'storage'\n{SMALL}{}[nodes.images-1]\nrole = 'images'\naddress = '198.18.9.1'\n[network]\n\
         pods = '10.244.0.0/16'\n",
        workers(127)
    );
    let spec = parse("cluster.toml", &text, &Profiles::shipped()).unwrap();
    assert_eq!(spec.network.node_prefix, 24);
}

fn workers(count: u32) -> String {
    let node = |n: u32| {
        let address = Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 1, 0).to_bits() + n);
        format!("[nodes.work-{n:04}]\nrole = 'work'\naddress = '{address}'\n")
    };
    (1..=count).map(node).collect()
}

#[test]
fn says_how_large_the_pod_range_must_be() {
    let text = format!("{SMALL}{}", workers(2000));
    let shown = rendered(&bad(&text));
    let line = "pods 10.244.0.0/16 has 1024 parts of 64 addresses (/26), 2001 nodes need 2001";
    assert!(shown.contains(line) && shown.contains("use /12 or a shorter prefix"), "{shown}");
    let larger = format!("{text}[network]\npods = '10.160.0.0/12'\nservices = '10.96.0.0/16'\n");
    assert!(parse("cluster.toml", &larger, &Profiles::shipped()).is_ok());
}

#[test]
fn a_path_names_a_profile_of_ones_own() {
    let text = SMALL.replace("name = 'fmp'", "name = 'fmp'\nprofile = 'own/small.toml'");
    assert_eq!(profile_path(&text).as_deref(), Some("own/small.toml"));
    assert_eq!(profile_path(SMALL), None);
    let own = "schema = 1\ninherits = 'local'\nkubernetes = ['1.28']\n";
    let profiles = Profiles::shipped().with("own/small.toml", own);
    let problems = parse("cluster.toml", &text, &profiles).unwrap_err();
    assert_eq!(problems.iter().map(Problem::code).collect::<Vec<_>>(), [Code::UnsupportedKubernetes]);
}

#[test]
fn a_secret_in_the_file_is_not_shown() {
    let named = read("spec/inline-secret.toml");
    let unknown = named.replace("identity", "key");
    let no_reference = format!("{SMALL}[nodes.main-1.ssh]\nidentity = 'canary'\n");
    for text in [named, unknown, no_reference] {
        let problems = bad(&text);
        assert!(!rendered(&problems).contains("canary"), "{}", rendered(&problems));
        assert!(!format!("{problems:?}").contains("canary"), "{problems:?}");
    }
}

#[test]
fn a_consent_that_says_nothing_is_told_with_what_can_be_agreed_to() {
    let told = rendered(&bad(&read("spec/bad-consent.toml")));
    for words in [
        "nobody can agree to `outtage main-1`",
        "did you mean `outage`?",
        "`evict work-9` names no node of this file",
        "`destroyed NODE`: its machine is gone for good",
        "main-1, work-1, work-2",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[test]
fn a_problem_reads_well() {
    let shown = rendered(&bad(&read("spec/duplicate-address.toml")));
    let lines: Vec<&str> = shown.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.join("\n"), include_str!("../../../fixtures/spec/duplicate-address.txt").trim());
}

#[test]
fn manifests_are_those_of_the_folders_that_the_file_names() {
    let text = read("local-7/cluster.toml") + "[components.manifests]\nspace = 'one'\nother = 'two'\n";
    assert_eq!(
        manifest_paths(&text).iter().collect::<BTreeSet<_>>(),
        ["one", "two"].map(str::to_owned).iter().collect()
    );
    let space = |name: &str| vec![Object::new("Namespace", "", name, format!("{{\"name\":\"{name}\"}}"))];
    let with = |first: &str, second: &str| {
        let manifests = Manifests::default().with("one", space(first)).with("two", space(second));
        parse_with("cluster.toml", &text, &Profiles::shipped(), &Beside { manifests, ..Beside::default() })
    };
    let spec = with("a", "b").unwrap();
    assert_eq!(spec.components.manifests["space"].objects, space("a"));
    assert_ne!(spec.digest, with("a", "c").unwrap().digest);
    assert_eq!(spec.digest, with("b", "a").unwrap().digest, "where an object lies means nothing");
    let twice = with("a", "a").unwrap_err();
    assert_eq!(twice.iter().map(Problem::code).collect::<Vec<_>>(), [Code::BadManifests]);
}

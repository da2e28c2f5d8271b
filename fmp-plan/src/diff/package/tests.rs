//! What is done about packages, by what is seen of them.

use std::collections::BTreeSet;

use super::*;
use crate::{
    Standing,
    action::{Action, PackagesFrom},
    lint::lint,
    testing::{Lab, comes_after, ids, step, waits},
};

const NODE: &str = "work-1";
const STEP: &str = "work-1/packages";

/// What the step of the work node installs, from which files, and what it keeps off.
fn installs(lab: &Lab) -> (String, Option<String>, String) {
    let plan = lab.plan();
    assert_eq!(lint(&plan), []);
    let Action::InstallPackages { packages, from, .. } = &step(&plan, STEP).action else { panic!("{:#?}", plan.steps) };
    let joined = |names: &mut dyn Iterator<Item = &str>| names.collect::<Vec<_>>().join(" ");
    let files = match from {
        PackagesFrom::Repository => None,
        PackagesFrom::Bundle(files) => Some(joined(&mut files.iter().map(|file| &*file.package))),
    };
    let quiet = joined(&mut packages.iter().flat_map(|package| &package.quiet).map(|unit| &**unit));
    (joined(&mut packages.iter().map(|package| &*package.name)), files, quiet)
}

#[test]
fn packages_that_are_there_are_left_alone_in_whatever_version() {
    for source in ["repository", "bundle"] {
        let mut lab = Lab::packed(1, 2, source);
        lab.package(NODE, "haproxy", Some(PackageSeen::Installed("0.1".into())));
        let plan = lab.plan();
        assert_eq!((ids(&plan), &plan.waiting), (Vec::new(), &Vec::new()), "{source}");
    }
}

#[test]
fn all_that_is_missing_is_one_step_of_its_host_before_whatever_runs_it() {
    let mut lab = Lab::packed(1, 2, "repository");
    lab.package(NODE, "haproxy", None);
    lab.package(NODE, "kmod", None);
    assert_eq!(installs(&lab), ("haproxy kmod".into(), None, "haproxy.service".into()));
    lab.clear(NODE);
    let plan = lab.plan();
    for unit in ["fmp-balancer.service", "fmp-host.service"] {
        assert!(comes_after(&plan, &format!("work-1/unit/{unit}"), STEP), "{unit}");
    }
    assert!(comes_after(&plan, STEP, "work-1/trust"), "the ledger names the cluster");
    assert!(!ids(&plan).contains(&"work-2/packages"));
    assert!(plan.changes.iter().any(|change| change.id == "work-1/package/haproxy" && change.verb == Verb::Create));
}

#[test]
fn a_file_of_the_bundle_comes_only_where_its_package_is_not_there() {
    let mut lab = Lab::packed(1, 2, "bundle");
    lab.package(NODE, "haproxy", None);
    let all = Some("haproxy libboth liblua".to_owned());
    assert_eq!(installs(&lab), ("haproxy".into(), all, "haproxy.service".into()));
    lab.package(NODE, "libboth", Some(PackageSeen::Installed("9".into())));
    assert_eq!(installs(&lab).1.as_deref(), Some("haproxy liblua"));
    // Two that need one library bring it once.
    lab.package(NODE, "libboth", Some(PackageSeen::Partly("unpacked".into())));
    lab.package(NODE, "iptables", None);
    assert_eq!(installs(&lab).1.as_deref(), Some("haproxy iptables libboth liblua"));
}

#[test]
fn what_was_cut_off_is_ended() {
    let mut lab = Lab::packed(1, 2, "repository");
    lab.package(NODE, "haproxy", Some(PackageSeen::Partly("half-configured".into())));
    assert_eq!(installs(&lab).0, "haproxy");
    let plan = lab.plan();
    let change = plan.changes.iter().find(|change| change.id == "work-1/package/haproxy").unwrap();
    assert_eq!(
        (change.verb, change.why.as_slice()),
        (Verb::Update, &["it is half-configured: its installation was cut off".to_owned()][..])
    );
    // Whole by now, but what it starts by itself may be on.
    lab.package(NODE, "haproxy", Some(PackageSeen::Installed("2".into())));
    lab.packages(NODE).begun.insert("haproxy".into());
    assert_eq!(installs(&lab), ("haproxy".into(), None, "haproxy.service".into()));
}

#[test]
fn what_can_t_be_seen_is_not_missing() {
    let mut lab = Lab::packed(1, 2, "repository");
    lab.packages(NODE).there = Fact::Unknown("it ended with 2".into());
    let plan = lab.plan();
    assert_eq!(plan.steps.len(), 0);
    let until = waits(&plan, "work-1/package/haproxy").unwrap();
    assert_eq!(until, "work-1 says what its package of haproxy is: it ended with 2");
    lab.host(NODE).packages = None;
    let until = waits(&lab.plan(), "work-1/package/haproxy").unwrap().to_owned();
    assert!(until.ends_with("it was not asked"), "{until}");
}

#[test]
fn a_system_that_nobody_knows_waits_for_a_person() {
    let mut lab = Lab::packed(1, 2, "repository");
    lab.package(NODE, "haproxy", None);
    lab.host(NODE).facts.os_id = "arch".into();
    let until = waits(&lab.plan(), "work-1/package/haproxy").unwrap().to_owned();
    assert!(
        until.contains("what the package of haproxy is called in arch 12") && until.contains("source = \"none\""),
        "{until}"
    );
    // Of a later edition the names serve, the bundle's files don't.
    lab.host(NODE).facts.os_id = "debian".into();
    lab.host(NODE).facts.os_version = "13".into();
    assert_eq!(installs(&lab).0, "haproxy");
    let mut lab = Lab::packed(1, 2, "bundle");
    lab.package(NODE, "haproxy", None);
    lab.host(NODE).facts.os_version = "13".into();
    let until = waits(&lab.plan(), "work-1/package/haproxy").unwrap().to_owned();
    assert_eq!(until, "work-1 has Debian 12: the bundle's packages are for that very edition");
}

#[test]
fn a_bundle_that_lacks_a_package_of_that_system_says_so() {
    let mut lab = Lab::packed(1, 2, "bundle");
    let host = lab.host(NODE);
    (host.facts.os_id, host.facts.os_version) = ("rocky".into(), "8.6".into());
    let plan = lab.plan();
    let until = waits(&plan, "work-1/package/conntrack").unwrap();
    assert!(until.starts_with("the bundle has the package `conntrack-tools` of rocky-8.6: name conntrack"), "{until}");
    assert_eq!(waits(&plan, "work-1/package/haproxy"), None, "it is there");
    lab.package(NODE, "haproxy", None);
    let plan = lab.plan();
    assert_eq!(waits(&plan, "work-1/package/haproxy"), None, "{:#?}", plan.waiting);
}

#[test]
fn a_machine_that_is_yet_to_come_gets_everything() {
    let mut lab = Lab::packed(1, 1, "bundle");
    lab.spec.environment = fmp_core::spec::Environment::Local;
    lab.seen.machines = Fact::Known(std::collections::BTreeMap::new());
    lab.seen.hosts.insert(NODE.parse().unwrap(), Fact::Absent);
    let (names, files, _) = installs(&lab);
    let wanted: BTreeSet<&str> = ["conntrack", "haproxy", "iproute2", "iptables", "kmod", "procps"].into();
    assert!(wanted.is_subset(&names.split(' ').collect()), "{names}");
    assert!(files.unwrap().contains("libboth"));
}

#[test]
fn the_plan_rests_on_what_is_missing_and_in_which_system() {
    let mut lab = Lab::packed(1, 2, "bundle");
    lab.package(NODE, "haproxy", None);
    let plan = lab.plan();
    let value = |package: &str| {
        let key = FactKey::Package { node: NODE.parse().unwrap(), package: package.into() };
        plan.basis.facts.iter().find(|fact| fact.key == key).map(|fact| fact.value.as_str())
    };
    assert_eq!(value("haproxy"), Some("missing in debian 12"));
    assert_eq!((value("liblua"), value("kmod")), (Some("missing in debian 12"), None));
    assert!(crate::basis::changed(&plan, &lab.seen).is_empty());
    lab.package(NODE, "liblua", Some(PackageSeen::Installed("1".into())));
    assert_eq!(crate::basis::changed(&plan, &lab.seen).len(), 1);
    assert_eq!(plan.standing(), Standing::Steps);
}

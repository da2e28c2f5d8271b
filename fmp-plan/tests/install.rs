//! A fresh install: what is planned for machines that hold nothing.

#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

use fmp_core::{
    bundle::Lock,
    observed::{Fact, Observed},
    profile::Profiles,
    role,
    spec::{self, Spec},
};
use fmp_plan::{Inputs, Plan, Standing, codec, lint, render};

const CLUSTER: &str = include_str!("../../fixtures/local-7/cluster.toml");
const LOCK: &str = include_str!("../../fixtures/bundle.lock");

fn spec() -> Spec {
    spec::parse("cluster.toml", CLUSTER, &Profiles::shipped()).unwrap()
}

/// Nothing exists, and that is known.
fn nothing(spec: &Spec) -> Observed {
    let hosts = spec.nodes.keys().map(|name| (name.clone(), Fact::Absent)).collect();
    Observed {
        now: 0,
        machines: Fact::Known([].into()),
        hosts,
        other_keys: [].into(),
        etcd: Fact::Absent,
        api: Fact::Absent,
    }
}

fn planned(spec: &Spec, observed: &Observed) -> Plan {
    let lock = Lock::parse(LOCK).unwrap();
    let lowered = role::lower(spec, &lock, observed).unwrap();
    fmp_plan::plan(Inputs {
        spec,
        bundle: lock.digest(),
        desired: &lowered.desired,
        silent: &lowered.waiting,
        observed,
    })
}

#[test]
fn a_fresh_install_is_told_in_one_page_a_role() {
    let spec = spec();
    let text = render::text(&planned(&spec, &nothing(&spec)));
    // What all nodes have comes after the cluster's own.
    let (cluster, nodes) = text.split_at(text.find("  7 nodes alike").unwrap());
    insta::assert_snapshot!("a_fresh_install_of_the_cluster", cluster);
    insta::assert_snapshot!("a_fresh_install_of_nodes", nodes);
}

#[test]
fn a_fresh_install_keeps_the_rules_of_all_plans() {
    let spec = spec();
    assert_eq!(lint::lint(&planned(&spec, &nothing(&spec))), []);
}

#[test]
fn a_fresh_install_reads_back_from_its_file() {
    let spec = spec();
    let plan = planned(&spec, &nothing(&spec));
    assert_eq!(plan.standing(), Standing::Steps);
    let mut json = Vec::new();
    codec::write(&plan, &mut json).unwrap();
    assert_eq!(codec::read(std::str::from_utf8(&json).unwrap()).unwrap(), plan);
}

#[test]
fn a_main_that_does_not_answer_holds_up_what_needs_it_and_nothing_else() {
    let spec = spec();
    let mut observed = nothing(&spec);
    observed.hosts.insert("main-3".parse().unwrap(), Fact::Unknown("no route".into()));
    let plan = planned(&spec, &observed);
    insta::assert_snapshot!(
        render::text(&plan).lines().skip_while(|line| *line != "waiting").take(12).collect::<Vec<_>>().join("\n")
    );
}

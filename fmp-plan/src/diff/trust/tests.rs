//! Who holds, makes, copies what, and what is left to a person.

use fmp_core::{
    observed::{Host, LedgerEntry},
    role::paths::key,
};

use super::*;
use crate::{
    Action, Plan,
    testing::{CLUSTER, Lab, authority, ids, node, step, waits},
};

const CA: &str = "/etc/kubernetes/pki/ca.crt";
const CA_KEY: &str = "/etc/kubernetes/pki/ca.key";
const TOKEN_KEY: &str = "/etc/kubernetes/pki/sa.key";
const TOKEN_PUBLIC: &str = "/etc/kubernetes/pki/sa.pub";

const MAINS: [&str; 3] = ["main-1", "main-2", "main-3"];

/// The cluster's authority is gone from a host.
fn lose(lab: &mut Lab, host: &str) {
    lab.host(host).certificates.insert(CA.into(), Fact::Absent);
    lab.host(host).secrets.insert(CA_KEY.into(), Fact::Absent);
}

fn replace(lab: &mut Lab, host: &str) {
    lab.host(host).certificates.insert(CA.into(), Fact::Known(authority(Authority::Cluster, "two")));
}

/// Where a host's `ca` comes from.
fn source(plan: &Plan, host: &str) -> TrustSource {
    let Action::EstablishTrust { items } = &step(plan, &format!("{host}/trust")).action else { panic!() };
    let ca = items.iter().find(|item| item.what == Holding::Authority(Authority::Cluster));
    ca.unwrap_or_else(|| panic!("{items:?}")).from.clone()
}

fn copy(from: &[&str]) -> TrustSource {
    TrustSource::Copy(from.iter().map(|name| node(name)).collect())
}

/// Nothing is made and nothing copied; what main-1 waits for.
#[track_caller]
fn check_waits(lab: &Lab, what: &str, until: &str) {
    let plan = lab.plan();
    assert!(!ids(&plan).iter().any(|id| id.ends_with("/trust")), "{:?}", ids(&plan));
    let found = waits(&plan, &format!("main-1/trust/{what}")).unwrap_or_else(|| panic!("{:#?}", plan.waiting));
    assert!(found.starts_with(until), "{found}");
}

#[test]
fn bare_hosts_get_what_the_first_main_makes() {
    let plan = Lab::bare(3, 1).plan();
    assert_eq!(source(&plan, "main-1"), TrustSource::Create);
    assert_eq!(source(&plan, "main-3"), copy(&["main-1"]));
    assert_eq!(source(&plan, "work-1"), copy(&["main-1"]));
    assert_eq!(step(&plan, "work-1/trust").after, [step(&plan, "main-1/trust").id.clone()]);
}

#[test]
fn what_one_main_lost_is_copied_from_the_others() {
    let mut lab = Lab::settled(3, 0);
    lose(&mut lab, "main-1");
    assert_eq!(source(&lab.plan(), "main-1"), copy(&["main-2", "main-3"]));
}

#[test]
fn a_single_holder_lends_to_all() {
    let mut lab = Lab::settled(3, 0);
    ["main-1", "main-3"].iter().for_each(|main| lose(&mut lab, main));
    assert_eq!(source(&lab.plan(), "main-1"), copy(&["main-2"]));
    assert_eq!(source(&lab.plan(), "main-3"), copy(&["main-2"]));
    lab.silence("main-3");
    assert_eq!(source(&lab.plan(), "main-1"), copy(&["main-2"]), "who is silent could only hold the same");
}

#[test]
fn what_all_mains_lost_is_never_made_again() {
    let mut lab = Lab::settled(3, 0);
    MAINS.iter().for_each(|main| lose(&mut lab, main));
    check_waits(&lab, "ca", "the ca is restored on a main: main-1 carries traces of an earlier one");
    let mut lab = Lab::settled(3, 0);
    MAINS.iter().for_each(|main| _ = lab.host(main).secrets.insert(TOKEN_KEY.into(), Fact::Absent));
    check_waits(&lab, "service-account-key", "the service-account-key is restored on a main");
}

#[test]
fn a_leaf_is_a_trace_of_its_authority() {
    let mut lab = Lab::settled(3, 1);
    MAINS.iter().for_each(|main| lab.clear(main));
    MAINS.iter().for_each(|main| lab.host(main).cluster_id = Fact::Known(crate::testing::CLUSTER.into()));
    (lab.seen.etcd, lab.seen.api) = (Fact::Absent, Fact::Absent);
    lab.host("work-1").certificates.insert(CA.into(), Fact::Absent);
    let plan = lab.plan();
    let until = waits(&plan, "main-1/trust/ca").unwrap();
    assert!(until.contains("work-1 carries traces"), "{until}");
    assert_eq!(waits(&plan, "main-1/trust/etcd-ca"), None, "no leaf of etcd's authority is left");
}

/// A host that a run of ours began with: it has the cluster's id and a note of what it was about to get.
fn begun<'a>(lab: &'a mut Lab, name: &str, what: Holding) -> &'a mut Host {
    let host = lab.host(name);
    host.cluster_id = Fact::Known(CLUSTER.to_owned());
    let entry = LedgerEntry { kind: String::new(), cluster_id: CLUSTER.into(), previous: "absent".into() };
    host.ledger.insert(key::trust(what), entry);
    host
}

/// What was begun, and which half of it lies there.
type Half<'a> = (Holding, &'a dyn Fn(&mut Host));

#[test]
fn half_of_a_pair_of_which_nothing_was_signed_is_made_again() {
    let (half, public) = (Fact::Known(fmp_core::Digest::of("half")), authority(Authority::Cluster, "half"));
    let (ca, account) = (Holding::Authority(Authority::Cluster), Holding::ServiceAccountKey);
    let halves: [Half<'_>; 3] = [
        (ca, &|host| _ = host.secrets.insert(CA_KEY.into(), half.clone())),
        (ca, &|host| _ = host.certificates.insert(CA.into(), Fact::Known(public.clone()))),
        (account, &|host| _ = host.secrets.insert(TOKEN_KEY.into(), half.clone())),
    ];
    for (what, lie) in halves {
        let mut lab = Lab::bare(3, 1);
        lie(begun(&mut lab, "main-1", what));
        let plan = lab.plan();
        assert_eq!(waits(&plan, &format!("main-1/trust/{what}")), None);
        let Action::EstablishTrust { items } = &step(&plan, "main-1/trust").action else { panic!() };
        let item = items.iter().find(|item| item.what == what).unwrap();
        assert_eq!(item.from, TrustSource::Create);
    }
}

#[test]
fn a_certificate_of_an_authority_that_another_host_took_is_a_trace_of_its_key() {
    for other in ["main-2", "work-1"] {
        let mut lab = Lab::bare(3, 1);
        begun(&mut lab, "main-1", Holding::ClusterId);
        let host = begun(&mut lab, other, Holding::Authority(Authority::Cluster));
        host.certificates.insert(CA.into(), Fact::Known(authority(Authority::Cluster, "half")));
        let plan = lab.plan();
        let until = waits(&plan, "main-1/trust/ca").unwrap();
        assert!(until.starts_with(&format!("the ca is restored on a main: {other} carries traces")), "{until}");
    }
}

#[test]
fn a_silent_main_may_hold_what_nobody_else_does() {
    let mut lab = Lab::bare(3, 0);
    lab.silence("main-3");
    check_waits(&lab, "ca", "main-3 says whether it holds the ca: no route");
}

#[test]
fn two_authorities_are_told_apart_and_left_to_a_person() {
    let mut lab = Lab::settled(3, 0);
    replace(&mut lab, "main-2");
    check_waits_nothing_changes(&lab);
    // Without its key it holds nothing, and still it was signed for.
    lab.host("main-2").secrets.insert(CA_KEY.into(), Fact::Absent);
    check_waits_nothing_changes(&lab);
}

#[track_caller]
fn check_waits_nothing_changes(lab: &Lab) {
    let plan = lab.plan();
    assert_eq!(ids(&plan), Vec::<&str>::new());
    let until = waits(&plan, "main-1/trust/ca").unwrap();
    assert!(until.starts_with("one ca is left, now ") && until.contains(" on main-1 and main-3, "), "{until}");
    // By their keys a person finds out which is which.
    for main in ["main-1", "main-2"] {
        let Fact::Known(host) = &lab.seen.hosts[&node(main)] else { panic!("{main} answers") };
        let Fact::Known(authority) = &host.certificates[CA] else { panic!("{main} holds one") };
        let fingerprint = authority.key.to_string();
        let short = fingerprint.trim_start_matches("sha256:").get(..12).unwrap();
        assert!(until.contains(short), "{until}");
    }
}

#[test]
fn secrets_that_differ_are_named_without_their_marks() {
    let mut lab = Lab::settled(3, 0);
    lab.host("main-3").secrets.insert(TOKEN_KEY.into(), Fact::Known(fmp_core::Digest::of("other")));
    let until = "one service-account-key is left, now one on main-1 and main-2, one on main-3; copy the right one";
    check_waits(&lab, "service-account-key", until);
}

#[test]
fn a_lost_public_half_comes_from_another_main() {
    let mut lab = Lab::settled(3, 0);
    lab.host("main-1").files.insert(TOKEN_PUBLIC.into(), Fact::Absent);
    let plan = lab.plan();
    let Action::EstablishTrust { items } = &step(&plan, "main-1/trust").action else { panic!() };
    assert_eq!(items[0].from, copy(&["main-2", "main-3"]));
    let mut lab = Lab::settled(1, 0);
    lab.host("main-1").files.insert(TOKEN_PUBLIC.into(), Fact::Absent);
    check_waits(&lab, "service-account-key", "the service-account-key is restored on a main: main-1 carries traces");
}

#[test]
fn a_work_nodes_other_authority_gives_way_to_the_mains() {
    let mut lab = Lab::settled(3, 1);
    replace(&mut lab, "work-1");
    assert_eq!(source(&lab.plan(), "work-1"), copy(&MAINS));
}

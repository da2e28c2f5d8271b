//! Good plans break no rule, and a plan of which one field was corrupted breaks the rule about that field, and no other.

use std::collections::BTreeSet;

use fmp_core::{
    Digest,
    os::Manager,
    resource::{Capability, Check},
};

use super::{Rule, lint};
use crate::{
    Action, Plan, Step, StepId,
    action::{MemberBefore, PackageInstall, PackagesFrom, TrustSource},
    plan::Waiting,
    step::{Budget, Disruption, Subject},
    testing::{Lab, node, url},
};

/// Everything is new.
fn install() -> Plan {
    Lab::bare(3, 1).plan()
}

/// Everything is outdated.
fn upgrade() -> Plan {
    let mut lab = Lab::settled(3, 1);
    for name in lab.spec.nodes.keys().cloned().collect::<Vec<_>>() {
        let units: Vec<String> = lab.host(name.as_str()).units.keys().cloned().collect();
        units.iter().for_each(|unit| lab.outdate(name.as_str(), unit));
        lab.edit(name.as_str(), "/etc/fmp/node.env");
    }
    lab.plan()
}

/// Two members join again, one after the other.
fn rejoin() -> Plan {
    let mut lab = Lab::settled(5, 0);
    lab.wipe(1);
    lab.wipe(2);
    lab.plan()
}

/// Another minor version, with which pods leave each node before its kubelet restarts.
fn minor() -> Plan {
    let mut lab = Lab::settled_at("1.28.15", 3, 2);
    lab.want("1.29.15");
    lab.plan()
}

/// A main and a work node leave.
fn departure() -> Plan {
    let mut lab = Lab::settled(5, 3);
    ["main-4", "work-2"].iter().for_each(|name| lab.retire(name));
    lab.plan()
}

/// A work node whose empty disk becomes its volume.
fn volume() -> Plan {
    let mut lab = Lab::stored(3, 1);
    lab.clear_with_disk("work-1");
    lab.plan()
}

/// A main that says nothing.
fn silent() -> Plan {
    let mut lab = Lab::bare(3, 1);
    lab.silence("main-3");
    lab.plan()
}

fn of(plan: &Plan) -> BTreeSet<Rule> {
    lint(plan).into_iter().map(|finding| finding.rule).collect()
}

fn step<'a>(plan: &'a mut Plan, id: &str) -> &'a mut Step {
    plan.steps.iter_mut().find(|step| step.id.as_str() == id).unwrap_or_else(|| panic!("no {id}"))
}

/// What is corrupted, and the one rule that says so.
#[track_caller]
fn check(rule: Rule, mut plan: Plan, corrupt: impl FnOnce(&mut Plan)) {
    assert_eq!(lint(&plan), [], "it was good");
    corrupt(&mut plan);
    let found = lint(&plan);
    assert_eq!(of(&plan), BTreeSet::from([rule]), "{found:#?}");
    let told = |text: &str| text.len() > 15 && text.chars().all(|c| c == ' ' || c.is_ascii_graphic());
    assert!(found.iter().all(|finding| told(&finding.to_string())), "{found:#?}");
}

#[test]
fn good_plans_break_no_rule() {
    let mut single = Lab::agreed(1, 1, &["outage main-1"]);
    single.outdate("main-1", "etcd.service");
    let mut hanging = Lab::settled(3, 1);
    hanging.stop("work-1", "kubelet.service", "activating");
    hanging.edit_beneath("work-1", "/etc/systemd/system/kubelet.service");
    let settled = Lab::settled(3, 1).plan();
    for plan in [
        install(),
        upgrade(),
        rejoin(),
        silent(),
        minor(),
        departure(),
        volume(),
        single.plan(),
        hanging.plan(),
        settled,
    ] {
        assert_eq!(lint(&plan), []);
    }
}

#[test]
fn another_format() {
    check(Rule::Format, install(), |plan| plan.format = 2);
}

#[test]
fn a_step_that_stands_elsewhere_or_twice() {
    check(Rule::StepOrder, install(), |plan| plan.steps.swap(3, 4));
    check(Rule::StepOrder, rejoin(), |plan| {
        // Two steps of one name, of which none waits for the other.
        let twice = plan.steps.iter().find(|step| matches!(step.action, Action::StartEtcdLearner { .. })).unwrap();
        let mut twice = twice.clone();
        (twice.action, twice.watch, twice.unit) =
            (Action::ImportImage { reference: "a".into(), archive: Digest::of("a"), bytes: 1 }, None, None);
        twice.disrupts.clear();
        let at = plan.steps.iter().position(|step| step.id == twice.id).unwrap();
        plan.steps.insert(at, twice);
    });
}

#[test]
fn what_a_step_waits_for_out_of_order() {
    check(Rule::AfterOrder, install(), |plan| {
        let after = &mut step(plan, "main-1/unit/kubelet.service").after;
        after.swap(0, 1);
    });
}

#[test]
fn a_wait_for_a_step_that_is_not_there() {
    check(Rule::Dangling, install(), |plan| {
        let after = &mut step(plan, "main-1/unit/kubelet.service").after;
        after.push(StepId::new("zero/nothing"));
    });
}

#[test]
fn a_step_that_waits_for_itself() {
    check(Rule::Cycle, install(), |plan| {
        step(plan, "main-1/trust").after = vec![StepId::new("main-1/unit/kubelet.service")];
    });
}

#[test]
fn units_that_wait_for_each_other() {
    check(Rule::UnitCycle, upgrade(), |plan| {
        // work-1's node part waits for main-1's cluster part anyway.
        let first = step(plan, "main-1/unit/etcd.service");
        first.after.push(StepId::new("work-1/files"));
        first.after.sort();
    });
}

#[test]
fn an_action_that_is_done_to_somebody_else() {
    check(Rule::Subject, install(), |plan| {
        let object = plan.steps.iter_mut().find(|step| matches!(step.action, Action::ApplyNode { .. })).unwrap();
        object.subject = Subject::Host(node(object.id.as_str().split('/').next().unwrap()));
    });
    check(Rule::Subject, install(), |plan| {
        let image = plan.steps.iter_mut().find(|step| step.id.as_str().starts_with("work-1/image/")).unwrap();
        image.subject = Subject::Host(node("work-9"));
    });
}

#[test]
fn a_disruption_that_is_not_told_or_told_of_another() {
    check(Rule::Disrupts, upgrade(), |plan| {
        step(plan, "main-2/unit/etcd.service").disrupts.remove(&Capability::Apiserver(node("main-2")));
    });
    check(Rule::Disrupts, rejoin(), |plan| {
        step(plan, "main-1/etcd-member/promote").disrupts = BTreeSet::from([Capability::Voter(node("main-2"))]);
    });
    check(Rule::Disrupts, install(), |plan| {
        step(plan, "main-1/etcd-member/bootstrap").disrupts = BTreeSet::from([Capability::Voter(node("main-1"))]);
    });
}

#[test]
fn a_disruption_without_its_unit_or_in_another_one() {
    check(Rule::Unit, upgrade(), |plan| step(plan, "main-2/unit/etcd.service").unit = None);
    check(Rule::Unit, upgrade(), |plan| {
        step(plan, "main-2/unit/kube-scheduler.service").unit =
            Some(Disruption { node: node("main-2"), budget: Budget::Works });
    });
    check(Rule::Unit, upgrade(), |plan| step(plan, "main-2/files").unit = None);
    check(Rule::Unit, rejoin(), |plan| {
        step(plan, "main-1/etcd-member/remove").unit = Some(Disruption { node: node("main-9"), budget: Budget::Mains });
    });
    check(Rule::Unit, install(), |plan| {
        step(plan, "work-1/files").unit = Some(Disruption { node: node("work-1"), budget: Budget::Works });
    });
}

#[test]
fn a_budget_that_is_not_granted() {
    check(Rule::Budget, upgrade(), |plan| _ = plan.budgets.remove(&Budget::Mains));
    check(Rule::Budget, upgrade(), |plan| _ = plan.budgets.insert(Budget::Works, 0));
}

#[test]
fn a_text_that_is_missing_another_one_or_not_needed() {
    check(Rule::Text, install(), |plan| _ = plan.texts.pop_first());
    check(Rule::Text, install(), |plan| *plan.texts.values_mut().next().unwrap() = "another".into());
    check(Rule::Text, install(), |plan| _ = plan.texts.insert(Digest::of("more"), "more".into()));
}

fn files<'a>(plan: &'a mut Plan, id: &str) -> &'a mut Vec<crate::action::FileWrite> {
    match &mut step(plan, id).action {
        Action::WriteFiles { files, .. } => files,
        other => panic!("{other:?}"),
    }
}

/// A file that no unit reads.
const NOBODYS: &str = "/usr/local/bin/etcdctl";

fn nobodys(plan: &mut Plan) -> &mut crate::action::FileWrite {
    files(plan, "main-1/files").iter_mut().find(|file| &*file.path == NOBODYS).unwrap_or_else(|| panic!("no {NOBODYS}"))
}

#[test]
fn a_path_that_leads_elsewhere() {
    for path in ["etc/x", "/etc/../x", "/etc//x", "/etc/x/", "/etc/./x", "/etc/a b", "/etc/x\n"] {
        check(Rule::Path, install(), |plan| nobodys(plan).path = path.into());
    }
}

#[test]
fn a_path_that_two_steps_write() {
    check(Rule::Path, install(), |plan| {
        let program = plan.steps.iter().find_map(|step| match &step.action {
            Action::Upload { path, .. } if step.id.as_str().starts_with("main-1/") => Some(path.clone()),
            _ => None,
        });
        nobodys(plan).path = program.unwrap();
    });
}

#[test]
fn a_mode_that_lets_others_write_or_run_as_root() {
    for mode in [0o666, 0o664, 0o4755, 0o044] {
        check(Rule::Mode, install(), |plan| nobodys(plan).mode = mode);
    }
}

#[test]
fn a_member_that_is_known_by_no_url() {
    for wrong in ["http://198.18.0.9:2380", "https://198.18.0.9", "https://main-9:2380", "https://198.18.0.9:0"] {
        check(Rule::PeerUrl, rejoin(), |plan| match &mut step(plan, "main-1/etcd-member/start").action {
            Action::StartEtcdLearner { members } => _ = members.insert(node("main-9"), wrong.into()),
            other => panic!("{other:?}"),
        });
    }
}

#[test]
fn a_name_that_no_program_takes() {
    check(Rule::Name, rejoin(), |plan| match &mut step(plan, "main-1/etcd-member/remove").action {
        Action::RemoveEtcdMember { id, .. } => *id = "main-1; reboot".into(),
        other => panic!("{other:?}"),
    });
    check(Rule::Name, upgrade(), |plan| match &mut step(plan, "work-1/unit/kube-proxy.service").action {
        Action::RestartUnit { unit, .. } => {
            *unit = "../kube-proxy.service".into();
            step(plan, "work-1/unit/kube-proxy.service").watch =
                Some(Check::UnitActive { node: node("work-1"), unit: "../kube-proxy.service".into() });
        }
        other => panic!("{other:?}"),
    });
}

fn certificates<'a>(plan: &'a mut Plan, id: &str) -> &'a mut Vec<crate::action::CertificateIssue> {
    match &mut step(plan, id).action {
        Action::IssueCertificates { certificates } => certificates,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_certificate_for_nobody_or_for_no_time() {
    check(Rule::Certificate, install(), |plan| {
        certificates(plan, "work-1/certificates")[0].request.common_name.clear();
    });
    check(Rule::Certificate, install(), |plan| {
        let request = &mut certificates(plan, "work-1/certificates")[0].request;
        request.renew_days = request.days;
    });
}

#[test]
fn a_lender_that_has_nothing_yet() {
    check(Rule::Lender, install(), |plan| certificates(plan, "main-2/certificates")[0].holders.clear());
    check(Rule::Lender, install(), |plan| {
        certificates(plan, "main-2/certificates")[0].holders.push(node("main-3"));
    });
    check(Rule::Lender, install(), |plan| match &mut step(plan, "main-2/trust").action {
        Action::EstablishTrust { items } => {
            items.iter_mut().for_each(|item| item.from = TrustSource::Copy(vec![node("main-3")]));
        }
        other => panic!("{other:?}"),
    });
    check(Rule::Lender, install(), |plan| step(plan, "main-2/trust").after.retain(|id| id.as_str() != "main-1/trust"));
}

#[test]
fn membership_changes_that_meet_or_come_in_another_order() {
    check(Rule::Membership, rejoin(), |plan| {
        step(plan, "main-2/etcd-member/remove").after.retain(|id| !id.as_str().starts_with("main-1/"));
    });
    check(Rule::Membership, rejoin(), |plan| step(plan, "main-1/etcd-member/promote").after.clear());
    check(Rule::Membership, rejoin(), |plan| match &mut step(plan, "main-1/etcd-member/promote").action {
        Action::PromoteEtcdLearner { peer_url } => *peer_url = url(4),
        other => panic!("{other:?}"),
    });
    check(Rule::Membership, rejoin(), |plan| match &mut step(plan, "main-1/etcd-member/start").action {
        Action::StartEtcdLearner { members } => _ = members.remove("main-1"),
        other => panic!("{other:?}"),
    });
    check(Rule::Membership, rejoin(), |plan| {
        plan.steps.retain(|step| step.id.as_str() != "main-2/etcd-member/promote");
    });
}

#[test]
fn first_members_that_do_not_agree() {
    check(Rule::Birth, install(), |plan| match &mut step(plan, "main-2/etcd-member/bootstrap").action {
        Action::BootstrapEtcd { members } => _ = members.remove("main-3"),
        other => panic!("{other:?}"),
    });
}

#[test]
fn a_unit_that_starts_before_what_it_reads_is_there() {
    for (unit, earlier) in [
        ("main-1/unit/kube-apiserver.service", "main-1/certificates"),
        ("main-1/unit/kubelet.service", "main-1/artifact/kubelet"),
        ("main-1/etcd-member/bootstrap", "main-1/artifact/etcd"),
        ("work-1/unit/fmp-balancer.service", "work-1/files"),
    ] {
        check(Rule::StartOrder, install(), |plan| {
            // By way of no other step either.
            let node = unit.split('/').next().unwrap().to_owned();
            let others = plan.steps.iter_mut().filter(|step| step.id.as_str().starts_with(&node));
            let starts = |step: &Step| step.id.as_str() == unit;
            for step in others {
                if starts(step) {
                    step.after.retain(|id| {
                        id.as_str() != earlier
                            && !id.as_str().starts_with(&format!("{node}/unit/"))
                            && !id.as_str().starts_with(&format!("{node}/etcd-member"))
                    });
                }
            }
        });
    }
}

#[test]
fn a_start_that_nobody_watches_or_somebody_elsewhere() {
    check(Rule::Watch, install(), |plan| step(plan, "main-1/unit/kubelet.service").watch = None);
    check(Rule::Watch, install(), |plan| {
        step(plan, "main-1/unit/kube-apiserver.service").watch = Some(Check::ApiReady { node: node("main-2") });
    });
    check(Rule::Watch, install(), |plan| {
        step(plan, "main-1/etcd-member/bootstrap").watch = Some(Check::NodeReady { node: node("main-1") });
    });
}

#[test]
fn a_step_without_a_reason() {
    check(Rule::Reason, install(), |plan| step(plan, "main-1/files").reason.clear());
}

#[test]
fn lists_out_of_order() {
    check(Rule::Changes, install(), |plan| plan.changes.swap(0, 1));
    check(Rule::Waiting, silent(), |plan| plan.waiting.swap(0, 1));
    check(Rule::Waiting, install(), |plan| {
        plan.waiting.push(Waiting { what: "main-1".into(), until: String::new(), node: None });
    });
    check(Rule::Basis, install(), |plan| plan.basis.facts.swap(0, 1));
    check(Rule::Basis, install(), |plan| {
        let twice = plan.basis.facts[0].clone();
        plan.basis.facts.insert(0, twice);
    });
}

#[test]
fn a_secret_in_a_text_or_in_a_word() {
    let key = format!("-----BEGIN EC {}-----", "PRIVATE KEY");
    check(Rule::Secret, install(), |plan| step(plan, "main-1/files").reason.clone_from(&key));
    check(Rule::Secret, upgrade(), |plan| plan.changes[0].diff = Some(key.clone()));
    check(Rule::Secret, install(), |plan| {
        let digest = Digest::of(&key);
        plan.texts.insert(digest, key.as_str().into());
        let old = std::mem::replace(&mut nobodys(plan).content, digest);
        let others = plan.steps.iter().any(|step| matches!(&step.action, Action::WriteFiles { files, .. } if files.iter().any(|file| file.content == old)));
        if !others {
            plan.texts.remove(&old);
        }
    });
}

/// The step waits for nothing but these.
fn waits_for(plan: &mut Plan, id: &str, after: &[&str]) {
    step(plan, id).after = after.iter().map(|id| StepId::new(*id)).collect();
}

/// The step no longer waits for `other`, but for what that waits for.
fn waits_past(plan: &mut Plan, id: &str, other: &str) {
    let before = step(plan, other).after.clone();
    let step = step(plan, id);
    if step.after.iter().any(|id| id.as_str() == other) {
        step.after.retain(|id| id.as_str() != other);
        step.after.extend(before);
    }
}

#[test]
fn a_kubelet_that_restarts_beside_pods_or_a_node_that_is_never_given_back() {
    let kubelet = "work-1/unit/kubelet.service";
    let part = |part: &str| format!("{kubelet}/{part}");
    check(Rule::Emptying, minor(), |plan| {
        let all: Vec<String> = plan.steps.iter().map(|step| step.id.to_string()).collect();
        all.iter().for_each(|id| waits_past(plan, id, &part("drain")));
    });
    check(Rule::Emptying, minor(), |plan| waits_past(plan, &part("drain"), &part("cordon")));
    check(Rule::Emptying, minor(), |plan| waits_for(plan, &part("uncordon"), &[&part("drain")]));
    check(Rule::Emptying, minor(), |plan| {
        let uncordon = part("uncordon");
        plan.steps.retain(|step| step.id.as_str() != uncordon);
        plan.steps.iter_mut().for_each(|step| step.after.retain(|id| id.as_str() != uncordon));
    });
}

#[test]
fn a_departure_in_another_order() {
    for (later, after) in [
        ("work-2/retire/stop", "work-2/retire/cordon"),
        ("work-2/retire/delete", "work-2/retire/drain"),
        ("main-4/retire/member", "main-4/retire/drain"),
        ("main-4/retire/etcd", "main-4/retire/stop"),
        ("main-4/retire/delete", "main-4/retire/stop"),
    ] {
        check(Rule::Leaving, departure(), |plan| waits_for(plan, later, &[after]));
    }
    // One that is said not to answer would be taken out while it runs.
    check(Rule::Leaving, departure(), |plan| match &mut step(plan, "main-4/retire/member").action {
        Action::RemoveEtcdMember { before, .. } => *before = MemberBefore::Silent,
        other => panic!("{other:?}"),
    });
}

#[test]
fn a_volume_that_is_mounted_too_early_or_too_late() {
    check(Rule::Volume, volume(), |plan| {
        step(plan, "work-1/volume/units").after.retain(|id| id.as_str() != "work-1/volume/make");
        step(plan, "work-1/volume/mount").after.retain(|id| id.as_str() != "work-1/volume/make");
    });
    let mut plan = volume();
    for step in plan.steps.iter_mut().filter(|step| !step.id.as_str().starts_with("work-1/volume/")) {
        step.after.retain(|id| id.as_str() != "work-1/volume/mount");
    }
    // What is written below its directories, and read from there, is found as well.
    assert!(of(&plan).contains(&Rule::Volume), "{:#?}", lint(&plan));
}

#[test]
fn two_mains_at_once() {
    check(Rule::Budget, upgrade(), |plan| _ = plan.budgets.insert(Budget::Mains, 2));
}

/// A work node with nothing of ours on it and without packages.
fn packed() -> Plan {
    let mut lab = Lab::packed(3, 1, "bundle");
    lab.clear("work-1");
    lab.package("work-1", "haproxy", None);
    lab.plan()
}

#[test]
fn a_program_that_runs_before_its_package_came() {
    check(Rule::StartOrder, packed(), |plan| {
        for step in &mut plan.steps {
            step.after.retain(|id| id.as_str() != "work-1/packages");
        }
    });
}

#[test]
fn a_volume_of_a_group_that_is_made_before_lvm_came() {
    let mut lab = Lab::joined(3, 1);
    lab.clear_with_disk("work-1");
    check(Rule::StartOrder, lab.plan(), |plan| {
        let before = "work-1/trust".to_owned();
        let install = Action::InstallPackages {
            manager: Manager::Dpkg,
            packages: vec![PackageInstall { name: "lvm2".into(), quiet: Vec::new() }],
            from: PackagesFrom::Repository,
        };
        let mut packages = step(plan, &before).clone();
        (packages.id, packages.action) = (StepId::new("work-1/packages"), install);
        plan.steps.push(packages);
        plan.steps.sort_by(|one, other| one.id.cmp(&other.id));
    });
}

#[test]
fn a_package_that_is_an_option_or_keeps_no_unit_off() {
    let corrupt = |change: fn(&mut PackageInstall, &mut PackagesFrom)| {
        check(Rule::Name, packed(), |plan| match &mut step(plan, "work-1/packages").action {
            Action::InstallPackages { packages, from, .. } => change(&mut packages[0], from),
            other => panic!("{other:?}"),
        });
    };
    corrupt(|package, _| package.name = "--purge".into());
    corrupt(|package, _| package.quiet = vec!["haproxy.service; reboot".into()]);
    corrupt(|_, from| match from {
        PackagesFrom::Bundle(files) => files[0].package = "../x".into(),
        PackagesFrom::Repository => panic!("{from:?}"),
    });
}

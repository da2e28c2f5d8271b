//! Upgrades: what may be planned, in which order, and what waits.

use fmp_core::{observed::Fact, resource::CORDONED};

use super::*;
use crate::{
    Plan,
    testing::{Lab, comes_after, ids, step, waits},
};

/// A cluster of one version whose file asks for another one.
fn upgrade(from: &str, to: &str) -> Lab {
    let mut lab = Lab::settled_at(from, 3, 2);
    lab.want(to);
    lab
}

/// The running process of a unit is of another version.
fn run_at(lab: &mut Lab, name: &str, program: &str, version: &str) {
    let stamp = lab.unit(name, &format!("{program}.service")).stamp.as_mut().unwrap();
    let path = stamp.0.keys().find(|path| path.ends_with(&format!("/{program}"))).cloned().unwrap();
    let value = stamp.0.remove(&path).unwrap();
    stamp.0.insert(format!("{STORE}/{version}-0/{program}"), value);
}

fn has(plan: &Plan, id: &str) -> bool {
    ids(plan).contains(&id)
}

const MAINS: [&str; 3] = ["main-1", "main-2", "main-3"];
const ALL: [&str; 5] = ["main-1", "main-2", "main-3", "work-1", "work-2"];

#[test]
fn an_upgrade_by_one_minor_goes_from_apiservers_to_controllers_and_kubelets() {
    let plan = upgrade("1.28.15", "1.29.15").plan();
    assert_eq!(plan.waiting, []);
    for main in MAINS {
        for controller in ["kube-controller-manager", "kube-scheduler"] {
            let later = format!("{main}/unit/{controller}.service");
            assert!(comes_after(&plan, &later, &format!("{main}/unit/kube-apiserver.service")), "{later}");
        }
        for name in ALL {
            for part in ["kubelet", "kube-proxy"] {
                let later = format!("{name}/unit/{part}.service");
                assert!(comes_after(&plan, &later, &format!("{main}/unit/kube-apiserver.service")), "{later}");
            }
        }
    }
}

#[test]
fn a_kubelets_file_is_written_with_its_restart_on_mains_too() {
    let plan = upgrade("1.28.15", "1.29.15").plan();
    for main in MAINS {
        let files = step(&plan, &format!("{main}/node-files"));
        let crate::Action::WriteFiles { files: written, .. } = &files.action else { panic!("{files:?}") };
        let paths: Vec<&str> = written.iter().map(|file| &*file.path).collect();
        assert!(paths.contains(&"/etc/systemd/system/kubelet.service"), "{paths:?}");
        assert!(paths.contains(&"/etc/systemd/system/kube-proxy.service"), "{paths:?}");
        assert_eq!(files.unit, step(&plan, &format!("{main}/unit/kubelet.service")).unit);
        assert!(comes_after(&plan, &format!("{main}/unit/kubelet.service"), files.id.as_str()));
    }
    assert!(!has(&plan, "work-1/node-files") && has(&plan, "work-1/files"));
}

#[test]
fn pods_leave_before_a_kubelet_of_another_minor_starts_and_come_again_afterwards() {
    let plan = upgrade("1.28.15", "1.29.15").plan();
    assert_eq!(crate::lint::lint(&plan), []);
    for name in ALL {
        let kubelet = format!("{name}/unit/kubelet.service");
        let part = |part: &str| format!("{kubelet}/{part}");
        for pair in [part("cordon"), part("drain"), kubelet.clone(), part("uncordon")].windows(2) {
            assert!(comes_after(&plan, &pair[1], &pair[0]), "{pair:?}");
            assert_eq!(step(&plan, &pair[1]).unit, step(&plan, &kubelet).unit);
        }
    }
    // What the kubelet would start with after a power cut is written once no pod is left.
    assert!(comes_after(&plan, "work-1/files", "work-1/unit/kubelet.service/drain"));
    assert!(comes_after(&plan, "main-1/node-files", "main-1/unit/kubelet.service/drain"));
    assert!(comes_after(&plan, "work-1/unit/kubelet.service/cordon", "main-3/unit/kube-apiserver.service"));
    let patch = upgrade("1.29.14", "1.29.15").plan();
    assert!(has(&patch, "work-1/unit/kubelet.service") && !has(&patch, "work-1/unit/kubelet.service/drain"));
}

#[test]
fn a_kubelet_waits_for_an_api_that_lets_its_pods_leave() {
    let mut lab = upgrade("1.28.15", "1.29.15");
    lab.agree("outage work-1");
    lab.seen.api = Fact::Unknown("timeout".into());
    let plan = lab.plan();
    assert!(!ids(&plan).iter().any(|id| id.contains("unit/kubelet.service")));
    assert_eq!(
        waits(&plan, "work-1/unit/kubelet.service"),
        Some("the API answers, so that its pods can leave: timeout")
    );
}

#[test]
fn an_upgrade_rests_on_the_version_of_each_apiserver() {
    let mut lab = upgrade("1.28.15", "1.29.15");
    for main in MAINS {
        run_at(&mut lab, main, "kube-apiserver", "1.29.15");
    }
    let plan = lab.plan();
    run_at(&mut lab, "main-2", "kube-apiserver", "1.28.15");
    let changed: Vec<String> = crate::changed(&plan, &lab.seen).iter().map(|it| it.fact.to_string()).collect();
    assert_eq!(changed, ["main-2: unit kube-apiserver.service"]);
}

#[test]
fn a_node_that_fmp_cordoned_is_given_back() {
    let mut lab = Lab::settled(3, 1);
    let seen = lab.api().nodes.get_mut("work-1").unwrap();
    seen.unschedulable = true;
    assert_eq!(ids(&lab.plan()), Vec::<&str>::new(), "a person's cordon stays");
    lab.api().nodes.get_mut("work-1").unwrap().labels.insert(CORDONED.to_owned(), "true".to_owned());
    let plan = lab.plan();
    assert_eq!(ids(&plan), ["work-1/node-object/uncordon"]);
    assert_eq!((crate::lint::lint(&plan), &step(&plan, "work-1/node-object/uncordon").unit), (Vec::new(), &None));
    let mut lab = upgrade("1.28.15", "1.29.15");
    lab.api().nodes.get_mut("work-1").unwrap().labels.insert(CORDONED.to_owned(), "true".to_owned());
    let plan = lab.plan();
    assert!(!has(&plan, "work-1/node-object/uncordon") && has(&plan, "work-1/unit/kubelet.service/uncordon"));
}

#[test]
fn a_patch_is_an_upgrade_without_questions() {
    let mut lab = upgrade("1.29.14", "1.29.15");
    lab.silence("main-3");
    let plan = lab.plan();
    assert!(has(&plan, "main-1/unit/kube-apiserver.service") && has(&plan, "work-1/unit/kubelet.service"));
    let back = upgrade("1.29.15", "1.29.14").plan();
    assert!(has(&back, "main-1/unit/kube-apiserver.service"), "a patch that broke something may be left again");
}

#[track_caller]
fn check_refused(lab: &Lab, until: &str) {
    let plan = lab.plan();
    assert_eq!((ids(&plan), plan.changes.len()), (Vec::new(), 0));
    let told: Vec<&str> = plan.waiting.iter().map(|waiting| waiting.until.as_str()).collect();
    assert_eq!(told, [until]);
}

#[test]
fn two_minors_are_not_gone_at_once() {
    check_refused(
        &upgrade("1.27.16", "1.29.15"),
        "cluster.toml says 1.28 first: kube-apiserver on main-1 is 1.27.16, and no minor version may be skipped",
    );
}

#[test]
fn a_minor_is_never_gone_back() {
    check_refused(
        &upgrade("1.29.15", "1.28.15"),
        "cluster.toml says 1.29 or newer: kube-apiserver on main-1 is 1.29.15, and a minor version is never gone back",
    );
}

#[test]
fn a_cluster_that_is_off_skips_no_minor_either() {
    let mut lab = upgrade("1.27.16", "1.29.15");
    for main in MAINS {
        lab.stop(main, "kube-apiserver.service", "inactive");
        match lab.host(main).files.get_mut("/etc/systemd/system/kube-apiserver.service") {
            Some(Fact::Known(file)) => {
                file.text = Some(format!("[Service]\nExecStart={STORE}/1.27.16-aa/kube-apiserver \\\n  --x\n"));
            }
            other => panic!("{other:?}"),
        }
    }
    lab.seen.api = Fact::Unknown("off".into());
    let plan = lab.plan();
    assert!(plan.waiting[0].until.starts_with("cluster.toml says 1.28 first"), "{:?}", plan.waiting);
}

#[test]
fn a_main_that_does_not_answer_holds_kubelets_up_and_no_apiserver() {
    let mut lab = upgrade("1.28.15", "1.29.15");
    lab.silence("main-3");
    let plan = lab.plan();
    // Its apiserver is 1.28 at least, as the newest kubelet is, and that may stand beside 1.29.
    assert!(has(&plan, "main-1/unit/kube-apiserver.service"));
    let until = "kube-apiserver on main-3 is 1.29 or newer, now 1.28.15";
    assert_eq!(waits(&plan, "work-1/unit/kubelet.service"), Some(until));
    assert_eq!(waits(&plan, "work-1/file/etc/systemd/system/kubelet.service"), Some(until), "nor is its file written");
}

#[test]
fn a_kubelet_three_minors_behind_holds_apiservers_up() {
    let mut lab = upgrade("1.28.15", "1.29.15");
    run_at(&mut lab, "work-2", "kubelet", "1.25.16");
    let plan = lab.plan();
    assert_eq!(
        waits(&plan, "main-1/unit/kube-apiserver.service"),
        Some("kubelet on work-2 is 1.26 or newer, now 1.25.16")
    );
    assert!(!has(&plan, "work-2/unit/kubelet.service"), "it waits for the apiservers");
}

#[test]
fn a_kubelet_that_nobody_can_ask_is_known_by_its_node() {
    let mut lab = upgrade("1.28.15", "1.29.15");
    lab.silence("work-2");
    assert!(has(&lab.plan(), "main-1/unit/kube-apiserver.service"));
    lab.api().nodes.get_mut("work-2").unwrap().kubelet_version = "v1.25.16".into();
    let until = "kubelet on work-2 is 1.26 or newer, now 1.25.16";
    assert_eq!(waits(&lab.plan(), "main-1/unit/kube-apiserver.service"), Some(until));
    lab.api().nodes.remove("work-2");
    let until = "work-2 says which version its kubelet is: no route";
    assert_eq!(waits(&lab.plan(), "main-1/unit/kube-apiserver.service"), Some(until));
}

#[test]
fn somebody_elses_node_counts_as_a_kubelet_and_decides_nothing() {
    let mut lab = upgrade("1.28.15", "1.29.15");
    let mut other = lab.api().nodes["work-1"].clone();
    other.kubelet_version = "v1.31.0+k3s1".into();
    lab.api().nodes.insert("other".into(), other.clone());
    assert!(has(&lab.plan(), "main-1/unit/kube-apiserver.service"));
    other.kubelet_version = "v1.25.0-x".into();
    lab.api().nodes.insert("other".into(), other);
    let until = "kubelet on other is 1.26 or newer, now 1.25.0";
    assert_eq!(waits(&lab.plan(), "main-1/unit/kube-apiserver.service"), Some(until));
}

#[test]
fn an_apiserver_that_is_left_behind_is_raised_first() {
    let mut lab = upgrade("1.28.15", "1.29.15");
    run_at(&mut lab, "main-2", "kube-apiserver", "1.27.16");
    check_refused(
        &lab,
        "cluster.toml says 1.28 first: kube-apiserver on main-2 is 1.27.16, and no minor version may be skipped",
    );
}

#[test]
fn controllers_are_one_minor_behind_their_apiserver_at_most() {
    let mut lab = upgrade("1.28.15", "1.29.15");
    run_at(&mut lab, "main-2", "kube-scheduler", "1.27.16");
    let plan = lab.plan();
    let until = "kube-scheduler on main-2 is 1.28 or newer, now 1.27.16";
    assert_eq!(waits(&plan, "main-2/unit/kube-apiserver.service"), Some(until));
    assert!(has(&plan, "main-1/unit/kube-apiserver.service"));
}

/// An upgrade was cut off: main-2 is left behind, and what a controller would be started with there is newer already.
fn left_behind() -> Lab {
    let mut lab = Lab::settled(3, 2);
    run_at(&mut lab, "main-2", "kube-apiserver", "1.28.15");
    lab.stop("main-2", "kube-scheduler.service", "inactive");
    lab
}

#[test]
fn a_controller_that_is_down_comes_up_after_its_apiserver_where_that_is_older() {
    let plan = left_behind().plan();
    assert!(comes_after(&plan, "main-2/unit/kube-scheduler.service", "main-2/unit/kube-apiserver.service"));
}

/// Nobody says what may be restarted, and every etcd waits for that.
fn without_an_api(lab: &mut Lab) {
    lab.seen.api = Fact::Unknown("no apiserver answers".into());
    MAINS.into_iter().for_each(|main| lab.outdate(main, "etcd.service"));
}

#[test]
fn a_controller_that_is_down_waits_where_its_older_apiserver_must_not_be_touched() {
    let mut lab = left_behind();
    without_an_api(&mut lab);
    let until = "kube-apiserver on main-2 is 1.29 or newer, now 1.28.15";
    assert_eq!(waits(&lab.plan(), "main-2/unit/kube-scheduler.service"), Some(until));
}

#[test]
fn what_a_controller_that_is_down_would_start_with_waits_with_it() {
    let mut lab = upgrade("1.28.15", "1.29.15");
    lab.stop("main-2", "kube-scheduler.service", "inactive");
    without_an_api(&mut lab);
    let plan = lab.plan();
    let file = "/etc/systemd/system/kube-scheduler.service";
    let written = plan.steps.iter().any(|step| match &step.action {
        crate::Action::WriteFiles { files, .. } => files.iter().any(|write| &*write.path == file),
        _ => false,
    });
    assert!(!written && waits(&plan, &format!("main-2/file{file}")).is_some(), "{:#?}", plan.steps);
}

#[test]
fn a_kubelet_that_is_down_waits_for_apiservers_that_something_beneath_holds_up() {
    let mut lab = Lab::settled(3, 2);
    for main in MAINS {
        run_at(&mut lab, main, "kube-apiserver", "1.28.15");
        lab.outdate(main, "etcd.service");
    }
    // Without it etcd loses no further voter.
    lab.stop("main-3", "etcd.service", "failed");
    lab.etcd().get_mut(&crate::testing::url(3)).unwrap().healthy = Fact::Known(false);
    for unit in ["kubelet.service", "kube-proxy.service"] {
        lab.stop("work-1", unit, "inactive");
    }
    let plan = lab.plan();
    for unit in ["kubelet.service", "kube-proxy.service"] {
        let until = waits(&plan, &format!("work-1/unit/{unit}"));
        assert!(until.is_some_and(|until| until.contains("1.29 or newer, now 1.28.15")), "{unit}: {until:?}");
    }
}

#[test]
fn a_controller_that_is_down_is_no_minor_to_stay_with() {
    let mut lab = Lab::settled(3, 1);
    for main in MAINS {
        run_at(&mut lab, main, "kube-apiserver", "1.28.15");
        lab.stop(main, "kube-scheduler.service", "inactive");
        lab.stop(main, "kube-controller-manager.service", "inactive");
    }
    for name in ["main-1", "main-2", "main-3", "work-1"] {
        run_at(&mut lab, name, "kubelet", "1.28.15");
        run_at(&mut lab, name, "kube-proxy", "1.28.15");
    }
    lab.want("1.28.15");
    let plan = lab.plan();
    assert!(!plan.waiting.iter().any(|item| item.what.starts_with("kubernetes")), "{:#?}", plan.waiting);
}

#[test]
fn a_controller_that_left_no_stamp_is_what_its_file_starts() {
    let mut lab = upgrade("1.28.15", "1.29.15");
    lab.unit("main-2", "kube-controller-manager.service").stamp = None;
    let path = "/etc/systemd/system/kube-controller-manager.service";
    let mut says = |text: &str| {
        match lab.host("main-2").files.get_mut(path) {
            Some(Fact::Known(file)) => file.text = Some(text.to_owned()),
            other => panic!("{other:?}"),
        }
        let plan = lab.plan();
        waits(&plan, "main-2/unit/kube-apiserver.service").map(str::to_owned)
    };
    assert_eq!(says(&format!("ExecStart={STORE}/1.28.15-aa/kube-controller-manager\n")), None);
    assert_eq!(says("ExecStart=/bin/true\n"), None);
    let older = says(&format!("ExecStart={STORE}/1.27.16-aa/kube-controller-manager\n"));
    assert_eq!(older.as_deref(), Some("kube-controller-manager on main-2 is 1.28 or newer, now 1.27.16"));
}

#[test]
fn a_program_of_no_version_is_unknown_and_not_safe() {
    let mut lab = upgrade("1.28.15", "1.29.15");
    run_at(&mut lab, "work-1", "kubelet", "odd");
    lab.api().nodes.remove("work-1");
    let until = "work-1 says which version its kubelet is: it started a program of no version";
    assert_eq!(waits(&lab.plan(), "main-1/unit/kube-apiserver.service"), Some(until));
}

#[test]
fn the_policy_is_upstreams() {
    let older = |part: Part| [23, 24, 25, 29].map(|minor| part.rule().may_be_older(minor));
    assert_eq!(older(Part::Kubelet), [2, 2, 3, 3]);
    assert_eq!(older(Part::Proxy), [2, 2, 3, 3]);
    for part in [Part::Apiserver, Part::ControllerManager, Part::Scheduler] {
        assert_eq!(older(part), [1, 1, 1, 1]);
    }
    assert!(RULES.iter().all(|rule| rule.newer == u16::from(rule.part == Part::Apiserver)));
    for (at, rule) in RULES.iter().enumerate() {
        assert_eq!(rule.part as usize, at);
    }
}

#[test]
fn what_breaks_a_rule_is_told() {
    let mut lab = Lab::settled(3, 1);
    assert_eq!(broken_skew(&lab.spec, &lab.seen), Vec::<String>::new());
    run_at(&mut lab, "main-2", "kube-apiserver", "1.27.16");
    let told = broken_skew(&lab.spec, &lab.seen);
    assert_eq!(told, ["kube-apiserver on main-2 is 1.29 or newer, now 1.27.16"]);
}

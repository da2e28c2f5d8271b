//! Each ailment is provoked once, and nothing else is found.

mod health;

use fmp_core::{
    KubeVersion, Severity, bundle,
    observed::{Fact, Machine, PodSeen},
    resource::CORDONED,
    spec::{ApiEntrance, AppsAddress, AppsEntrance, Environment, SharedAddress},
};

use super::{Ailment, Fix, Kind, diagnose};
use crate::testing::{Lab, node};

const KUBELET: &str = "kubelet.service";

fn ailments(lab: &Lab) -> Vec<Ailment> {
    diagnose(&lab.spec, &lab.seen, &lab.plan())
}

/// What is found, in order, and whether the plan mends it.
fn found(lab: &Lab) -> Vec<(String, Kind, bool)> {
    let told = |ailment: Ailment| (ailment.subject, ailment.kind, matches!(ailment.fix, Fix::Apply(_)));
    ailments(lab).into_iter().map(told).collect()
}

#[track_caller]
fn check(lab: &Lab, wanted: &[(&str, Kind, bool)]) {
    let wanted: Vec<_> = wanted.iter().map(|(subject, kind, mends)| ((*subject).to_owned(), *kind, *mends)).collect();
    assert_eq!(found(lab), wanted, "{:#?}", ailments(lab));
}

/// A cluster in which something was done.
fn with(break_it: impl FnOnce(&mut Lab)) -> Lab {
    let mut lab = Lab::settled(3, 2);
    break_it(&mut lab);
    lab
}

fn not_ready(lab: &mut Lab, name: &str) {
    let seen = lab.api().nodes.get_mut(name).unwrap();
    seen.ready = false;
    "Kubelet stopped posting node status.".clone_into(&mut seen.message);
}

#[test]
fn nothing_ails_a_cluster_that_is_in_sync() {
    check(&Lab::settled(3, 2), &[]);
    check(&Lab::bare(3, 2), &[]);
}

/// Nodes keep what they have pulled, so only what nobody has pulled yet is missed.
#[test]
fn an_image_storage_that_is_silent_or_lacks_something_is_found() {
    let with = |break_it: &dyn Fn(&mut Lab)| {
        let mut lab = Lab::pulling(3, 2);
        break_it(&mut lab);
        lab
    };
    check(&with(&|_| ()), &[]);
    let stopped = with(&|lab| lab.stop("images-1", "fmp-registry.service", "failed"));
    check(&stopped, &[("images-1", Kind::UnitDown, true), ("images-1", Kind::ImageStorage, true)]);
    let silent = with(&|lab| _ = lab.seen.hosts.insert(node("images-1"), Fact::Unknown("no route to host".into())));
    check(&silent, &[("images-1", Kind::HostSilent, false), ("images-1", Kind::ImageStorage, false)]);
    assert_eq!(ailments(&silent)[1].evidence, ["no route to host"]);
    let lacks = with(&|lab| {
        let host = lab.host("images-1");
        let link = host.files.keys().find(|path| path.ends_with("/3.9/current/link")).cloned().unwrap();
        host.files.insert(link, Fact::Absent);
    });
    check(&lacks, &[("images-1", Kind::ImageStorage, true)]);
    assert_eq!(ailments(&lacks)[0].evidence, ["registry.k8s.io/pause:3.9"]);
}

#[test]
fn a_unit_that_is_down_explains_its_node() {
    let lab = with(|lab| {
        lab.stop("work-1", "fmp-balancer.service", "failed");
        not_ready(lab, "work-1");
    });
    check(&lab, &[("work-1", Kind::UnitDown, true), ("work-1", Kind::NodeNotReady, true)]);
    let node = &ailments(&lab)[1];
    assert_eq!(node.cause, "fmp-balancer.service does not run");
    assert_eq!(node.evidence, ["Kubelet stopped posting node status."]);
}

#[test]
fn a_node_that_nothing_explains_is_not_explained() {
    check(&with(|lab| not_ready(lab, "work-1")), &[("work-1", Kind::NodeNotReady, false)]);
}

#[test]
fn a_node_without_its_kubelet_gets_it_back() {
    let lab = with(|lab| {
        lab.clear("work-1");
        not_ready(lab, "work-1");
    });
    check(&lab, &[("work-1", Kind::NodeNotReady, true)]);
    assert_eq!(ailments(&lab)[0].cause, "kubelet.service is not there");
}

#[test]
fn a_host_that_is_silent_may_live() {
    let lab = with(|lab| lab.silence("work-1"));
    check(&lab, &[("work-1", Kind::HostSilent, false)]);
    assert_eq!(ailments(&lab)[0].severity, Severity::Warning, "its Node is Ready");
    let lab = with(|lab| {
        lab.silence("work-1");
        not_ready(lab, "work-1");
    });
    check(&lab, &[("work-1", Kind::HostSilent, false), ("work-1", Kind::NodeNotReady, false)]);
    assert_eq!(ailments(&lab)[0].severity, Severity::Error);
}

/// The machine of `work-1` is off.
fn switched_off(mut lab: Lab) -> Lab {
    lab.silence("work-1");
    let machines =
        lab.spec.nodes.keys().map(|name| (name.clone(), Machine { running: *name != node("work-1"), kind: None }));
    lab.seen.machines = Fact::Known(machines.collect());
    lab
}

#[test]
fn a_machine_that_is_off_is_no_riddle() {
    check(&switched_off(Lab::settled(3, 2)), &[("work-1", Kind::MachineOff, false)]);
    let ours = Lab::settled_as(3, 2, |spec| spec.environment = Environment::Local);
    check(&switched_off(ours), &[("work-1", Kind::MachineOff, true)]);
}

#[test]
fn a_clock_that_is_off_and_a_disk_that_is_full_are_found() {
    let lab = with(|lab| lab.host("work-1").facts.clock_offset_ms = 600_000);
    check(&lab, &[("work-1", Kind::Clock, false)]);
    let lab = with(|lab| {
        lab.spec.profile.host.root_free_percent = 15;
        let facts = &mut lab.host("work-1").facts;
        (facts.root_bytes, facts.root_free_bytes) = (100_000_000_000, 1_000_000_000);
    });
    check(&lab, &[("work-1", Kind::DiskFull, false)]);
}

#[test]
fn certificates_are_found_before_and_after_their_time() {
    let path = "/etc/kubernetes/pki/apiserver.crt";
    let ending = |left: i64| {
        with(|lab| {
            let now = lab.seen.now;
            match lab.host("main-1").certificates.get_mut(path) {
                Some(Fact::Known(seen)) => seen.not_after = now + left,
                other => panic!("{other:?}"),
            }
        })
    };
    check(&ending(-1), &[("main-1", Kind::Certificate, true)]);
    check(&ending(24 * 60 * 60), &[("main-1", Kind::Certificate, true)]);
    assert_eq!(ailments(&ending(24 * 60 * 60))[0].severity, Severity::Warning);
    check(&ending(1_000 * 24 * 60 * 60), &[]);
}

#[test]
fn a_certificate_that_is_not_valid_yet_is_found() {
    let lab = with(|lab| {
        let now = lab.seen.now;
        match lab.host("work-1").certificates.values_mut().next() {
            Some(Fact::Known(seen)) => seen.not_before = now + 2 * 24 * 60 * 60,
            other => panic!("{other:?}"),
        }
    });
    let told = &ailments(&lab)[0];
    assert_eq!((told.subject.as_str(), told.kind, told.severity), ("work-1", Kind::Certificate, Severity::Error));
    assert!(told.what.ends_with("is not valid yet") && told.evidence[0].ends_with("valid in 2 days"), "{told:?}");
}

/// A cluster whose mains share an address, which these hosts have.
fn with_entrance(holders: &[&str]) -> Lab {
    let shared = SharedAddress { address: [198, 18, 0, 10].into(), port: 8443, router_id: 10 };
    let mut lab = Lab::settled_as(3, 2, |spec| spec.api_entrance = ApiEntrance::Keepalived(shared));
    for holder in holders {
        lab.host(holder).facts.addresses.insert(shared.address);
    }
    lab
}

#[test]
fn an_entrance_has_one_holder() {
    check(&with_entrance(&["main-2"]), &[]);
    check(&with_entrance(&[]), &[("cluster", Kind::Entrance, false)]);
    let lab = with_entrance(&["main-1", "main-3"]);
    check(&lab, &[("cluster", Kind::Entrance, false)]);
    assert_eq!(ailments(&lab)[0].what, "main-1 and main-3 hold the API's entrance 198.18.0.10:8443 at once");
    let mut lab = with_entrance(&[]);
    for main in ["main-1", "main-2", "main-3"] {
        lab.stop(main, "fmp-entrance.service", "failed");
    }
    let of_cluster = ailments(&lab).into_iter().find(|ailment| ailment.kind == Kind::Entrance).unwrap();
    assert!(matches!(of_cluster.fix, Fix::Apply(steps) if steps.len() == 3));
    let mut lab = with_entrance(&[]);
    lab.silence("main-1");
    assert!(ailments(&lab).iter().all(|ailment| ailment.kind != Kind::Entrance), "the one that is silent may have it");
}

/// A cluster whose work nodes share an address, which these hosts have.
fn with_apps_entrance(ports: &[u16], holders: &[&str]) -> Lab {
    let (address, ports) = ([198, 18, 0, 20].into(), ports.iter().copied().collect());
    let shared = AppsAddress { address, ports, router_id: 20, services: Vec::new() };
    let mut lab = Lab::settled_as(3, 2, |spec| spec.apps_entrance = AppsEntrance::Keepalived(shared.clone()));
    for holder in holders {
        lab.host(holder).facts.addresses.insert(address);
    }
    lab
}

#[test]
fn the_applications_entrance_has_one_holder_among_the_work_nodes() {
    check(&with_apps_entrance(&[80], &["work-2"]), &[]);
    let nobody = with_apps_entrance(&[80, 443], &[]);
    check(&nobody, &[("cluster", Kind::Entrance, false)]);
    let told = &ailments(&nobody)[0];
    assert_eq!(told.what, "nobody holds the applications' entrance 198.18.0.20");
    assert_eq!(told.cause, "a work node holds it only while it answers itself at 80 and 443, and none does");
    assert_eq!(told.evidence.len(), 2);
    assert!(ailments(&with_apps_entrance(&[], &[]))[0].cause.starts_with("keepalived runs on no work node"));
    let twice = with_apps_entrance(&[80], &["work-1", "main-1"]);
    assert_eq!(ailments(&twice)[0].what, "main-1 and work-1 hold the applications' entrance 198.18.0.20 at once");
    let mut lab = with_apps_entrance(&[80], &[]);
    lab.silence("work-1");
    assert!(ailments(&lab).iter().all(|ailment| ailment.kind != Kind::Entrance), "the one that is silent may have it");
}

/// Services get these addresses from now on: what gives them has its image in the bundle.
fn serve(lab: &mut Lab, ranges: &[&str]) {
    let services = ranges.iter().map(|range| range.parse().unwrap()).collect();
    let shared = AppsAddress { address: [198, 18, 0, 20].into(), ports: [].into(), router_id: 20, services };
    lab.spec.apps_entrance = AppsEntrance::Keepalived(shared);
    let mut image = lab.lock.entry("busybox-image").unwrap().clone();
    image.name = "metallb-controller-image".parse().unwrap();
    image.kind = bundle::Kind::Image("quay.io/metallb/controller:v0.15.3".to_owned());
    lab.lock.insert(image);
}

#[test]
fn addresses_for_services_are_where_the_entrance_is() {
    let found = |held: &[(&str, u8)]| {
        let mut lab = with_apps_entrance(&[], &[]);
        serve(&mut lab, &["198.18.0.30-198.18.0.31"]);
        for (name, last) in held {
            lab.host(name).facts.addresses.insert([198, 18, 0, *last].into());
        }
        let entrance = |ailment: &Ailment| ailment.kind == Kind::Entrance;
        ailments(&lab).into_iter().filter(entrance).flat_map(|ailment| ailment.evidence).collect::<Vec<_>>()
    };
    assert_eq!(found(&[("work-1", 20), ("work-1", 30), ("work-1", 31)]), [""; 0]);
    assert_eq!(found(&[("work-1", 20), ("work-1", 30)]), ["work-1 lacks 198.18.0.31"]);
    let lacks = "work-1 lacks 2 of them, 198.18.0.30 among these";
    assert_eq!(found(&[("work-1", 20), ("work-2", 31)]), [lacks, "work-2 has 198.18.0.31"]);
    let nobody = found(&[]);
    assert!(nobody.len() == 2 && nobody.iter().all(|line| line.contains("fmp-entrance.service")), "{nobody:?}");
}

#[test]
fn a_member_that_is_down_is_found_with_what_its_host_says() {
    let lab = with(|lab| {
        lab.stop("main-2", "etcd.service", "failed");
        lab.member(2).healthy = Fact::Known(false);
    });
    check(&lab, &[("main-2", Kind::UnitDown, true), ("main-2", Kind::EtcdMember, true)]);
    assert_eq!(ailments(&lab)[1].evidence[0], "https://198.18.0.12:2380, 2 of 3 voters are healthy");
}

#[test]
fn etcd_that_does_not_answer_is_explained_by_its_mains() {
    let lab = with(|lab| {
        lab.stop("main-1", "etcd.service", "inactive");
        lab.stop("main-2", "etcd.service", "inactive");
        lab.seen.etcd = Fact::Unknown("etcd has no quorum".into());
    });
    let first = &ailments(&lab)[0];
    assert_eq!((first.kind, first.subject.as_str()), (Kind::EtcdSilent, "cluster"));
    assert!(first.cause.starts_with("2 of 3 mains"), "{first:?}");
    assert!(matches!(&first.fix, Fix::Apply(steps) if steps.len() == 2), "{first:?}");
}

#[test]
fn an_alarm_is_told_and_not_that_nobody_is_healthy() {
    let lab = with(|lab| {
        lab.member(1).alarms.insert("NOSPACE".into());
        (1..=3).for_each(|main| lab.member(main).healthy = Fact::Known(false));
    });
    check(&lab, &[("main-1", Kind::EtcdAlarm, false)]);
}

#[test]
fn a_member_that_lags_is_found() {
    check(&with(|lab| lab.member(3).lag = Some(5_000)), &[("main-3", Kind::EtcdLag, false)]);
    check(&with(|lab| lab.member(3).lag = Some(10)), &[]);
}

#[test]
fn a_database_that_nears_its_quota_is_found() {
    let quota = Lab::settled(1, 1).spec.profile.settings.etcd_quota_bytes;
    let lab = |percent: u64| with(|lab| lab.member(1).database_bytes = Some(quota / 100 * percent));
    check(&lab(79), &[]);
    check(&lab(90), &[("main-1", Kind::EtcdDatabase, false)]);
}

fn pod(namespace: &str, name: &str, node: Option<&str>, trouble: &str) -> PodSeen {
    let (node, message) = (node.map(str::to_owned), String::new());
    PodSeen { namespace: namespace.to_owned(), name: name.to_owned(), node, trouble: trouble.to_owned(), message }
}

#[test]
fn pods_in_trouble_are_found_by_the_kind_of_it() {
    let lab = with(|lab| {
        not_ready(lab, "work-2");
        lab.api().pods = Fact::Known(vec![
            pod("shop", "a", Some("work-1"), "ErrImagePull"),
            pod("shop", "b", Some("work-1"), "ImagePullBackOff"),
            pod("shop", "c", Some("work-1"), "CrashLoopBackOff"),
            pod("kube-system", "coredns-1", None, "Unschedulable"),
            pod("shop", "ends", Some("work-1"), "Terminating"),
            pod("shop", "stuck", Some("work-2"), "Terminating"),
        ]);
    });
    check(
        &lab,
        &[
            ("cluster", Kind::PodUnbound, false),
            ("work-2", Kind::NodeNotReady, false),
            ("cluster", Kind::ImagePull, false),
            ("cluster", Kind::PodFails, false),
            ("cluster", Kind::PodStuck, false),
        ],
    );
    let found = ailments(&lab);
    assert_eq!(found[2].evidence, ["shop/a on work-1: ErrImagePull", "shop/b on work-1: ImagePullBackOff"]);
    assert_eq!(found[4].evidence, ["shop/stuck on work-2: Terminating"]);
}

#[test]
fn an_image_that_the_bundle_holds_is_brought_by_the_plan() {
    let lacking = |namespace: &'static str| {
        with(move |lab| {
            lab.host("work-1").images = Fact::Known([].into());
            lab.api().pods = Fact::Known(vec![pod(namespace, "a", Some("work-1"), "ErrImageNeverPull")]);
        })
    };
    check(&lacking("kube-system"), &[("cluster", Kind::ImagePull, true)]);
    check(&lacking("shop"), &[("cluster", Kind::ImagePull, false)]);
    let lab = with(|lab| {
        lab.host("work-1").images = Fact::Known([].into());
        let on = |node: &str| pod("kube-system", node, Some(node), "ErrImageNeverPull");
        lab.api().pods = Fact::Known(vec![on("work-1"), on("work-2")]);
    });
    check(&lab, &[("cluster", Kind::ImagePull, false)]);
}

#[test]
fn pods_that_wait_for_their_node_end_once_the_plan_starts_its_kubelet() {
    let lab = with(|lab| {
        not_ready(lab, "work-1");
        lab.stop("work-1", KUBELET, "failed");
        lab.api().pods = Fact::Known(vec![pod("shop", "a", Some("work-1"), "Terminating")]);
    });
    let of_node = [("work-1", Kind::UnitDown, true), ("work-1", Kind::NodeNotReady, true)];
    check(&lab, &[of_node[0], of_node[1], ("cluster", Kind::PodStuck, true)]);
}

#[test]
fn apiservers_and_the_api_are_found() {
    let lab = with(|lab| _ = lab.api().ready.insert(node("main-2"), Fact::Known(false)));
    check(&lab, &[("main-2", Kind::Apiserver, false)]);
    let lab = with(|lab| lab.seen.api = Fact::Unknown("no apiserver answers".into()));
    check(&lab, &[("cluster", Kind::ApiSilent, false)]);
}

#[test]
fn who_keeps_pods_away_is_told() {
    let cordoned = |ours: bool| {
        with(|lab| {
            let seen = lab.api().nodes.get_mut("work-1").unwrap();
            seen.unschedulable = true;
            if ours {
                seen.labels.insert(CORDONED.to_owned(), "true".to_owned());
            }
        })
    };
    check(&cordoned(true), &[("work-1", Kind::Cordoned, true)]);
    check(&cordoned(false), &[("work-1", Kind::Cordoned, false)]);
}

#[test]
fn a_kubelet_of_another_minor_is_found() {
    let lab = with(|lab| {
        let older = KubeVersion { minor: 28, patch: 15 };
        lab.api().nodes.get_mut("work-1").unwrap().kubelet_version = format!("v{older}");
    });
    check(&lab, &[("work-1", Kind::VersionSkew, false)]);
}

#[test]
fn what_a_dead_run_left_is_found() {
    let lab = with(|lab| _ = lab.host("work-1").running.insert("fmp-7-work-1-files".into()));
    check(&lab, &[("work-1", Kind::Zombie, false)]);
}

#[test]
fn what_cannot_run_is_told_by_its_condition_and_its_next_boot() {
    let lab = with(|lab| {
        lab.stop("work-1", KUBELET, "inactive");
        "disabled".clone_into(&mut lab.unit("work-1", KUBELET).enabled);
    });
    assert!(ailments(&lab)[0].cause.ends_with("would not start at the next boot"));
    let lab = with(|lab| {
        lab.stop("main-1", "etcd.service", "inactive");
        lab.unit("main-1", "etcd.service").condition = false;
    });
    assert_eq!(ailments(&lab)[0].cause, "a condition of its file kept it from starting");
}

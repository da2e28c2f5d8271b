//! A world answers what hosts would answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
};

use fmp_core::{
    Digest, NodeName,
    observed::{DirectorySeen, Fact, Observed, UnitSeen},
    os::Manager,
    resource::{CORDONED, Check, DRAINED, EMPTYING, Filesystem, NodeObject, PackageFile, Uuid},
    role::paths::{STAMP, unit_file},
    spec::Environment,
};
use fmp_exec::{
    Applied, Context, Failure, Questions, Retry,
    provider::{HostQuestions, VolumeQuestion},
};
use fmp_plan::{
    Action, Step, StepId,
    action::{
        Before, Evict, FileRemoval, FileWrite, MemberBefore, MountPoint, PackageInstall, PackagesFrom, UnitBefore,
    },
    step::Subject,
};

use super::{Setup, World};

mod groups;

fn node(name: &str) -> NodeName {
    name.parse().unwrap()
}

fn world(environment: Environment) -> World {
    let address = |n: u8| Ipv4Addr::new(198, 18, 0, n);
    let mains = (1..=3).map(|n| (node(&format!("main-{n}")), address(10 + n)));
    World::new(Setup::new(environment, mains.collect(), [(node("work-1"), address(21))].into(), "1.29.15"))
}

fn url(n: u8) -> String {
    format!("https://198.18.0.{}:2380", 10 + n)
}

fn members() -> BTreeMap<NodeName, String> {
    (1..=3).map(|n| (node(&format!("main-{n}")), url(n))).collect()
}

fn step_of(host: &str, action: Action) -> Step {
    Step {
        id: StepId::new(format!("{host}/x")),
        subject: Subject::Host(node(host)),
        action,
        after: Vec::new(),
        unit: None,
        disrupts: BTreeSet::new(),
        watch: None,
        reason: String::new(),
    }
}

fn apply(world: &mut World, host: &str, action: Action, texts: &[&str]) -> Result<Applied, Failure> {
    let texts = texts.iter().map(|text| (Digest::of(text), Arc::from(*text))).collect();
    world.apply(&Context { epoch: 1, texts: Arc::new(texts), ..Context::default() }, &step_of(host, action))
}

fn done(world: &mut World, host: &str, action: Action) {
    assert_eq!(apply(world, host, action, &[]).unwrap(), Applied::Done);
}

fn write(world: &mut World, host: &str, path: &str, text: &str) {
    let write = FileWrite { path: path.into(), mode: 0o644, content: Digest::of(text), before: Before::Absent };
    let action = Action::WriteFiles { files: vec![write], remove: Vec::new() };
    assert_eq!(apply(world, host, action, &[text]).unwrap(), Applied::Done);
}

/// A unit that notes what it reads, and runs.
fn start(world: &mut World, host: &str, unit: &str, lines: &str) {
    let text = format!("[Unit]\n{lines}[Service]\nExecStartPre=-/bin/sh {STAMP} {unit} \\\n    /etc/x.conf\n");
    if world.hosts[&node(host)].files.contains_key(STAMP) {
        world.edit_file(&node(host), "/etc/x.conf", "one");
    } else {
        write(world, host, STAMP, "#!/bin/sh\n");
        write(world, host, "/etc/x.conf", "one");
    }
    write(world, host, &unit_file(unit), &text);
    done(world, host, Action::StartUnit { unit: unit.into() });
}

fn observe(world: &World) -> Observed {
    let asked = HostQuestions {
        units: ["x.service".into(), "etcd.service".into(), "kube-apiserver.service".into()].into(),
        files: [("/etc/x.conf".into(), Digest::of("two"))].into(),
        ..HostQuestions::default()
    };
    let hosts = ["main-1", "main-2", "main-3", "work-1"].map(|name| (node(name), asked.clone()));
    world.observe(&Questions { hosts: hosts.into(), ..Questions::default() })
}

fn unit(world: &World, name: &str) -> UnitSeen {
    observe(world).host(&node("main-1")).unwrap().units[name].known().unwrap().clone()
}

fn stamped(world: &World, path: &str) -> String {
    unit(world, "x.service").stamp.unwrap().0[path].clone()
}

#[test]
fn a_bare_host_holds_nothing_and_an_absent_machine_is_known_to_be() {
    let bare = observe(&world(Environment::Ssh));
    let host = bare.host(&node("main-1")).unwrap();
    assert_eq!((&host.cluster_id, &host.units["etcd.service"]), (&Fact::Absent, &Fact::Absent));
    assert_eq!((&bare.etcd, &bare.api), (&Fact::Absent, &Fact::Absent));
    let absent = observe(&world(Environment::Local));
    assert_eq!(absent.machines, Fact::Known(BTreeMap::new()));
    assert!(absent.hosts.values().all(|host| *host == Fact::Absent));
}

#[test]
fn a_start_notes_what_it_read_and_not_what_came_later() {
    let mut world = world(Environment::Ssh);
    start(&mut world, "main-1", "x.service", "");
    world.edit_file(&node("main-1"), "/etc/x.conf", "two");
    assert_eq!(stamped(&world, "/etc/x.conf"), Digest::of("one").to_string());
    done(&mut world, "main-1", Action::RestartUnit { unit: "x.service".into(), before: UnitBefore::Active });
    assert_eq!(stamped(&world, "/etc/x.conf"), Digest::of("two").to_string());
}

#[test]
fn a_unit_edited_by_hand_needs_a_reload_and_one_that_we_write_does_not() {
    let mut world = world(Environment::Ssh);
    start(&mut world, "main-1", "x.service", "");
    assert!(!unit(&world, "x.service").needs_reload);
    world.edit_file(&node("main-1"), &unit_file("x.service"), "[Service]\n");
    assert!(unit(&world, "x.service").needs_reload);
    done(&mut world, "main-1", Action::EnableUnit { unit: "x.service".into() });
    assert!(!unit(&world, "x.service").needs_reload);
}

#[test]
fn a_drop_in_is_seen_and_can_be_removed() {
    let mut world = world(Environment::Ssh);
    start(&mut world, "main-1", "x.service", "");
    world.add_drop_in(&node("main-1"), "x.service", "[Service]\nNice=5\n");
    let (path, digest) = unit(&world, "x.service").drop_ins.pop_first().unwrap();
    let remove = vec![FileRemoval { path: path.into(), before: digest }];
    done(&mut world, "main-1", Action::WriteFiles { files: Vec::new(), remove });
    assert_eq!(unit(&world, "x.service").drop_ins, BTreeMap::new());
}

#[test]
fn a_file_that_is_neither_as_expected_nor_as_wanted_is_stale_and_stays() {
    let mut world = world(Environment::Ssh);
    world.edit_file(&node("main-1"), "/etc/x.conf", "by hand");
    let content = Digest::of("ours");
    let files = vec![FileWrite { path: "/etc/x.conf".into(), mode: 0o644, content, before: Before::Absent }];
    let applied = apply(&mut world, "main-1", Action::WriteFiles { files, remove: Vec::new() }, &["ours"]).unwrap();
    assert!(matches!(applied, Applied::Stale(_)));
    let text = observe(&world).host(&node("main-1")).unwrap().files["/etc/x.conf"].known().unwrap().text.clone();
    assert_eq!(text.as_deref(), Some("by hand"));
}

#[test]
fn after_a_power_cut_only_what_is_enabled_comes_back() {
    let mut world = world(Environment::Ssh);
    start(&mut world, "main-1", "x.service", "");
    world.power_off(&node("main-1"));
    assert!(matches!(observe(&world).hosts[&node("main-1")], Fact::Unknown(_)));
    world.power_on(&node("main-1"));
    assert_eq!(unit(&world, "x.service").active, "active");
    world.disable_unit(&node("main-1"), "x.service");
    world.power_off(&node("main-1"));
    world.power_on(&node("main-1"));
    assert_eq!(unit(&world, "x.service").active, "inactive");
}

const CONDITIONS: &str = "ConditionPathExists=|/var/lib/etcd/member\nConditionPathExists=|/run/fmp/etcd-permit.env\n";

/// Three members that were born together.
fn three_members() -> World {
    let mut world = world(Environment::Ssh);
    for main in ["main-1", "main-2", "main-3"] {
        write(&mut world, main, "/var/lib/fmp/cluster-id", "0123456789abcdef\n");
        write(&mut world, main, &unit_file("etcd.service"), &format!("[Unit]\n{CONDITIONS}[Service]\n"));
    }
    done(&mut world, "main-1", Action::BootstrapEtcd { members: members() });
    assert!(matches!(
        world.watch(&Check::EtcdHealthy { node: node("main-1") }),
        Err(Failure { retry: Retry::Later, .. })
    ));
    done(&mut world, "main-2", Action::BootstrapEtcd { members: members() });
    assert!(world.watch(&Check::EtcdHealthy { node: node("main-1") }).is_ok());
    done(&mut world, "main-3", Action::BootstrapEtcd { members: members() });
    world
}

#[test]
fn a_wiped_member_stays_down_by_itself_and_joins_as_a_learner() {
    let mut world = three_members();
    world.wipe_etcd(&node("main-1"));
    world.power_off(&node("main-1"));
    world.power_on(&node("main-1"));
    let seen = unit(&world, "etcd.service");
    assert_eq!((seen.active.as_str(), seen.condition), ("inactive", false));
    let born_again = apply(&mut world, "main-1", Action::BootstrapEtcd { members: members() }, &[]).unwrap();
    assert!(matches!(born_again, Applied::Stale(_)), "{born_again:?}");

    let id = observe(&world).etcd.known().unwrap().members[&url(1)].id.clone();
    done(&mut world, "main-1", Action::RemoveEtcdMember { peer_url: url(1), id, before: MemberBefore::Silent });
    done(&mut world, "main-1", Action::AddEtcdLearner { peer_url: url(1) });
    assert!(apply(&mut world, "main-1", Action::PromoteEtcdLearner { peer_url: url(1) }, &[]).is_err());
    done(&mut world, "main-1", Action::StartEtcdLearner { members: members() });
    done(&mut world, "main-1", Action::PromoteEtcdLearner { peer_url: url(1) });
    assert!(world.watch(&Check::EtcdHealthy { node: node("main-1") }).is_ok());
}

#[test]
fn without_a_majority_nothing_is_known_of_etcd_and_nothing_is_changed() {
    let mut world = three_members();
    world.stop(&node("main-1"), "etcd.service");
    assert!(matches!(observe(&world).etcd, Fact::Known(_)));
    world.stop(&node("main-2"), "etcd.service");
    assert!(matches!(observe(&world).etcd, Fact::Unknown(_)));
    assert!(apply(&mut world, "main-3", Action::AddEtcdLearner { peer_url: url(4) }, &[]).is_err());
}

#[test]
fn a_node_is_ready_when_its_kubelet_runs_and_an_apiserver_answers() {
    let mut world = three_members();
    write(&mut world, "work-1", "/etc/fmp/haproxy.cfg", "    server main-1 198.18.0.11:6443 check\n");
    for unit in ["fmp-balancer.service", "containerd.service", "kubelet.service"] {
        start(&mut world, "work-1", unit, "");
    }
    let ready = |world: &World| world.watch(&Check::NodeReady { node: node("work-1") }).is_ok();
    assert!(!ready(&world));
    start(&mut world, "main-1", "kube-apiserver.service", "");
    assert!(ready(&world));
    let object = NodeObject {
        pod_cidr: "10.244.3.0/24".parse().ok(),
        labels: [("a".into(), "b".into())].into(),
        taints: BTreeSet::new(),
    };
    done(&mut world, "work-1", Action::ApplyNode { node: node("work-1"), object });
    let observed = observe(&world);
    let seen = &observed.api.known().unwrap().nodes["work-1"];
    assert_eq!((seen.kubelet_version.as_str(), seen.labels["a"].as_str()), ("v1.29.15", "b"));
    world.stop(&node("main-1"), "etcd.service");
    assert!(!ready(&world), "its apiserver knows no other member");
}

#[test]
fn a_world_reads_what_it_wrote_down() {
    let mut world = three_members();
    start(&mut world, "main-1", "x.service", "");
    let text = serde_json::to_string(&world).unwrap();
    let again: World = serde_json::from_str(&text).unwrap();
    assert_eq!(observe(&again), observe(&world));
    assert_eq!(serde_json::to_string(&again).unwrap(), text);
}

#[test]
fn a_node_is_cordoned_drained_and_given_back_and_a_persons_cordon_stays() {
    let mut world = three_members();
    let work = || node("work-1");
    let cordon = || Action::CordonNode { node: work() };
    let drain = || Action::DrainNode { node: work(), evict: Evict::Replaceable };
    let uncordon = || Action::UncordonNode { node: work() };
    assert!(apply(&mut world, "work-1", cordon(), &[]).is_err(), "there is no API");
    start(&mut world, "main-1", "kube-apiserver.service", "");
    assert!(matches!(apply(&mut world, "work-1", cordon(), &[]).unwrap(), Applied::Stale(_)), "nor a Node");
    let object = NodeObject { pod_cidr: None, labels: BTreeMap::new(), taints: BTreeSet::new() };
    done(&mut world, "work-1", Action::ApplyNode { node: work(), object });
    assert!(matches!(apply(&mut world, "work-1", drain(), &[]).unwrap(), Applied::Stale(_)), "pods could come");
    done(&mut world, "work-1", cordon());
    assert_eq!(apply(&mut world, "work-1", cordon(), &[]).unwrap(), Applied::AlreadyDone);
    assert_eq!(world.nodes["work-1"].labels[CORDONED], EMPTYING);
    done(&mut world, "work-1", drain());
    assert_eq!(world.nodes["work-1"].labels[CORDONED], DRAINED);
    done(&mut world, "work-1", uncordon());
    world.nodes.get_mut("work-1").unwrap().unschedulable = true;
    assert_eq!(apply(&mut world, "work-1", cordon(), &[]).unwrap(), Applied::AlreadyDone);
    assert_eq!(apply(&mut world, "work-1", uncordon(), &[]).unwrap(), Applied::AlreadyDone);
    assert!(world.nodes["work-1"].unschedulable, "a person cordoned it");
    done(&mut world, "work-1", Action::DeleteNode { node: work() });
    assert_eq!(apply(&mut world, "work-1", Action::DeleteNode { node: work() }, &[]).unwrap(), Applied::AlreadyDone);
}

#[test]
fn units_that_are_stopped_stay_down_after_a_power_cut() {
    let mut world = world(Environment::Ssh);
    start(&mut world, "main-1", "x.service", "");
    let stop = || Action::StopUnits { units: vec!["x.service".into()] };
    done(&mut world, "main-1", stop());
    assert_eq!(apply(&mut world, "main-1", stop(), &[]).unwrap(), Applied::AlreadyDone);
    world.power_off(&node("main-1"));
    world.power_on(&node("main-1"));
    assert_eq!(
        (unit(&world, "x.service").active.as_str(), unit(&world, "x.service").enabled.as_str()),
        ("inactive", "disabled")
    );
}

const DISK: &str = "/dev/disk/by-id/wwn-0x5";

/// A world whose work node has an empty disk.
fn stored() -> World {
    let mut world = world(Environment::Ssh);
    world.plug_in(&[(node("work-1"), [DISK.to_owned()].into())].into());
    world
}

fn make_volume() -> Action {
    let uuid = Uuid::of_volume("lab", &node("work-1"), DISK);
    Action::MakeVolume { disk: DISK.into(), filesystem: Filesystem::Ext4, uuid, before: None, group: None }
}

#[test]
fn a_volume_that_was_cut_off_at_any_moment_is_finished_by_the_same_step() {
    for strokes in 0..4 {
        let mut world = stored();
        let step = step_of("work-1", make_volume());
        let cx = Context { epoch: 1, ..Context::default() };
        assert!(world.carry_out(&cx, &step, Some(strokes)).is_err(), "{strokes}");
        assert_eq!(world.apply(&cx, &step).unwrap(), Applied::Done, "{strokes}");
        assert_eq!(world.apply(&cx, &step).unwrap(), Applied::AlreadyDone, "{strokes}");
    }
}

#[test]
fn packages_that_were_cut_off_at_any_moment_are_finished_by_the_same_step() {
    let file = |package: &str| PackageFile {
        package: package.into(),
        version: "2".into(),
        digest: Digest::of(package),
        bytes: 1,
    };
    let action = || Action::InstallPackages {
        manager: Manager::Dpkg,
        packages: vec![PackageInstall { name: "haproxy".into(), quiet: vec!["haproxy.service".into()] }],
        from: PackagesFrom::Bundle(vec![file("haproxy"), file("liblua")]),
    };
    let ask = HostQuestions { packages: ["haproxy", "liblua"].map(Into::into).into(), ..HostQuestions::default() };
    let seen = |world: &World| {
        let questions = Questions { hosts: [(node("work-1"), ask.clone())].into(), ..Questions::default() };
        world.observe(&questions).host(&node("work-1")).unwrap().packages.clone().unwrap()
    };
    // It is noted; two packages are unpacked and set up; it is noted again.
    for strokes in 0..6 {
        let mut world = world(Environment::Ssh);
        let cx = Context { epoch: 1, ..Context::default() };
        let step = step_of("work-1", action());
        assert!(world.carry_out(&cx, &step, Some(strokes)).is_err(), "{strokes}");
        let halfway = seen(&world);
        assert!(!halfway.has("haproxy") || halfway.begun.contains("haproxy"), "{strokes}: {halfway:?}");
        assert_eq!(world.apply(&cx, &step).unwrap(), Applied::Done, "{strokes}");
        let whole = seen(&world);
        assert!(whole.has("haproxy") && whole.has("liblua") && whole.begun.is_empty(), "{strokes}: {whole:?}");
        assert_eq!(world.apply(&cx, &step).unwrap(), Applied::AlreadyDone, "{strokes}");
        world.purge_package(&node("work-1"), "haproxy");
        assert_eq!(world.apply(&cx, &step).unwrap(), Applied::Done, "{strokes}");
    }
}

#[test]
fn a_disk_that_holds_something_is_left_alone_by_the_world_too() {
    let mut world = stored();
    world.use_disk(&node("work-1"), "LVM2_member");
    assert!(matches!(apply(&mut world, "work-1", make_volume(), &[]).unwrap(), Applied::Stale(_)));
    world.empty_disk(&node("work-1"));
    done(&mut world, "work-1", make_volume());
}

#[test]
fn a_mount_hides_nothing_and_comes_again_at_each_boot() {
    let mut world = stored();
    done(&mut world, "work-1", make_volume());
    let unit = "[Mount]\nWhat=UUID=x\nWhere=/srv/fmp\n";
    write(&mut world, "work-1", &unit_file("srv-fmp.mount"), unit);
    let Action::MakeVolume { disk, filesystem, uuid, .. } = make_volume() else { panic!() };
    let mounts = vec![MountPoint { unit: "srv-fmp.mount".into(), directory: "/srv/fmp".into() }];
    let mount = || Action::MountVolume { disk: disk.clone(), filesystem, uuid: uuid.clone(), mounts: mounts.clone() };
    done(&mut world, "work-1", mount());
    assert_eq!(apply(&mut world, "work-1", mount(), &[]).unwrap(), Applied::AlreadyDone);
    let ask = VolumeQuestion { disk: disk.clone(), group: None, filesystem, directories: vec!["/srv/fmp".into()] };
    for _ in 0..2 {
        let seen = world.hosts[&node("work-1")].volume_seen(&ask);
        assert_eq!(seen.directories["/srv/fmp"], DirectorySeen::Ours("/".into()));
        world.power_off(&node("work-1"));
        world.power_on(&node("work-1"));
    }
}

//! Ailments that only the doctor's own questions show.

use fmp_core::{
    NodeName, Severity,
    observed::{
        ApiHealth, BudgetSeen, EndpointSeen, Fact, FileSystem, HostHealth, Latencies, LeaseSeen, Link,
        LoadBalancerSeen, NameAnswer, Observed, Route, TightBudgets,
    },
    spec::{Dns, Environment, NetworkMode},
};

use super::{KUBELET, ailments, check, not_ready, serve};
use crate::{
    doctor::{Ailment, Fix, Kind},
    testing::{Lab, node, url},
};

fn fsync(took_us: u64, total: u64) -> Fact<Latencies> {
    Fact::Known(Latencies { at_most_us: [(took_us - 1, 0), (took_us, total)].into(), total })
}

fn lease(namespace: &str, name: &str, lasts_s: i64) -> LeaseSeen {
    LeaseSeen { namespace: namespace.to_owned(), name: name.to_owned(), holder: name.to_owned(), age_s: 1, lasts_s }
}

/// Everything that is asked is well.
fn answer(lab: &mut Lab) {
    let mains: Vec<NodeName> = lab.spec.mains().map(|(name, _)| name.clone()).collect();
    let nodes = lab.api().nodes.clone();
    let addresses: Vec<_> = lab.spec.nodes.iter().map(|(name, node)| (name.clone(), node.address)).collect();
    for (name, address) in &addresses {
        let others = addresses.iter().filter(|(other, _)| other != name);
        let route = |(other, via): &(NodeName, _)| Route {
            to: nodes[other.as_str()].pod_cidr.unwrap(),
            via: Some(*via),
            link: "eth0".into(),
        };
        let room = FileSystem { bytes: 100_000_000_000, free_bytes: 50_000_000_000, inodes: 1_000, free_inodes: 500 };
        lab.host(name.as_str()).health = Some(HostHealth {
            file_systems: [("/var/lib/containerd".to_owned(), room)].into(),
            links: [("eth0".to_owned(), Link { mtu: 1500, addresses: [*address].into() })].into(),
            routes: others.map(route).collect(),
            etcd_fsync: if mains.contains(name) { fsync(2_000, 100_000) } else { Fact::Absent },
            name: Fact::Known(NameAnswer::Right),
            entrances: Fact::Absent,
        });
    }
    let of_nodes = addresses.iter().map(|(name, _)| lease("kube-node-lease", name.as_str(), 40));
    let of_controllers = ["kube-controller-manager", "kube-scheduler"].map(|name| lease("kube-system", name, 15));
    let endpoint = |n: u8| EndpointSeen { pod: format!("coredns-{n}"), node: Some(format!("work-{n}")), ready: true };
    if matches!(lab.api().pods, Fact::Unknown(_)) {
        lab.api().pods = Fact::Known(Vec::new());
    }
    lab.api().health = Some(ApiHealth {
        leases: Fact::Known(of_nodes.chain(of_controllers).collect()),
        budgets: Fact::Known(TightBudgets::default()),
        dns: Fact::Known(vec![endpoint(1), endpoint(2)]),
        load_balancers: Fact::Known(Vec::new()),
    });
}

/// A cluster that was asked everything, in which something was done.
fn with(break_it: impl FnOnce(&mut Lab)) -> Lab {
    let mut lab = Lab::settled(3, 2);
    answer(&mut lab);
    break_it(&mut lab);
    lab
}

fn health<'a>(lab: &'a mut Lab, name: &str) -> &'a mut HostHealth {
    lab.host(name).health.as_mut().unwrap()
}

fn api_health(lab: &mut Lab) -> &mut ApiHealth {
    lab.api().health.as_mut().unwrap()
}

fn only(lab: &Lab) -> Ailment {
    let mut all = ailments(lab);
    assert_eq!(all.len(), 1, "{all:#?}");
    all.remove(0)
}

#[track_caller]
fn has_none(lab: &Lab, kind: Kind) {
    let found = ailments(lab);
    assert!(found.iter().all(|ailment| ailment.kind != kind), "{found:#?}");
}

#[test]
fn nothing_ails_a_cluster_that_answers_well() {
    check(&with(|_| ()), &[]);
}

#[test]
fn an_observation_that_never_heard_of_health_is_read() {
    let plain = serde_json::to_string(&Lab::settled(3, 2).seen).unwrap();
    assert!(!plain.contains("\"health\"") && !plain.contains("\"pressures\""), "what nobody asked is not written");
    let seen = with(|_| ()).seen;
    let written = serde_json::to_string(&seen).unwrap();
    assert_eq!(serde_json::from_str::<Observed>(&written).unwrap(), seen);
}

#[test]
fn what_a_plan_rests_on_knows_nothing_of_health() {
    let plain = Lab::settled(3, 2);
    assert_eq!(with(|lab| health(lab, "work-1").routes.clear()).plan(), plain.plan());
}

#[test]
fn a_disk_that_is_slow_for_etcd_is_found() {
    let taking = |us: u64, total: u64| with(|lab| health(lab, "main-1").etcd_fsync = fsync(us, total));
    check(&taking(9_000, 100_000), &[]);
    check(&taking(40_000, 100_000), &[("main-1", Kind::EtcdFsync, false)]);
    let told = only(&taking(40_000, 100_000));
    assert_eq!(told.what, "one write in a hundred of its etcd takes 39.9 ms or longer to be on the disk");
    assert_eq!(told.evidence, ["100000 writes since it started; at most 10.0 ms are advised"]);
    assert_eq!(told.severity, Severity::Warning);
    assert_eq!(only(&taking(400_000, 100_000)).severity, Severity::Error, "a heartbeat is late");
    check(&taking(400_000, 10), &[]);
    let mut shared = taking(400_000, 100_000);
    shared.spec.environment = Environment::Local;
    has_none(&shared, Kind::EtcdFsync);
}

#[test]
fn a_file_system_that_is_full_explains_the_pressure() {
    let full = |room: FileSystem| {
        with(|lab| {
            lab.spec.profile.settings.eviction_hard.insert("nodefs.available".into(), "10%".into());
            _ = health(lab, "work-1").file_systems.insert("/var/lib/containerd".into(), room);
        })
    };
    let room = FileSystem { bytes: 100 << 30, free_bytes: 11 << 30, inodes: 0, free_inodes: 0 };
    check(&full(room), &[]);
    let little = FileSystem { free_bytes: 9 << 30, ..room };
    check(&full(little), &[("work-1", Kind::DiskFull, false)]);
    assert_eq!(only(&full(little)).evidence, ["9216 of 102400 MB are free, below 10 %"]);
    let crowded = FileSystem { inodes: 1_000, free_inodes: 10, ..room };
    assert_eq!(only(&full(crowded)).evidence, ["10 of 1000 files can still be made, below 5 %"]);
    let mut lab = full(little);
    lab.api().nodes.get_mut("work-1").unwrap().pressures = ["DiskPressure".to_owned()].into();
    check(&lab, &[("work-1", Kind::DiskFull, false), ("work-1", Kind::Pressure, false)]);
    assert_eq!(ailments(&lab)[1].cause, "the file system at /var/lib/containerd is nearly full");
}

#[test]
fn what_a_kubelet_is_short_of_is_told() {
    for word in ["DiskPressure", "MemoryPressure", "PIDPressure"] {
        let lab = with(|lab| lab.api().nodes.get_mut("work-1").unwrap().pressures = [word.to_owned()].into());
        check(&lab, &[("work-1", Kind::Pressure, false)]);
        assert_eq!(only(&lab).evidence, [format!("its Node says {word}")]);
    }
}

#[test]
fn routes_that_are_gone_are_named() {
    let lab = with(|lab| health(lab, "work-1").routes.clear());
    check(&lab, &[("work-1", Kind::Route, false)]);
    assert_eq!(only(&lab).evidence.len(), 4);
    let lab = with(|lab| {
        health(lab, "work-1").routes.clear();
        lab.stop("work-1", "flanneld.service", "failed");
    });
    check(&lab, &[("work-1", Kind::UnitDown, true), ("work-1", Kind::Route, true)]);
    assert_eq!(ailments(&lab)[1].cause, "flanneld.service does not run there, which makes them");
}

#[test]
fn a_route_leads_to_its_node() {
    let astray = |link: &'static str| {
        with(move |lab| {
            let routes = &mut health(lab, "work-1").routes;
            let mut first = routes.pop_first().unwrap();
            (first.via, first.link) = (Some([198, 18, 9, 9].into()), link.into());
            routes.insert(first);
        })
    };
    let told = only(&astray("eth0"));
    assert!(told.evidence[0].ends_with("leads by 198.18.9.9, and main-1 is 198.18.0.11"), "{told:?}");
    check(&astray("flannel.1"), &[]);
}

#[test]
fn no_route_is_missed_to_a_node_that_is_away_or_where_somebody_else_makes_them() {
    let lab = with(|lab| {
        let gone = lab.api().nodes["work-2"].pod_cidr.unwrap();
        health(lab, "work-1").routes.retain(|route| route.to != gone);
        lab.silence("work-2");
    });
    has_none(&lab, Kind::Route);
    let mut lab = with(|lab| health(lab, "work-1").routes.clear());
    lab.spec.network.mode = NetworkMode::External;
    has_none(&lab, Kind::Route);
}

fn set_mtu(lab: &mut Lab, name: &str, mtu: u32) {
    health(lab, name).links.get_mut("eth0").unwrap().mtu = mtu;
}

#[test]
fn links_take_what_pods_send_and_all_the_same() {
    let lab = with(|lab| set_mtu(lab, "work-1", 1400));
    check(&lab, &[("work-1", Kind::Mtu, false)]);
    assert_eq!(only(&lab).what, "its link eth0 takes packets of 1400 bytes, most others 1500");
    let all = |mtu: u32| with(|lab| lab.spec.nodes.clone().keys().for_each(|name| set_mtu(lab, name.as_str(), mtu)));
    check(&all(1450), &[("cluster", Kind::Mtu, false)]);
    check(&all(9000), &[]);
    let other = Link { mtu: 500, addresses: [].into() };
    check(&with(|lab| _ = health(lab, "work-1").links.insert("docker0".into(), other)), &[]);
}

#[test]
fn names_that_nobody_answers_for_are_found_once() {
    let silent = |lab: &mut Lab| {
        for name in ["main-1", "main-2", "main-3", "work-1", "work-2"] {
            health(lab, name).name = Fact::Known(NameAnswer::Silence);
        }
    };
    let lab = with(|lab| {
        silent(lab);
        match &mut api_health(lab).dns {
            Fact::Known(pods) => pods.iter_mut().for_each(|pod| pod.ready = false),
            other => panic!("{other:?}"),
        }
    });
    check(&lab, &[("cluster", Kind::Dns, false)]);
    assert_eq!(only(&lab).evidence, ["coredns-1 on work-1 is not ready", "coredns-2 on work-2 is not ready"]);
    let mut elsewhere = with(silent);
    elsewhere.spec.components.dns = Dns::None;
    has_none(&elsewhere, Kind::Dns);
    let mut early = with(silent);
    early.api().objects.remove("Service/kube-system/kube-dns");
    has_none(&early, Kind::Dns);
}

#[test]
fn a_node_that_hears_no_answer_is_found_with_the_reason() {
    let deaf = |answer: NameAnswer| with(|lab| health(lab, "work-1").name = Fact::Known(answer));
    let lab = deaf(NameAnswer::Silence);
    check(&lab, &[("work-1", Kind::Dns, false)]);
    assert_eq!(only(&lab).evidence[..2], ["172.20.0.10 gave no answer", "2 pods of CoreDNS are ready"]);
    let wrong = only(&deaf(NameAnswer::Wrong("NXDOMAIN".into())));
    assert_eq!(wrong.evidence[0], "172.20.0.10 answers NXDOMAIN, not 172.20.0.1");
    let mut lab = deaf(NameAnswer::Silence);
    lab.stop("work-1", "kube-proxy.service", "failed");
    check(&lab, &[("work-1", Kind::UnitDown, true), ("work-1", Kind::Dns, true)]);
    let unknown = with(|lab| health(lab, "work-1").name = Fact::Unknown("no way there".into()));
    check(&unknown, &[("work-1", Kind::Unseen, false)]);
}

fn expire(lab: &mut Lab, name: &str) {
    let Fact::Known(leases) = &mut api_health(lab).leases else { panic!("no leases") };
    leases.iter_mut().filter(|lease| lease.name == name).for_each(|lease| lease.age_s = 300);
}

#[test]
fn a_controller_without_a_holder_is_found() {
    let lab = with(|lab| expire(lab, "kube-scheduler"));
    check(&lab, &[("cluster", Kind::Lease, false)]);
    let told = only(&lab);
    assert_eq!(told.what, "no scheduler works: new pods find no node");
    assert_eq!(told.evidence[0], "kube-scheduler renewed it 300 s ago, and it lasts 15 s");
    let lab = with(|lab| {
        expire(lab, "kube-controller-manager");
        for main in ["main-1", "main-2", "main-3"] {
            lab.stop(main, "kube-controller-manager.service", "failed");
        }
    });
    let told = ailments(&lab).into_iter().find(|ailment| ailment.kind == Kind::Lease).unwrap();
    assert_eq!(told.what, "no controller-manager works: what is lost is not replaced");
    assert_eq!(told.cause, "it runs on no main that answers");
    assert!(matches!(told.fix, Fix::Apply(steps) if steps.len() == 3));
}

#[test]
fn where_clocks_differ_ages_of_leases_say_nothing() {
    let lab = with(|lab| {
        expire(lab, "kube-scheduler");
        lab.host("main-1").facts.clock_offset_ms = 600_000;
    });
    check(&lab, &[("main-1", Kind::Clock, false)]);
}

#[test]
fn the_lease_of_a_node_tells_how_long_its_kubelet_is_silent() {
    let lab = with(|lab| {
        expire(lab, "work-1");
        not_ready(lab, "work-1");
        lab.stop("work-1", KUBELET, "failed");
    });
    check(&lab, &[("work-1", Kind::UnitDown, true), ("work-1", Kind::NodeNotReady, true)]);
    assert_eq!(ailments(&lab)[1].evidence[1], "work-1 renewed it 300 s ago, and it lasts 40 s");
    check(&with(|lab| expire(lab, "work-1")), &[("work-1", Kind::Lease, false)]);
}

#[test]
fn budgets_that_block_evictions_are_found() {
    let budget = |name: &str, healthy: u32| {
        let (namespace, name) = ("shop".to_owned(), name.to_owned());
        BudgetSeen { namespace, name, pods: 3, healthy, needed: 3 }
    };
    let seen = |budgets: Vec<BudgetSeen>| Fact::Known(budgets.into_iter().collect());
    let lab = with(|lab| api_health(lab).budgets = seen(vec![budget("web", 3), budget("db", 2)]));
    check(&lab, &[("cluster", Kind::EvictionBlocked, false), ("cluster", Kind::EvictionBlocked, false)]);
    let told: Vec<_> = ailments(&lab).into_iter().map(|ailment| (ailment.what, ailment.evidence)).collect();
    let wanted = [
        (
            "1 disruption budget lets no pod go, although all are healthy",
            "shop/web: 3 of 3 pods are healthy, 3 must be",
        ),
        (
            "1 disruption budget lets no pod go, since too few are healthy",
            "shop/db: 2 of 3 pods are healthy, 3 must be",
        ),
    ];
    assert_eq!(told, wanted.map(|(what, seen)| (what.to_owned(), vec![seen.to_owned()])));
    let many = (0..70).map(|at| budget(&format!("web-{at:02}"), 3)).chain([budget("db", 2), budget("cache", 1)]);
    let lab = with(|lab| api_health(lab).budgets = seen(many.collect()));
    let told: Vec<_> = ailments(&lab).into_iter().map(|ailment| (ailment.what, ailment.evidence)).collect();
    let [(few, _), (many, named)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(few, "2 disruption budgets let no pod go, since too few are healthy", "they come after seventy");
    assert_eq!(many, "70 disruption budgets let no pod go, although all are healthy");
    assert_eq!((named.len(), named[5].as_str()), (6, "and 65 more"));
}

#[test]
fn an_entrance_of_somebody_else_at_which_nobody_answers_is_found() {
    const AT: &str = "apps.example.org:443";
    let found = |answers: &[(&str, bool)]| {
        let lab = with(|lab| {
            for (name, is_open) in answers {
                let entrances = Fact::Known([(AT.to_owned(), *is_open)].into());
                lab.host(name).health.as_mut().unwrap().entrances = entrances;
            }
        });
        ailments(&lab).into_iter().map(|ailment| (ailment.kind, ailment.what, ailment.evidence)).collect::<Vec<_>>()
    };
    assert_eq!(found(&[("main-1", true), ("main-2", true)]), []);
    let told = |what: &str, evidence: [&str; 2]| {
        vec![(Kind::Entrance, format!("{what} at the entrance {AT}"), evidence.map(str::to_owned).to_vec())]
    };
    let closed = "finds nobody within 3 s";
    let [one, other] = [format!("main-1 {closed}"), format!("main-2 {closed}")];
    assert_eq!(found(&[("main-1", false), ("main-2", false)]), told("nobody answers", [&one, &other]));
    let some = told("some nodes find nobody", [&one, "main-2 is let in"]);
    assert_eq!(found(&[("main-1", false), ("main-2", true)]), some);
}

fn balanced(name: &str, is_local: bool, addresses: &[u8]) -> LoadBalancerSeen {
    let addresses = addresses.iter().map(|last| [198, 18, 0, *last].into()).collect();
    LoadBalancerSeen { namespace: "shop".to_owned(), name: name.to_owned(), is_local, addresses }
}

/// What is found where Services get these addresses and there are these ones.
fn about_services(ranges: &[&str], seen: &[LoadBalancerSeen]) -> Vec<(String, Vec<String>)> {
    let lab = with(|lab| {
        serve(lab, ranges);
        api_health(lab).load_balancers = Fact::Known(seen.to_vec());
    });
    let of_services = |ailment: &Ailment| ailment.kind == Kind::LoadBalancer;
    ailments(&lab).into_iter().filter(of_services).map(|ailment| (ailment.what, ailment.evidence)).collect()
}

#[test]
fn services_that_are_not_reached_are_found() {
    let told = |what: &str, evidence: &str| vec![(what.to_owned(), vec![evidence.to_owned()])];
    let ranges = ["198.18.0.30-198.18.0.31"];
    assert_eq!(about_services(&ranges, &[balanced("web", false, &[31])]), []);
    let waits = told("1 Service of type LoadBalancer has no address", "shop/web: no address");
    assert_eq!(about_services(&ranges, &[balanced("web", false, &[])]), waits);
    assert_eq!(about_services(&[], &[balanced("web", false, &[])]), waits, "nobody gives any");
    let astray = told("1 Service of type LoadBalancer has an address that no entrance has", "shop/web: 198.18.0.40");
    assert_eq!(about_services(&ranges, &[balanced("web", false, &[40])]), astray);
    assert_eq!(about_services(&[], &[balanced("web", true, &[40])]), [], "it is somebody else's");
    let local = told("1 Service of type LoadBalancer is reached only by some work nodes", "shop/web: 198.18.0.30");
    assert_eq!(about_services(&ranges, &[balanced("web", true, &[30])]), local);
    let many: Vec<LoadBalancerSeen> = (0..7).map(|at| balanced(&format!("web-{at}"), false, &[])).collect();
    let (what, evidence) = about_services(&ranges, &many).remove(0);
    assert_eq!(what, "7 Services of type LoadBalancer have no address");
    assert_eq!(evidence[5], "and 2 more");
}

#[test]
fn what_nobody_answered_is_told_and_not_taken_for_well() {
    const SLOW: &str = "no answer within 10 s";
    let lab = with(|lab| {
        api_health(lab).budgets = Fact::Unknown(SLOW.to_owned());
        lab.host("main-1").health.as_mut().unwrap().etcd_fsync = Fact::Unknown(SLOW.to_owned());
        lab.host("work-1").health.as_mut().unwrap().name = Fact::Unknown("bash is missing".to_owned());
    });
    let unseen = [("cluster", Kind::Unseen, false), ("main-1", Kind::Unseen, false), ("work-1", Kind::Unseen, false)];
    check(&lab, &unseen);
    let told: Vec<_> = ailments(&lab).into_iter().map(|ailment| ailment.evidence.concat()).collect();
    assert_eq!(
        told,
        [
            "disruption budgets: no answer within 10 s",
            "how long etcd's writes take: no answer within 10 s",
            "whether names resolve: bash is missing"
        ]
    );
}

#[test]
fn versions_that_may_not_stand_beside_each_other_are_found() {
    let mut lab = Lab::settled_at("1.29.15", 3, 2);
    "v1.25.3".clone_into(&mut lab.api().nodes.get_mut("work-1").unwrap().kubelet_version);
    lab.silence("work-1");
    let found = ailments(&lab);
    let of_cluster = |ailment: &&Ailment| ailment.kind == Kind::VersionSkew && ailment.subject == "cluster";
    let broken = found.iter().find(of_cluster).unwrap();
    assert_eq!(broken.severity, Severity::Error);
    let told = |demand: &String| demand == "wanted: kubelet on work-1 is 1.26 or newer, now 1.25.3";
    assert!(broken.evidence.iter().any(told), "{broken:?}");
}

#[test]
fn a_machine_that_left_and_came_back_is_stopped_by_the_plan() {
    let mut lab = with(|_| ());
    lab.retire("work-2");
    has_none(&lab, Kind::Zombie);
    lab.api().nodes.remove("work-2");
    check(&lab, &[("work-2", Kind::Zombie, true)]);
    assert_eq!(only(&lab).what, "it has left the cluster, and what runs there goes on");
    let units = &lab.host("work-2").units;
    let there: Vec<String> =
        units.iter().filter(|(_, seen)| seen.known().is_some()).map(|(unit, _)| unit.clone()).collect();
    there.iter().for_each(|unit| lab.stop("work-2", unit, "inactive"));
    has_none(&lab, Kind::Zombie);
}

#[test]
fn what_stands_for_nobody_is_found() {
    let mut lab = with(|lab| {
        let like = lab.api().nodes["work-1"].clone();
        lab.api().nodes.insert("work-9".into(), like);
        lab.take_in(9);
    });
    check(&lab, &[("cluster", Kind::Zombie, false), ("work-9", Kind::Zombie, false)]);
    let told = ailments(&lab);
    assert_eq!(told[0].what, format!("a member of etcd answers at {}, where cluster.toml names no main", url(9)));
    assert_eq!(told[1].what, "its Node is Ready, and cluster.toml names no such node");
    let like = lab.spec.nodes[&node("work-1")].clone();
    lab.spec.retired.insert(node("work-9"), like);
    let found = ailments(&lab);
    assert!(found.iter().all(|ailment| ailment.subject != "work-9"), "it leaves: {found:#?}");
}

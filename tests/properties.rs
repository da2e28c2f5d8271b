//! Properties of plans, each on the fixture with 7 nodes and on a generated cluster with 200.

#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::{Command, Output},
};

use fmp::{
    core::{
        NodeName,
        observed::{Fact, Host, Machine, ObjectSeen, Observed, PackageSeen},
    },
    planner::{Plan, Standing, changed, codec, fact::FactKey, render},
};
use support::{Lab, about, arrived, fixtures, generated, node, parsed, reordered, written};

fn files() -> [String; 2] {
    [fs::read_to_string(fixtures().join("ssh-7/cluster.toml")).unwrap(), generated(197, |_| {})]
}

// ---- P1: determinism

/// `fmp plan` in a process of its own.
fn fmp_plan(folder: &Path, file: &str, observed: &Observed, args: &[&str]) -> Output {
    let (cluster, seen) = (folder.join("cluster.toml"), folder.join("observed.json"));
    fs::write(&cluster, file).unwrap();
    fs::write(&seen, serde_json::to_string(observed).unwrap()).unwrap();
    Command::new(env!("CARGO_BIN_EXE_fmp"))
        .arg("--file")
        .arg(&cluster)
        .arg("--lock")
        .arg(fixtures().join("bundle.lock"))
        .arg("--store")
        .arg(folder.join("store"))
        .args(["plan", "--observed"])
        .arg(&seen)
        .args(args)
        .output()
        .unwrap()
}

/// Orders of a list that nobody should be able to tell apart.
const ORDERS: [Order; 3] = [Order::AsItIs, Order::Backwards, Order::Rotated];

#[derive(Clone, Copy)]
enum Order {
    AsItIs,
    Backwards,
    Rotated,
}

impl Order {
    fn of<T>(self, list: &mut [T]) {
        match self {
            Self::AsItIs => {}
            Self::Backwards => list.reverse(),
            Self::Rotated => list.rotate_left(77 % list.len()),
        }
    }
}

/// What `show` makes of a file and of what was seen, each in orders of its own: tables, and parts of the observation as they
/// come in.
fn shuffled(file: &str, seen: &Observed, show: impl Fn(&str, &Observed) -> String) -> Vec<String> {
    let one = |order: Order| show(&reordered(file, |tables| order.of(tables)), &arrived(seen, |parts| order.of(parts)));
    ORDERS.into_iter().map(one).collect()
}

fn all_equal(plans: &[String]) -> bool {
    plans.windows(2).all(|pair| pair[0] == pair[1])
}

/// Each in a process of its own.
fn same_bytes(file: &str, seen: &Observed, formats: &[&str]) {
    for format in formats {
        let folder = tempfile::tempdir().unwrap();
        let plans = shuffled(file, seen, |file, observed| {
            let output = fmp_plan(folder.path(), file, observed, &["--format", format]);
            assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        });
        assert!(plans[0].len() > 200 && all_equal(&plans), "{format}");
    }
}

#[test]
fn p1_no_order_and_no_process_changes_a_byte_of_a_fresh_install() {
    for file in files() {
        same_bytes(&file, &Lab::of(&file).observed(), &["text", "json", "dot"]);
    }
}

#[tokio::test]
async fn p1_no_order_and_no_process_changes_a_byte_of_one_change() {
    for file in files() {
        let (lab, _) = drifted(&file, second_main(&file)).await;
        same_bytes(&file, &lab.observed(), &["text", "json"]);
    }
}

#[test]
fn p1_a_variant_in_the_order_of_the_file_would_be_caught() {
    for file in files() {
        let seen = Lab::of(&file).observed();
        let plans = shuffled(&file, &seen, |file, observed| {
            let plan = fmp::plan(&parsed(file), &support::lock(), observed).unwrap();
            let names = file.lines().filter_map(|line| line.strip_prefix("[nodes.")?.strip_suffix(']'));
            let of = |name: &str| plan.steps.iter().filter(|step| step.id.as_str().starts_with(name)).count();
            names.map(|name| format!("{name} {}\n", of(name))).collect()
        });
        assert!(!all_equal(&plans));
    }
}

/// Of what two sources say of one host the order must not matter either; a merge that lets the last one win would.
#[test]
fn p1_parts_that_come_in_another_order_are_the_same_observation() {
    for file in files() {
        let seen = Lab::of(&file).observed();
        // Of what nobody knows, one of several reasons is told.
        let whole = arrived(&seen, |_| ());
        assert_eq!((&whole.hosts, &whole.etcd, &whole.api), (&seen.hosts, &seen.etcd, &seen.api));
        for order in ORDERS {
            assert_eq!(arrived(&seen, |parts| order.of(parts)), whole);
        }
        let last_wins = |one: Observed, other: Observed| if other.hosts.is_empty() { one } else { other };
        assert_ne!(last_wins(seen.clone(), arrived(&seen, |parts| parts.truncate(1))), seen);
    }
}

// ---- P4: locality

#[tokio::test]
async fn p4_a_new_work_node_changes_only_lines_about_it() {
    for file in files() {
        let lab = Lab::settled(&file).await;
        let before = render::text(&lab.plan());
        let grown = format!("{file}\n[nodes.work-new]\nrole = 'work'\naddress = '192.0.2.250'\n");
        lab.world.lock().add_machine(&node("work-new"), "192.0.2.250".parse().unwrap(), false);
        about(&before, &lab.plan_for(&parsed(&grown)), "work-new", Standing::Steps);
    }
}

/// The profile of the fixture asks for four work nodes.
fn files_that_may_shrink() -> [(String, &'static str); 2] {
    let [seven, many] = files();
    assert!(seven.contains("fmp-23.12"));
    [(seven.replace("fmp-23.12", "local"), "work-4"), (many, "work-00100")]
}

#[tokio::test]
async fn p4_a_work_node_that_left_the_file_changes_only_what_is_told_of_it() {
    for (file, leaves) in files_that_may_shrink() {
        let lab = Lab::settled(&file).await;
        let before = render::text(&lab.plan());
        let its = |table: &String| [']', '.'].iter().any(|end| table.starts_with(&format!("[nodes.{leaves}{end}")));
        let shrunk = reordered(&file, |tables| tables.retain(|table| !its(table)));
        assert!(!shrunk.contains(leaves) && file.contains(leaves), "{shrunk}");
        let plan = lab.plan_for(&parsed(&shrunk));
        assert_eq!(plan.standing(), Standing::InSync, "{:#?}", plan.changes);
        let after = render::text(&plan);
        let is_digest = |line: &&str| line.starts_with("spec ");
        let gone: Vec<_> = before.lines().filter(|line| !after.contains(line) && !is_digest(line)).collect();
        let new: Vec<_> = after.lines().filter(|line| !before.contains(line) && !is_digest(line)).collect();
        assert!(gone.is_empty() && new.iter().all(|line| line.contains(leaves)), "{gone:?} {new:?}");
    }
}

// ---- P5: staleness

/// A drift on main-2 whose plan rests on a few facts.
async fn drifted(file: &str, main: &str) -> (Lab, Plan) {
    let lab = Lab::settled(file).await;
    lab.world.lock().edit_file(&node(main), "/etc/systemd/system/kube-apiserver.service", "[Service]\n");
    let plan = lab.plan();
    assert_eq!(plan.standing(), Standing::Steps);
    (lab, plan)
}

fn second_main(file: &str) -> &'static str {
    if file.contains("generated") { "main-1" } else { "main-2" }
}

/// Changes of one observed fact each, with its name.
type Mutation = (String, Box<dyn Fn(&mut Observed)>);

fn known<'a>(observed: &'a mut Observed, name: &str) -> &'a mut fmp::core::observed::Host {
    match observed.hosts.get_mut(&node(name)) {
        Some(Fact::Known(host)) => host,
        other => panic!("{name}: {other:?}"),
    }
}

/// Facts that no plan rests on: they change all the time.
fn volatile(observed: &Observed) -> Vec<Mutation> {
    let mut all: Vec<Mutation> = vec![
        ("now".into(), Box::new(|seen| seen.now += 86_400)),
        ("etcd's leader".into(), Box::new(|seen| each_member(seen, |member| member.leader = !member.leader))),
        ("lag".into(), Box::new(|seen| each_member(seen, |member| member.lag = Some(99)))),
    ];
    for name in observed.hosts.keys().map(ToString::to_string) {
        let at = name.clone();
        all.push((format!("{at}: free space"), Box::new(move |seen| known(seen, &name).facts.root_free_bytes /= 2)));
        let name = at.clone();
        all.push((format!("{at}: clock"), Box::new(move |seen| known(seen, &name).facts.clock_offset_ms += 7)));
    }
    all
}

fn each_member(observed: &mut Observed, change: impl Fn(&mut fmp::core::observed::EtcdMember)) {
    if let Fact::Known(etcd) = &mut observed.etcd {
        etcd.members.values_mut().for_each(change);
    }
}

#[tokio::test]
async fn p5_a_fact_that_no_plan_rests_on_changes_nothing() {
    for file in files() {
        let (lab, plan) = drifted(&file, second_main(&file)).await;
        let seen = lab.observed();
        for (name, change) in volatile(&seen) {
            let mut other = seen.clone();
            change(&mut other);
            assert_eq!(changed(&plan, &other), [], "{name}");
        }
    }
}

#[tokio::test]
async fn p5_files_and_units_elsewhere_may_change() {
    for file in files() {
        let main = second_main(&file);
        let (lab, plan) = drifted(&file, main).await;
        for name in lab.spec.nodes.keys().filter(|name| name.as_str() != main) {
            lab.world.lock().edit_file(name, "/etc/fmp/node.env", "else\n");
            lab.world.lock().disable_unit(name, "kubelet.service");
        }
        assert_eq!(changed(&plan, &lab.observed()), []);
    }
}

#[tokio::test]
async fn p5_what_happens_to_the_units_own_main_makes_its_plan_stale() {
    for file in files() {
        let main = second_main(&file);
        let (_, plan) = drifted(&file, main).await;
        assert!(plan.basis.facts.len() >= 3, "{:#?}", plan.basis.facts);
        let hooks: [fn(&Lab, &str); 3] = [
            |lab, main| {
                lab.world.lock().edit_file(&node(main), "/etc/systemd/system/kube-apiserver.service", "other\n");
            },
            |lab, main| lab.world.lock().disable_unit(&node(main), "kube-apiserver.service"),
            |lab, main| lab.world.lock().power_off(&node(main)),
        ];
        for hook in hooks {
            let (lab, plan) = drifted(&file, main).await;
            hook(&lab, main);
            assert!(!changed(&plan, &lab.observed()).is_empty());
        }
    }
}

/// What was known is gone, what was gone can't be seen, and what could not be seen is gone.
fn turn<T>(fact: &mut Fact<T>) {
    *fact = match fact {
        Fact::Known(_) | Fact::Unknown(_) => Fact::Absent,
        Fact::Absent => Fact::Unknown("no answer".to_owned()),
    };
}

fn turn_in<T>(facts: &mut BTreeMap<String, Fact<T>>, key: &str) {
    turn(facts.entry(key.to_owned()).or_insert(Fact::Unknown("nobody asked".to_owned())));
}

/// Changes what was seen where `key` looks. Returns the kind of fact.
fn disturb(seen: &mut Observed, key: &FactKey) -> &'static str {
    match key {
        FactKey::Machine { node } => {
            match &mut seen.machines {
                Fact::Known(machines) => {
                    if machines.remove(node).is_none() {
                        machines.insert(node.clone(), Machine { running: true, kind: None });
                    }
                }
                other => turn(other),
            }
            "machine"
        }
        FactKey::Host { node } => on_host(seen, node, "host", |host| host.facts.machine_id = "f".repeat(32)),
        FactKey::File { node, path } => on_host(seen, node, "file", |host| turn_in(&mut host.files, path)),
        FactKey::Unit { node, unit } => on_host(seen, node, "unit", |host| turn_in(&mut host.units, unit)),
        FactKey::Certificate { node, path } => {
            on_host(seen, node, "certificate", |host| turn_in(&mut host.certificates, path))
        }
        FactKey::Trust { node, what } => on_host(seen, node, "trust", |host| match what.private_path() {
            // A work node is not asked for a key that it must not have, which reads as if it had none.
            Some(path) => turn(host.secrets.entry(path.to_owned()).or_insert(Fact::Absent)),
            None => turn(&mut host.cluster_id),
        }),
        FactKey::EtcdData { node } => on_host(seen, node, "etcd-data", |host| host.etcd_data = !host.etcd_data),
        FactKey::Image { node, reference } => on_host(seen, node, "image", |host| match &mut host.images {
            Fact::Known(images) => {
                if !images.remove(&**reference) {
                    images.insert(reference.to_string());
                }
            }
            other => turn(other),
        }),
        FactKey::Volume { node } => on_host(seen, node, "volume", |host| {
            let volume = host.volume.as_mut().expect("it was asked for");
            turn(&mut volume.disk);
        }),
        FactKey::Package { node, package } => on_host(seen, node, "package", |host| {
            let packages = host.packages.as_mut().expect("they were asked for");
            match &mut packages.there {
                Fact::Known(there) => {
                    if there.remove(&**package).is_none() {
                        there.insert(package.to_string(), PackageSeen::Installed("1".to_owned()));
                    }
                }
                other => turn(other),
            }
        }),
        FactKey::EtcdMember { peer_url } => {
            match &mut seen.etcd {
                Fact::Known(etcd) if etcd.members.contains_key(peer_url) => _ = etcd.members.remove(peer_url),
                other => turn(other),
            }
            "etcd-member"
        }
        FactKey::Node { node, .. } => {
            match &mut seen.api {
                Fact::Known(api) if api.nodes.contains_key(node.as_str()) => _ = api.nodes.remove(node.as_str()),
                other => turn(other),
            }
            "node"
        }
        FactKey::Object { key } => {
            match &mut seen.api {
                Fact::Known(api) => _ = api.objects.insert(key.clone(), Fact::Known(ObjectSeen::of("somebody's"))),
                other => turn(other),
            }
            "object"
        }
    }
}

/// On a host that was not seen there is only that to change.
fn on_host(seen: &mut Observed, node: &NodeName, kind: &'static str, change: impl FnOnce(&mut Host)) -> &'static str {
    match seen.hosts.get_mut(node) {
        Some(Fact::Known(host)) => change(host),
        Some(other) => turn(other),
        None => panic!("{node} is no host"),
    }
    kind
}

/// Plans that rest on facts of every kind, each with what was seen.
async fn plans_on_facts_of_every_kind() -> Vec<(Plan, Observed)> {
    let of = |lab: &Lab, seen: Observed| (fmp::plan(&lab.spec, &lab.lock, &seen).unwrap(), seen);
    let fresh = |file: &str| {
        let lab = Lab::of(file);
        of(&lab, lab.observed())
    };
    let disk =
        "[storage]\nkind = \"disk\"\n[nodes.work-1.storage]\ndisk = \"/dev/disk/by-id/wwn-0x5000c500a1b2c3d1\"\n";
    let [seven, many] = files();
    let machines = fs::read_to_string(fixtures().join("local-7/cluster.toml")).unwrap();
    let wiped = Lab::settled(&seven).await;
    wiped.world.lock().wipe_etcd(&node(second_main(&seven)));
    let mut plans = vec![fresh(&machines), fresh(&format!("{seven}\n{disk}")), of(&wiped, wiped.observed())];
    for file in [seven, many] {
        let lab = Lab::settled(&file).await;
        let mut shown = lab.observed();
        let (main, work) = (second_main(&file), lab.spec.workers().next().unwrap().0.to_string());
        let host = known(&mut shown, main);
        host.files.insert("/etc/kubernetes/audit-policy.yaml".to_owned(), Fact::Absent);
        host.certificates.insert("/etc/kubernetes/pki/apiserver.crt".to_owned(), Fact::Absent);
        known(&mut shown, &work).images = Fact::Known([].into());
        let Fact::Known(api) = &mut shown.api else { panic!("{:?}", shown.api) };
        api.nodes.values_mut().for_each(|node| node.labels.clear());
        let object = api.objects.keys().next().unwrap().clone();
        api.objects.remove(&object);
        plans.push(of(&lab, shown));
    }
    plans
}

#[tokio::test]
async fn p5_a_change_of_any_fact_of_the_basis_makes_the_plan_stale_and_is_named() {
    let mut kinds = BTreeSet::new();
    for (plan, seen) in plans_on_facts_of_every_kind().await {
        assert_eq!(changed(&plan, &seen), []);
        for premise in &plan.basis.facts {
            let mut other = seen.clone();
            kinds.insert(disturb(&mut other, &premise.key));
            let found = changed(&plan, &other);
            assert!(found.iter().any(|changed| changed.fact == premise.key), "{}: {found:?}", premise.key);
        }
    }
    let all = [
        "certificate",
        "etcd-data",
        "etcd-member",
        "file",
        "host",
        "image",
        "machine",
        "node",
        "object",
        "trust",
        "unit",
        "volume",
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), all, "no plan rests on the others");
}

// ---- P7: an older plan

#[tokio::test]
async fn p7_a_plan_made_before_a_newer_one_was_applied_is_refused() {
    for file in files() {
        let (lab, older) = drifted(&file, second_main(&file)).await;
        let newer = lab.plan();
        assert_eq!(codec::digest(&older), codec::digest(&newer), "the same world gives the same plan");
        assert!(lab.apply(&newer).await.complete());
        assert!(!changed(&older, &lab.observed()).is_empty());
    }
}

#[tokio::test]
async fn p7_a_plan_is_refused_after_a_newer_and_different_one_was_applied() {
    for file in files() {
        let (lab, older) = drifted(&file, second_main(&file)).await;
        let work = lab.spec.workers().next().unwrap().0.clone();
        lab.world.lock().edit_file(&work, "/etc/fmp/haproxy.cfg", "by hand\n");
        let newer = lab.plan();
        assert_ne!(codec::digest(&older), codec::digest(&newer));
        assert_eq!(
            changed(&older, &lab.observed()),
            [],
            "what else came to light leaves the older plan as good as it was"
        );
        assert!(lab.apply(&newer).await.complete());
        assert!(!changed(&older, &lab.observed()).is_empty());
        assert_eq!(lab.plan().standing(), Standing::InSync);
    }
}

// ---- P11: the codec

#[tokio::test]
async fn p11_a_plan_reads_back_as_it_was() {
    for file in files() {
        let fresh = Lab::of(&file).plan();
        let (_, drift) = drifted(&file, second_main(&file)).await;
        for plan in [fresh, drift] {
            assert_eq!(codec::read(&written(&plan)).unwrap(), plan);
        }
    }
}

#[tokio::test]
async fn p11_an_unknown_format_an_unknown_field_an_edit_and_a_cut_are_refused() {
    let file = &files()[0];
    let (_, plan) = drifted(file, "main-2").await;
    let json = written(&plan);
    let refused = |text: &str| codec::read(text).unwrap_err().to_string();
    assert!(refused(&json.replacen("\"format\": 1", "\"format\": 2", 1)).contains("format 2"));
    assert!(refused(&json.replacen("\"cluster\":", "\"smell\": 1, \"cluster\":", 1)).contains("line"));
    assert!(refused(&json.replacen("main-2", "main-3", 1)).contains("edited"));
    for part in 1..20 {
        let cut = &json[..json.len() * part / 20];
        assert!(refused(cut).contains("cut off"), "{part}");
    }
}

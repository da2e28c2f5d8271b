//! Properties of plans, each on the fixture with 7 nodes and on a generated cluster with 200.

#![expect(clippy::unwrap_used, reason = "in a test, an error that nobody expects is a failure")]

mod support;

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use fmp::{
    core::observed::{Fact, Observed},
    planner::{Plan, Standing, changed, codec, render},
};
use support::{Lab, fixtures, generated, node, parsed};

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

/// The plans of a generated cluster, from files whose tables stand in different orders.
fn shuffled_plans(show: impl Fn(&str, &Observed) -> String) -> Vec<String> {
    let orders: [fn(&mut Vec<String>); 3] = [|_| {}, |tables| tables.reverse(), |tables| tables.rotate_left(77)];
    let seen = |file: &str| Lab::of(file).observed();
    orders.iter().map(|order| generated(197, order)).map(|file| show(&file, &seen(&file))).collect()
}

fn all_equal(plans: &[String]) -> bool {
    plans.windows(2).all(|pair| pair[0] == pair[1])
}

#[test]
fn p1_the_order_of_tables_and_the_process_change_no_byte() {
    for format in ["text", "json", "dot"] {
        let folder = tempfile::tempdir().unwrap();
        let plans = shuffled_plans(|file, observed| {
            let output = fmp_plan(folder.path(), file, observed, &["--format", format]);
            assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        });
        assert!(plans[0].len() > 1000);
        assert!(all_equal(&plans), "{format}");
    }
}

#[test]
fn p1_a_variant_in_the_order_of_the_file_would_be_caught() {
    let plans = shuffled_plans(|file, observed| {
        let plan = fmp::plan(&parsed(file), &support::lock(), observed).unwrap();
        let names = file.lines().filter_map(|line| line.strip_prefix("[nodes.")?.strip_suffix(']'));
        let of = |name: &str| plan.steps.iter().filter(|step| step.id.as_str().starts_with(name)).count();
        names.map(|name| format!("{name} {}\n", of(name))).collect()
    });
    assert!(!all_equal(&plans));
}

// ---- P4: locality

#[tokio::test]
async fn p4_a_new_work_node_changes_only_lines_about_it() {
    for file in files() {
        let lab = Lab::settled(&file).await;
        let before = render::text(&lab.plan());
        let grown = format!("{file}\n[nodes.work-new]\nrole = 'work'\naddress = '192.0.2.250'\n");
        lab.world.lock().add_machine(&node("work-new"), "192.0.2.250".parse().unwrap(), false);
        let plan = lab.plan_for(&parsed(&grown));
        assert_eq!(plan.standing(), Standing::Steps);
        let about_it = |id: &str| id.starts_with("work-new/");
        assert!(plan.changes.iter().all(|change| about_it(&change.id)), "{:#?}", plan.changes);
        assert!(plan.steps.iter().all(|step| about_it(step.id.as_str())));
        let after = render::text(&plan);
        let gone: Vec<_> = before.lines().filter(|line| !after.contains(line)).collect();
        let allowed = |line: &&str| line.starts_with("spec ") || *line == "in sync: nothing to do";
        assert!(gone.iter().all(allowed), "{gone:?}");
    }
}

#[tokio::test]
async fn p4_a_work_node_that_left_the_file_changes_nothing() {
    let file = generated(197, |_| {});
    let lab = Lab::settled(&file).await;
    let shrunk = generated(197, |tables| tables.retain(|table| !table.starts_with("[nodes.work-00100]")));
    let plan = lab.plan_for(&parsed(&shrunk));
    assert_eq!(plan.standing(), Standing::InSync, "{:#?}", plan.changes);
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
async fn p5_every_fact_of_the_basis_makes_the_plan_stale_when_it_changes() {
    for file in files() {
        let main = second_main(&file);
        let (lab, plan) = drifted(&file, main).await;
        assert!(plan.basis.facts.len() >= 3, "{:#?}", plan.basis.facts);
        for at in 0..plan.basis.facts.len() {
            let mut other = plan.clone();
            other.basis.facts[at].value.push_str(" once");
            let found = changed(&other, &lab.observed());
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].fact, plan.basis.facts[at].key);
        }
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

// ---- P11: the codec

fn written(plan: &Plan) -> String {
    let mut json = Vec::new();
    codec::write(plan, &mut json).unwrap();
    String::from_utf8(json).unwrap()
}

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

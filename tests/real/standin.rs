//! The platform's stand-in: three database sets on the work nodes, each with its client, while nodes that matter most to them
//! are off. What was acknowledged is read back, and every set is whole again.
//!
//! The clients are `fixtures/real/client.py`; the archive is made by `scripts/lib/platform.sh`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use fmp::bundle::lock;

use crate::{
    entrance::millis,
    lab::{Lab, MAINS, Ran, SOON, WORKS, fixture, lock_path, now, throughout, until},
    runner::say,
};

/// The sets, as the archive names them, and their clients.
const SETS: [&str; 3] = ["postgres", "redis", "search"];

/// How long a set may take from nothing to three copies that are ready, on a computer that compiles beside it.
const FORMED: Duration = Duration::from_mins(8);

/// How long a node is off: longer than Kubernetes needs to see that it is (40 s), so that what waits for that is in it.
const OFF: Duration = Duration::from_secs(75);

/// How long one client's longest wait for an acknowledgement may be: a leader's lease runs out (20 s), another one is
/// elected and found, while two processors carry everything.
const LONGEST_MS: u64 = 60_000;

const _: () = assert!((LONGEST_MS as u128) < OFF.as_millis(), "a bound that can't be broken is none");

/// What a client needs besides its script, with `SET` and `NODE` to be filled in.
const CLIENT: &str = r#"{
  "apiVersion": "v1",
  "kind": "Pod",
  "metadata": { "name": "client-SET", "namespace": "fmp", "labels": { "app": "client" } },
  "spec": {
    "nodeName": "NODE",
    "automountServiceAccountToken": false,
    "enableServiceLinks": false,
    "terminationGracePeriodSeconds": 1,
    "dnsConfig": { "options": [{ "name": "timeout", "value": "1" }, { "name": "attempts", "value": "3" }] },
    "containers": [{
      "name": "client",
      "image": "fmp.local/standin-postgres:15",
      "imagePullPolicy": "Never",
      "args": ["/etc/client/client.py", "SET", "write"],
      "volumeMounts": [
        { "name": "client", "mountPath": "/etc/client" },
        { "name": "secrets", "mountPath": "/etc/secrets/SET" }
      ]
    }],
    "volumes": [
      { "name": "client", "configMap": { "name": "client" } },
      { "name": "secrets", "secret": { "secretName": "SET" } }
    ]
  }
}"#;

pub(crate) fn run(lab: &Lab) {
    let site = Site::prepare(lab);
    lab.destroy();
    let began = Instant::now();
    site.fmp(&["apply", "--yes"]).exits(0).says(&["in sync after"]);
    let applied = began.elapsed().as_secs_f64();
    formed(lab);
    let all = began.elapsed().as_secs_f64();
    say(&format!("  from no machines: {applied:.1} s to the cluster, {all:.1} s to a platform that is ready"));
    the_page_says_what_it_is(lab);
    secrets_are_random_and_stay(&site);

    let clients = Clients::start(lab);
    for node in clients.leaders.clone() {
        one_node_off(&clients, &node);
    }
    clients.end();
    site.fmp(&["plan"]).exits(0);
    // The next check begins with the cluster that the lab's own file asks for.
    lab.destroy_for(&site.file);
}

/// The cluster's file with everything that the archive brings, and a lock that has the archive's images besides.
struct Site<'a> {
    lab: &'a Lab,
    file: PathBuf,
    lock: PathBuf,
}

impl<'a> Site<'a> {
    fn prepare(lab: &'a Lab) -> Self {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is a folder of the target directory");
        let archive = target.join("platform");
        assert!(archive.join("SHA256SUMS").exists(), "there is no {}: bash scripts/lib/platform.sh", archive.display());
        fs::write(lab.place("fmp.prm"), "a licence of nobody\n").expect("the target directory can be written");
        let text = format!(
            "\n[components.volumes]\nkind = \"local-path\"\n\n[platform]\narchive = \"{}\"\ninstallation = \"of-a-check\"\n\
             licence = \"fmp.prm\"\ndomain = \"fmp.example.org\"\n",
            archive.display()
        );
        let file = lab.variant("platform.toml", |own| format!("{own}{text}"));
        let read = |path: &Path| lock::read(path).expect("it can be read").expect("it is there");
        let mut whole = read(&lock_path());
        let (manifest, images) = (lab.place("platform-bundle.toml"), lab.place("platform-images.lock"));
        let described = format!("platform = \"{}\"\nrelease = {{}}\n", archive.display());
        fs::write(&manifest, described).expect("the target directory can be written");
        let manifest = manifest.display().to_string();
        lab.run(lab.command_with(&file, &images, &["bundle", "build", "--manifest", &manifest, "--update"]), None)
            .exits(0);
        whole.merge(read(&images));
        let lock = lab.place("platform.lock");
        lock::write(&lock, &whole).expect("the target directory can be written");
        Self { lab, file, lock }
    }

    fn fmp(&self, args: &[&str]) -> Ran {
        self.lab.run(self.lab.command_with(&self.file, &self.lock, args), None)
    }
}

/// What FMP made with random content is text of its own, in no plan, and the same after another run.
fn secrets_are_random_and_stay(site: &Site<'_>) {
    let seen = || -> BTreeMap<&str, String> {
        let password = |set| {
            let template = "go-template={{range $key, $value := .data}}{{$value | base64decode}} {{end}}";
            (set, site.lab.kubectl(&["-n", "fmp", "get", "secret", set, "-o", template]))
        };
        SETS.map(password).into()
    };
    let made = seen();
    let all: Vec<&str> = made.values().flat_map(|values| values.split_whitespace()).collect();
    assert!(all.iter().all(|value| value.len() == 64 && value.bytes().all(|c| c.is_ascii_hexdigit())), "not shown");
    assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (6, 6));
    let plan = site.fmp(&["plan", "--format", "json"]).exits(0);
    let observed = site.fmp(&["observe"]).exits(0);
    assert!(!all.iter().any(|value| plan.out.contains(value) || observed.out.contains(value)), "a secret is shown");
    site.fmp(&["apply", "--yes"]).exits(0).says(&["in sync"]);
    assert!(made == seen(), "a secret was made twice");
}

/// Three copies of each set are ready, and two of the page.
fn formed(lab: &Lab) {
    let path = r"jsonpath={range .items[*]}{.metadata.name}={.status.readyReplicas} {end}";
    until("all sets are formed", FORMED, || {
        let ran = lab.fmp(&["kubectl", "--", "-n", "fmp", "get", "statefulsets,deployments", "-o", path]);
        let ready: BTreeSet<&str> = ran.out.split_whitespace().collect();
        let missing: Vec<&str> =
            ["postgres=3", "redis=3", "search=3", "web=2"].into_iter().filter(|each| !ready.contains(each)).collect();
        if missing.is_empty() {
            Ok(())
        } else {
            let pods = lab.fmp(&["kubectl", "--", "-n", "fmp", "get", "pods", "-o", "wide"]).out;
            Err(format!("{}{}\n{pods}", ran.out, ran.err))
        }
    });
}

/// Nobody takes it for the platform.
fn the_page_says_what_it_is(lab: &Lab) {
    let page = lab.kubectl(&["get", "--raw", "/api/v1/namespaces/fmp/services/web:80/proxy/"]);
    assert!(page.contains("This is a stand-in, not the platform") && page.contains("fmp.example.org"), "{page}");
}

/// Somebody who writes to each set all the time, on a node that nobody switches off.
struct Clients<'a> {
    lab: &'a Lab,
    /// Nodes with the copies that take writes, of `PostgreSQL` first: these are switched off, one after the other.
    leaders: Vec<String>,
}

impl<'a> Clients<'a> {
    fn start(lab: &'a Lab) -> Self {
        let script = serde_json::json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": "client", "namespace": "fmp" },
            "data": { "client.py": fixture("real/client.py") },
        });
        lab.kubectl_reading(&script.to_string(), &["apply", "-f", "-"]);
        let leader = until("PostgreSQL has a leader", SOON, || {
            let path = "jsonpath={.metadata.annotations.leader}";
            let ran = lab.fmp(&["kubectl", "--", "-n", "fmp", "get", "endpoints", "postgres", "-o", path]);
            if ran.out.starts_with("postgres-") { Ok(ran.out) } else { Err(format!("{}{}", ran.out, ran.err)) }
        });
        let mut clients = Self { lab, leaders: vec![node_of(lab, &leader)] };
        // A client of Redis finds the master; where that one's node is the same, one node off is all there is to show.
        let anywhere = WORKS.into_iter().find(|node| *node != clients.leaders[0]).expect("there are four");
        clients.pod("redis", anywhere);
        let master = clients.ask("redis", &["master"], "");
        let master = node_of(lab, master.split('.').next().unwrap_or_default());
        if !clients.leaders.contains(&master) {
            clients.leaders.push(master);
        }
        lab.kubectl(&["-n", "fmp", "delete", "pod", "client-redis", "--wait"]);
        let quiet = WORKS.into_iter().find(|node| !clients.leaders.iter().any(|leader| leader == node));
        for set in SETS {
            clients.pod(set, quiet.expect("there are four"));
        }
        clients.all_write(20);
        clients
    }

    fn pod(&self, set: &str, node: &str) {
        let pod = CLIENT.replace("SET", set).replace("NODE", node);
        self.lab.kubectl_reading(&pod, &["apply", "-f", "-"]);
        let name = format!("pod/client-{set}");
        self.lab.kubectl(&["-n", "fmp", "wait", "--for=condition=Ready", "--timeout=120s", &name]);
    }

    /// What a client answers, which may be given something to read.
    fn ask(&self, set: &str, task: &[&str], stdin: &str) -> String {
        until("the client answers", SOON, || {
            let pod = format!("client-{set}");
            let exec =
                ["kubectl", "--", "-n", "fmp", "exec", "-i", &pod, "--", "python3", "/etc/client/client.py", set];
            let ran = self.lab.run(self.lab.command(&[&exec[..], task].concat()), Some(stdin));
            if ran.code == Some(0) { Ok(ran.out.trim().to_owned()) } else { Err(format!("{}{}", ran.out, ran.err)) }
        })
    }

    /// Numbers that were acknowledged, by the time of that.
    fn acknowledged(&self, set: &str) -> BTreeMap<u64, u64> {
        let log = self.lab.kubectl(&["-n", "fmp", "logs", &format!("client-{set}")]);
        let acknowledged = |line: &str| {
            let (number, at) = line.split_once(' ')?;
            Some((at.parse().ok()?, number.parse().ok()?))
        };
        log.lines().filter_map(acknowledged).collect()
    }

    /// Waits until each client had so many writes acknowledged from now on.
    fn all_write(&self, many: usize) {
        let from = millis();
        for set in SETS {
            until("writing goes on", SOON, || {
                let log = self.acknowledged(set);
                let since = log.range(from..).count();
                let told =
                    || self.lab.fmp(&["kubectl", "--", "-n", "fmp", "logs", "--tail=3", &format!("client-{set}")]);
                if since >= many { Ok(()) } else { Err(format!("{set}: {since} since then\n{}", told().out)) }
            });
        }
    }

    /// Each number that was acknowledged until now is read back: of the set, and by the time it is whole of each copy.
    fn nothing_is_lost(&self) {
        for set in SETS {
            let wrote: BTreeSet<u64> = self.acknowledged(set).into_values().collect();
            let numbers = wrote.iter().fold(String::new(), |text, number| text + &number.to_string() + "\n");
            let has = |copy: Option<String>| {
                let copy = copy.as_deref();
                let answer = self.ask(set, &[&["read"], copy.as_slice()].concat(), &numbers);
                answer.lines().filter_map(|line| line.parse().ok()).collect::<BTreeSet<u64>>()
            };
            let lost: Vec<u64> = wrote.difference(&has(None)).copied().collect();
            assert!(lost.is_empty(), "{set}: acknowledged and lost: {lost:?} of {}", wrote.len());
            for copy in (0..3).map(|number| format!("{set}-{number}")) {
                until("the copy has everything", SOON, || {
                    let missing = wrote.difference(&has(Some(copy.clone()))).count();
                    if missing == 0 { Ok(()) } else { Err(format!("{copy}: {missing} of {} missing", wrote.len())) }
                });
            }
            say(&format!("  {set}: {} writes acknowledged, none lost, all of them on three copies", wrote.len()));
        }
        until("all texts are found", SOON, || {
            let (wrote, found) = (self.acknowledged("search").len(), self.ask("search", &["find"], ""));
            // Another one may have come between the two questions.
            if found.parse().is_ok_and(|found: usize| found >= wrote) {
                Ok(())
            } else {
                Err(format!("{found} of {wrote}"))
            }
        });
    }

    fn end(self) {
        self.lab.kubectl(&["-n", "fmp", "delete", "pods", "-l", "app=client", "--wait"]);
        self.lab.kubectl(&["-n", "fmp", "delete", "configmap", "client"]);
    }
}

/// Where the pod of a copy runs.
fn node_of(lab: &Lab, pod: &str) -> String {
    lab.kubectl(&["-n", "fmp", "get", "pod", pod, "-o", "jsonpath={.spec.nodeName}"])
}

/// Without power, while everybody writes; and back again.
fn one_node_off(clients: &Clients<'_>, node: &str) {
    let lab = clients.lab;
    let copies = lab.kubectl(&[
        "-n",
        "fmp",
        "get",
        "pods",
        "--field-selector",
        &format!("spec.nodeName={node}"),
        "-o",
        "jsonpath={.items[*].metadata.name}",
    ]);
    let from = millis();
    lab.cut_power(&[node]);
    throughout("a work node is off", OFF, || Ok(()));
    clients.all_write(20);
    let gaps = SETS.map(|set| longest_gap(&clients.acknowledged(set), from));
    say(&format!("  {node} was switched off, with {copies}; the longest time without an acknowledged write:"));
    for (set, gap) in SETS.into_iter().zip(gaps) {
        say(&format!("    {set}: {gap} ms"));
        assert!(gap <= LONGEST_MS, "{set}: {gap} ms");
    }
    let since = now();
    lab.switch_on(&[node]);
    lab.ready_since(&since, &[node], MAINS[0]);
    formed(lab);
    clients.all_write(20);
    clients.nothing_is_lost();
}

/// The longest time between two acknowledged writes from then on, in milliseconds, the last one before it included.
fn longest_gap(log: &BTreeMap<u64, u64>, from: u64) -> u64 {
    let before = log.range(..from).next_back().map(|(at, _)| *at);
    let times: Vec<u64> = before.into_iter().chain(log.range(from..).map(|(at, _)| *at)).collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(u64::MAX)
}

//! Clients that write to each set all the time, and what was acknowledged to them.

use std::collections::{BTreeMap, BTreeSet};

use super::SETS;
use crate::{
    entrance::millis,
    lab::{Lab, SOON, WORKS, fixture, until},
    runner::say,
};

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

/// Somebody who writes to each set all the time, on a node that nobody switches off.
pub(super) struct Clients<'a> {
    pub(super) lab: &'a Lab,
    /// Nodes with the copies that take writes, of `PostgreSQL` first: these are switched off, one after the other.
    pub(super) leaders: Vec<String>,
}

impl<'a> Clients<'a> {
    pub(super) fn start(lab: &'a Lab) -> Self {
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
    pub(super) fn acknowledged(&self, set: &str) -> BTreeMap<u64, u64> {
        let log = self.lab.kubectl(&["-n", "fmp", "logs", &format!("client-{set}")]);
        let acknowledged = |line: &str| {
            let (number, at) = line.split_once(' ')?;
            Some((at.parse().ok()?, number.parse().ok()?))
        };
        log.lines().filter_map(acknowledged).collect()
    }

    /// Waits until each client had so many writes acknowledged from now on.
    pub(super) fn all_write(&self, many: usize) {
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
    pub(super) fn nothing_is_lost(&self) {
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

    pub(super) fn end(self) {
        self.lab.kubectl(&["-n", "fmp", "delete", "pods", "-l", "app=client", "--wait"]);
        self.lab.kubectl(&["-n", "fmp", "delete", "configmap", "client"]);
    }
}

/// Where the pod of a copy runs.
fn node_of(lab: &Lab, pod: &str) -> String {
    lab.kubectl(&["-n", "fmp", "get", "pod", pod, "-o", "jsonpath={.spec.nodeName}"])
}

/// The longest time between two acknowledged writes from then on, in milliseconds, the last one before it included.
pub(super) fn longest_gap(log: &BTreeMap<u64, u64>, from: u64) -> u64 {
    let before = log.range(..from).next_back().map(|(at, _)| *at);
    let times: Vec<u64> = before.into_iter().chain(log.range(from..).map(|(at, _)| *at)).collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(u64::MAX)
}

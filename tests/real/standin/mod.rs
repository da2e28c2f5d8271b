//! The platform's stand-in: three database sets on the work nodes, each with its client, while nodes that matter most to them
//! are off. What was acknowledged is read back, and every set is whole again.
//!
//! The clients are `fixtures/real/client.py`; the archive is made by `scripts/lib/platform.sh`.

mod clients;
mod site;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use clients::{Clients, longest_gap};
use site::{From, Site};

use crate::{
    entrance::millis,
    lab::{IMAGES, Lab, MAINS, SOON, now, throughout, until},
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

pub(crate) fn run(lab: &Lab) {
    lab.destroy();
    let site = Site::prepare(lab);
    site.bring_up();
    site.destroy();
    let site = site.with(From::Storage);
    site.bring_up();
    the_page_says_what_it_is(lab);
    secrets_are_random_and_stay(&site);

    let clients = Clients::start(lab);
    for node in clients.leaders.clone() {
        one_node_off(&clients, &node);
    }
    clients.end();
    until("all is in sync again", SOON, || {
        let ran = site.fmp(&["plan"]);
        if ran.code == Some(0) { Ok(()) } else { Err(format!("{}{}", ran.out, ran.err)) }
    });
    let site = site.leave_the_storage();
    site.bring_up();
    // The next check begins with the cluster that the lab's own file asks for.
    site.destroy();
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

/// Without power, while everybody writes, and with it what stores images; and back again.
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
    lab.cut_power(&[node, IMAGES]);
    pods_start_elsewhere(lab);
    throughout("a work node is off", OFF, || Ok(()));
    clients.all_write(20);
    let gaps = SETS.map(|set| longest_gap(&clients.acknowledged(set), from));
    say(&format!(
        "  {node} was switched off, with {copies}, and {IMAGES}; the longest time without an acknowledged write:"
    ));
    for (set, gap) in SETS.into_iter().zip(gaps) {
        say(&format!("    {set}: {gap} ms"));
        assert!(gap <= LONGEST_MS, "{set}: {gap} ms");
    }
    let since = now();
    lab.switch_on(&[node, IMAGES]);
    lab.ready_since(&since, &[node], MAINS[0]);
    formed(lab);
    clients.all_write(20);
    clients.nothing_is_lost();
}

/// Pods that are lost come again on nodes that run, from what these pulled beforehand.
fn pods_start_elsewhere(lab: &Lab) {
    let began = millis();
    lab.kubectl(&["-n", "fmp", "delete", "pods", "-l", "app=web", "--wait=false"]);
    until("the page is answered by new pods", SOON, || {
        let ran = lab.fmp(&["kubectl", "--", "-n", "fmp", "rollout", "status", "deployment/web", "--timeout=20s"]);
        if ran.code == Some(0) { Ok(()) } else { Err(format!("{}{}", ran.out, ran.err)) }
    });
    say(&format!("  two pods of the page that were lost then run elsewhere after {} ms", millis() - began));
}

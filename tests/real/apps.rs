//! The applications' entrance: an address that the work nodes share, held by one that answers itself.

use std::{path::Path, time::Duration};

use crate::{
    entrance::{Client, holder_of, millis},
    lab::{Lab, MAINS, SOON, WORKS, fixture, now, throughout, until},
    runner::say,
    workload,
};

pub(crate) const ADDRESS: &str = "198.18.0.20";

const SECTION: &str = "\n[entrance.apps]\nkind = \"keepalived\"\naddress = \"198.18.0.20\"\nports = [80]\n";

const REQUEST: &str = "GET /cgi-bin/who HTTP/1.0\r\n\r\n";

/// One new connection after the other, to the name by which an ingress knows the application; the time of each good answer, in milliseconds since 1970.
const ASKS: &str = r#"
while :; do
    answer=$(timeout 1 bash -c 'exec 3<>"/dev/tcp/$0/80" && printf "GET /cgi-bin/who HTTP/1.0\r\nHost: who.example.org\r\n\r\n" >&3 && cat <&3' "$0" 2>/dev/null) || :
    case $answer in HTTP/1.?' 200'*) date +%s%3N ;; esac
    sleep 0.05
done"#;

/// How long clients are watched after a holder died, and how long they may wait on a computer that compiles beside it.
const WATCHED: Duration = Duration::from_secs(30);
const LONGEST_MS: u64 = 10_000;

const _: () = assert!((LONGEST_MS as u128) < WATCHED.as_millis(), "a bound that can't be broken is none");

pub(crate) fn run(lab: &Lab) {
    workload::deploy(lab);
    let file = lab.variant("apps.toml", |text| format!("{text}{SECTION}"));
    lab.fmp_for(&file, &["apply", "--yes"]).exits(0).says(&["in sync after"]);
    nobody_answers_yet(lab, &file);
    lab.kubectl_reading(&fixture("real/front.yaml"), &["apply", "-f", "-"]);
    let holder = until("a work node holds the address", SOON, || holder(lab));
    the_client_is_seen(lab, REQUEST);
    lab.fmp_for(&file, &["plan"]).exits(0);
    holder_dies(lab, holder, ADDRESS);
    taken_away(lab);
}

/// No work node holds the address before it answers, and the doctor says so.
fn nobody_answers_yet(lab: &Lab, file: &Path) {
    assert!(holder(lab).is_err(), "a work node holds the address, and nothing answers there");
    let told = "nobody holds the applications' entrance 198.18.0.20";
    lab.fmp_for(file, &["doctor"]).exits(1).says(&[told, "answers itself at 80"]);
}

/// The one work node that has the address.
pub(crate) fn holder(lab: &Lab) -> Result<&'static str, String> {
    holder_of(lab, ADDRESS, &WORKS)
}

/// Whoever answers sees the address of whoever asks, and no node's.
pub(crate) fn the_client_is_seen(lab: &Lab, request: &str) {
    let answer = until("the entrance answers", SOON, || {
        let answer = lab.converse(ADDRESS, 80, request)?;
        if answer.contains(" 200 ") { Ok(answer) } else { Err(answer) }
    });
    let route = lab.nearby("ip", &["-4", "route", "get", ADDRESS]).exits(0).out;
    let own = route.split_whitespace().skip_while(|word| *word != "src").nth(1).expect("a route has a source");
    let seen = answer.split_whitespace().next_back().unwrap_or_default();
    assert_eq!(seen, own, "{answer}");
}

/// Without power, while somebody asks at an address that moves.
pub(crate) fn holder_dies(lab: &Lab, holder: &'static str, address: &str) {
    let clients = Client::start(lab, "apps", ASKS, address);
    let from = millis();
    lab.cut_power(&[holder]);
    throughout("a work node is off", WATCHED, || Ok(()));
    let gap = clients.longest_gap(from);
    drop(clients);
    say(&format!("  {holder} held the address and was switched off: no new connection was answered for {gap} ms"));
    assert!(gap <= LONGEST_MS, "{gap} ms");
    let since = now();
    lab.switch_on(&[holder]);
    lab.ready_since(&since, &[holder], MAINS[0]);
    until("one work node holds the address", SOON, || self::holder(lab));
}

/// By the cluster's own file nothing is shared any more: what moves the address is stopped.
fn taken_away(lab: &Lab) {
    let shown = lab.fmp(&["plan"]).exits(2);
    shown.says(&["unit/fmp-entrance.service: stop and disable", "nothing in cluster.toml wants it any more"]);
    lab.fmp(&["apply", "--yes"]).exits(0);
    assert_eq!(holder(lab), Err("[] have it".to_owned()));
    lab.kubectl(&["delete", "daemonset", "front", "--wait"]);
    lab.fmp(&["plan"]).exits(0);
}

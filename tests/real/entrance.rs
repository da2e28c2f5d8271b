//! The API's entrance: whatever dies behind it, clients go on, and who is cut off lets go.

use std::{
    env,
    fs::{self, File},
    process::{Child, Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    lab::{Lab, MAINS, SOON, in_their_network, now, throughout, until},
    runner::say,
};

const ENTRANCE: &str = "198.18.0.10:8443";
/// The address that mains share.
pub(crate) const ADDRESS: &str = "198.18.0.10";

/// How long clients may wait for an answer, and how long they are watched after something died: longer than any bound, so
/// that a client which is never answered again breaks it.
struct Bounds {
    watched: Duration,
    /// The longest that no new connection may be answered.
    new_ms: u64,
    /// The longest that a client of a kept connection may wait for the next answer, its connecting again included.
    kept_ms: u64,
    /// How soon a main that is cut off from the others may answer nothing any more.
    minority_ms: u64,
}

/// What is promised, on a computer that does nothing else.
const QUIET: Bounds = Bounds { watched: Duration::from_secs(20), new_ms: 2_000, kept_ms: 10_000, minority_ms: 5_000 };

/// What can be asked while other things run beside it: on a computer that compiles a client may wait for its turn longer
/// than for an answer.
const BUSY: Bounds = Bounds { watched: Duration::from_secs(30), new_ms: 10_000, kept_ms: 25_000, minority_ms: 25_000 };

/// A bound that is not shorter than what is watched could never be broken.
const fn can_fail(bounds: &Bounds) -> bool {
    let watched_ms = bounds.watched.as_secs() * 1000;
    bounds.new_ms < watched_ms && bounds.kept_ms < watched_ms && bounds.minority_ms < watched_ms
}

const _: () = assert!(can_fail(&QUIET) && can_fail(&BUSY));

/// How long nothing may move when nothing happens.
const IDLE: Duration = Duration::from_mins(30);

/// One new connection after the other; the time of each good answer, in milliseconds since 1970.
const NEW: &str = r#"
while :; do
    answer=$(printf 'GET /readyz HTTP/1.0\r\n\r\n' |
        timeout 1 openssl s_client -quiet -connect "$0" 2>/dev/null) || :
    case $answer in *ok) date +%s%3N ;; esac
    sleep 0.05
done"#;

/// One connection that is kept as long as it answers; the same times.
const KEPT: &str = r#"
answered() {
    printf 'GET /readyz HTTP/1.1\r\nHost: kubernetes\r\n\r\n' >&"${TLS[1]}" || return 1
    while IFS= read -r -t 10 line <&"${TLS[0]}"; do
        [ "$line" != $'\r' ] || break
        status=${status:-$line}
    done
    read -r -t 10 -n 2 body <&"${TLS[0]}" && [ "$body" = ok ]
}
trap '' PIPE
while :; do
    coproc TLS { exec timeout 600 openssl s_client -quiet -connect "$0" 2>/dev/null; }
    while [ -n "${TLS_PID:-}" ] && status= && answered; do
        date +%s%3N
        sleep 0.1
    done
    [ -z "${TLS_PID:-}" ] || { kill "$TLS_PID"; wait "$TLS_PID"; } 2>/dev/null
    sleep 0.1
done"#;

/// What dies, and how.
const DEATHS: [(&str, Option<&str>); 4] = [
    ("haproxy", Some("systemctl kill --signal=KILL --kill-who=all fmp-balancer.service")),
    ("keepalived", Some("systemctl kill --signal=KILL --kill-who=all fmp-entrance.service")),
    ("the apiserver", Some("systemctl kill --signal=KILL --kill-who=all kube-apiserver.service")),
    ("the whole main", None),
];

/// A client that goes on until it is dropped.
pub(crate) struct Client {
    child: Child,
    times: std::path::PathBuf,
}

impl Client {
    pub(crate) fn start(lab: &Lab, name: &str, script: &str, target: &str) -> Self {
        let times = lab.place(name);
        let out = File::create(&times).expect("the target directory can be written");
        let mut command = Command::new("setsid");
        command.args(["bash", "-c", script, target]);
        let mut command = in_their_network(&command);
        let child = command.stdin(Stdio::null()).stdout(out).stderr(Stdio::null()).spawn().expect("bash is there");
        let client = Self { child, times };
        until("a client is answered", SOON, || client.answers().last().copied().ok_or_else(|| name.to_owned()));
        client
    }

    fn answers(&self) -> Vec<u64> {
        let text = fs::read_to_string(&self.times).expect("it was made");
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// The longest time without an answer since `from`, in milliseconds.
    pub(crate) fn longest_gap(&self, from: u64) -> u64 {
        let mut times: Vec<u64> = self.answers();
        let before = times.iter().rposition(|at| *at < from).unwrap_or(0);
        times.drain(..before);
        times.push(millis());
        times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max().unwrap_or(0)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // The whole session: its openssl lives beside it.
        let session = format!("-{}", self.child.id());
        _ = Command::new("kill").args(["-KILL", "--", &session]).status();
        _ = self.child.wait();
    }
}

pub(crate) fn run(lab: &Lab) {
    let full = env::var_os("FMP_FULL").is_some();
    until("one main holds the entrance", SOON, || holder(lab));
    clients_are_told_of_it(lab);
    if full {
        nothing_moves(lab);
    }
    let (rounds, bounds) = if full { (5, QUIET) } else { (1, BUSY) };
    let (mut new, mut kept) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        for (what, kill) in DEATHS {
            let (gap, kept_gap) = death(lab, what, kill, bounds.watched);
            say(&format!("  round {round}: {what} died: new {gap} ms, kept {kept_gap} ms"));
            new.push(gap);
            kept.push(kept_gap);
        }
    }
    for (what, gaps) in [("new", &mut new), ("kept", &mut kept)] {
        gaps.sort_unstable();
        let (median, worst) = (gaps[gaps.len() / 2], gaps[gaps.len() - 1]);
        say(&format!("  {what} connections, {} deaths: median {median} ms, worst {worst} ms", gaps.len()));
    }
    assert!(new.iter().all(|gap| *gap <= bounds.new_ms), "new connections: {new:?} ms");
    assert!(kept.iter().all(|gap| *gap <= bounds.kept_ms), "kept connections: {kept:?} ms");
    let last = cut_off(lab, bounds.watched);
    assert!(last <= bounds.minority_ms, "it still answered after {last} ms");
}

/// The kubeconfig names the entrance and nothing else.
fn clients_are_told_of_it(lab: &Lab) {
    let kubeconfig = lab.fmp(&["kubeconfig"]).exits(0).out;
    let servers: Vec<&str> = kubeconfig.lines().filter_map(|line| line.trim().strip_prefix("server: ")).collect();
    assert_eq!(servers, [format!("https://{ENTRANCE}")]);
}

/// The one main that has the address.
fn holder(lab: &Lab) -> Result<&'static str, String> {
    holder_of(lab, ADDRESS, &MAINS)
}

/// The one of these nodes that has an address.
pub(crate) fn holder_of(lab: &Lab, address: &str, nodes: &[&'static str]) -> Result<&'static str, String> {
    let has = |node: &&str| {
        let addresses = lab.try_sh(node, "ip -4 -o address show").unwrap_or_default();
        addresses.contains(&format!(" {address}/"))
    };
    match nodes.iter().copied().filter(has).collect::<Vec<_>>()[..] {
        [one] => Ok(one),
        ref others => Err(format!("{others:?} have it")),
    }
}

fn nothing_moves(lab: &Lab) {
    let since = now();
    throughout("the entrance stays where it is", IDLE, || holder(lab).map(drop));
    for main in MAINS {
        let moved = lab.sh(
            main,
            &format!("journalctl --unit=fmp-entrance --since='{}' | grep -c 'Entering' || :", since.replace('T', " ")),
        );
        assert_eq!(moved.trim(), "0", "{main} took it or let it go");
    }
    say(&format!("  idle for {} min: nothing moved", IDLE.as_secs() / 60));
}

/// Something dies on the holder; the longest gap of new and of kept connections.
fn death(lab: &Lab, what: &str, kill: Option<&str>, watched: Duration) -> (u64, u64) {
    let holder = until("one main holds the entrance", SOON, || holder(lab));
    let new = Client::start(lab, "new", NEW, ENTRANCE);
    let kept = Client::start(lab, "kept", KEPT, ENTRANCE);
    let from = millis();
    match kill {
        Some(script) => _ = lab.sh(holder, script),
        None => lab.cut_power(&[holder]),
    }
    throughout(what, watched, || Ok(()));
    let gaps = (new.longest_gap(from), kept.longest_gap(from));
    drop((new, kept));
    if kill.is_none() {
        let since = now();
        lab.switch_on(&[holder]);
        let other = MAINS.into_iter().find(|main| *main != holder).expect("there are three");
        lab.ready_since(&since, &[holder], other);
    }
    lab.in_sync_by_itself();
    gaps
}

/// The holder hears no other main any more, and clients still reach it: it answers nothing, and others take over. When it
/// answered last, in milliseconds.
fn cut_off(lab: &Lab, watched: Duration) -> u64 {
    let holder = until("one main holds the entrance", SOON, || holder(lab));
    let direct = format!("{}:8443", lab.address(holder));
    let rules = |what: &str| {
        let others = MAINS.into_iter().filter(|main| *main != holder).map(|main| lab.address(main));
        let rule = |address: String| {
            format!("iptables -w {what} INPUT -s {address} -j DROP; iptables -w {what} OUTPUT -d {address} -j DROP")
        };
        lab.sh(holder, &others.map(rule).collect::<Vec<_>>().join("; "));
    };
    let old = Client::start(lab, "old", NEW, &direct);
    let new = Client::start(lab, "new", NEW, ENTRANCE);
    let from = millis();
    rules("-I");
    let told = until("the doctor reports it", SOON, || {
        let ran = lab.fmp(&["doctor"]);
        let knows = ran.code == Some(1) && ran.out.contains(&format!("{holder}: error"));
        if knows { Ok(ran.out) } else { Err(format!("{}{}", ran.out, ran.err)) }
    });
    throughout("it answers nothing", watched, || Ok(()));
    let last = old.answers().last().copied().unwrap_or(from).saturating_sub(from);
    let gap = new.longest_gap(from);
    drop((old, new));
    rules("-D");
    lab.in_sync_by_itself();
    until("one main holds the entrance", SOON, || self::holder(lab));
    let first = told.lines().find(|line| line.contains(holder)).unwrap_or_default();
    say(&format!("  {holder} cut off: its last answer after {last} ms; the entrance answered nothing for {gap} ms"));
    say(&format!("  the doctor: {first}"));
    last
}

pub(crate) fn millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    u64::try_from(since.as_millis()).expect("the clock is right")
}

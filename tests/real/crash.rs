//! What goes wrong in the middle of a run, at moments that nobody chose: whatever it is, the next run ends in sync.
//!
//! Moments come from seeds, which are printed: `FMP_SEED=N` begins with the same again. With `FMP_FULL=1` there are thirty
//! of them, otherwise five, and other ones each time.

use std::{
    collections::BTreeSet,
    env, fs,
    sync::mpsc::RecvTimeoutError,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use fmp::exec::{ActionKind, progress::News};

use crate::{
    killed::{Ended, Run},
    lab::{Lab, MAINS, SOON, everyone, throughout},
    runner::say,
};

/// A file that all seven nodes have: the balancer's, which is restarted on one node after the other.
const EVERYWHERE: &str = "/etc/fmp/haproxy.cfg";

/// A file of the mains: the apiservers', which are restarted one after the other.
const MAINS_ONLY: &str = "/etc/kubernetes/audit-policy.yaml";

/// What a run that is cut off is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    /// Everything, from no machine on.
    Install,
    /// A file on every node that somebody edited.
    Mend,
}

/// When a run is killed, and what is left of it.
#[derive(Debug)]
struct Moment {
    work: Work,
    after: Duration,
    journal_lost: bool,
}

impl Moment {
    /// One in six is about an installation: it takes ten times as long.
    fn drawn(seed: u64) -> Self {
        let mixed = mixed(seed);
        let (work, longest_ms) = if seed.is_multiple_of(6) { (Work::Install, 22_000) } else { (Work::Mend, 16_000) };
        Self { work, after: Duration::from_millis(mixed % longest_ms), journal_lost: mixed & (1 << 20) != 0 }
    }
}

/// `fmp` is killed; its journal is kept or lost; the next run takes over at once.
pub(crate) fn moments(lab: &Lab) {
    let many = if env::var_os("FMP_FULL").is_some() { 30 } else { 5 };
    let first = first_seed();
    say(&format!("  seeds {first} to {}", first + many - 1));
    for seed in first..first + many {
        let Moment { work, after, journal_lost } = Moment::drawn(seed);
        let (inside, after) = killed_at(lab, work, after);
        if journal_lost {
            fs::remove_dir_all(lab.place("state")).expect("a run keeps a journal");
        }
        let began = Instant::now();
        lab.fmp(&["apply", "--yes"]).exits(0);
        lab.fmp(&["plan"]).exits(0);
        let journal = if journal_lost { "lost" } else { "kept" };
        let (after, next) = (after.as_secs_f64(), began.elapsed().as_secs_f64());
        say(&format!(
            "  seed {seed}: {work:?} killed after {after:.2} s inside {inside}, journal {journal}; in sync {next:.1} s later"
        ));
    }
    lab.fmp(&["plan", "--deep"]).exits(0);
    nothing_half_written(lab);
}

/// Processes die, a cable is pulled, a main loses its power, each while a run goes on.
pub(crate) fn faults(lab: &Lab) {
    let kill = |unit: &str| format!("systemctl kill --signal=KILL {unit}.service");
    let restart = Inside { kind: ActionKind::RestartUnit, of: "" };
    let upload = Inside { kind: ActionKind::Upload, of: "main-2/" };
    during(lab, Work::Mend, restart, "etcd on main-1 killed", |lab| _ = lab.sh("main-1", &kill("etcd")));
    during(lab, Work::Mend, restart, "the apiserver of main-2 killed", |lab| {
        _ = lab.sh("main-2", &kill("kube-apiserver"));
    });
    during(lab, Work::Mend, restart, "main-3 without power", |lab| lab.cut_power(&["main-3"]));
    during(lab, Work::Install, upload, "the cable of main-2 pulled for 20 s", |lab| pulled(lab, "main-2"));
    lab.fmp(&["plan", "--deep"]).exits(0);
    nothing_half_written(lab);
}

/// A run that was paused for longer than its lease lives wakes up when another one has done its work: it changes nothing.
pub(crate) fn takeover(lab: &Lab) {
    edit_everywhere(lab);
    let paused = Run::start(lab);
    begun(&paused, Inside { kind: ActionKind::RestartUnit, of: "" });
    paused.signal("STOP");
    lab.fmp(&["apply", "--yes"]).exits(1).says(&[&format!("process {}", paused.child.id()), "since", "runs fmp on"]);
    lab.settle();
    let before: Vec<String> = MAINS.into_iter().map(|node| state(lab, node)).collect();
    everyone().for_each(|node| _ = lab.sh(node, "touch /run/fmp-mark"));
    paused.signal("CONT");
    match paused.ended() {
        Ended::ByItself { code: Some(1 | 3), said } => {
            assert!(said.contains("the lease was lost") || said.contains("newer run"), "{said}");
            say(&format!("  it woke up and said: {}", said.lines().last().unwrap_or_default()));
        }
        Ended::ByItself { code, said } => panic!("{code:?}: {said}"),
        Ended::Killed { .. } => unreachable!("nobody killed it"),
    }
    for node in everyone() {
        let places = "/etc/fmp /etc/kubernetes /etc/systemd/system /opt/fmp /var/lib/fmp";
        assert_eq!(
            lab.sh(node, &format!("find {places} -newer /run/fmp-mark -type f")),
            "",
            "{node}: something changed"
        );
    }
    assert_eq!(MAINS.into_iter().map(|node| state(lab, node)).collect::<Vec<_>>(), before);
    lab.fmp(&["plan", "--deep"]).exits(0);
}

/// The epoch, and which life of each unit this is.
fn state(lab: &Lab, node: &str) -> String {
    let units = "etcd kube-apiserver kube-controller-manager kube-scheduler kubelet";
    lab.sh(node, &format!("cat /var/lib/fmp/epoch; systemctl show --property=InvocationID --value {units}"))
}

/// The first step of this kind whose id begins so.
#[derive(Debug, Clone, Copy)]
struct Inside {
    kind: ActionKind,
    of: &'static str,
}

/// One fault while a run is about `work`, in the middle of a step.
fn during(lab: &Lab, work: Work, inside: Inside, what: &str, fault: impl Fn(&Lab)) {
    begin(lab, work);
    let run = Run::start(lab);
    begun(&run, inside);
    fault(lab);
    let Ended::ByItself { code, said } = run.ended() else { unreachable!("nobody killed it") };
    let began = Instant::now();
    // What does not end well says what it ended with.
    assert!(code == Some(0) || !said.trim().is_empty(), "{code:?}");
    lab.settle();
    lab.fmp(&["plan"]).exits(0);
    let (code, next) = (code.map_or_else(|| "a signal".to_owned(), |code| code.to_string()), began.elapsed());
    say(&format!("  {what}: that run ended with {code}; in sync {:.1} s later", next.as_secs_f64()));
}

/// Pulls a machine's cable, and puts it back.
fn pulled(lab: &Lab, node: &str) {
    let set = |to: &str| {
        let cable = format!("vb-{node}");
        lab.nearby("ip", &["link", "set", &cable, to]).exits(0);
    };
    set("down");
    throughout("nothing passes", Duration::from_secs(20), || Ok(()));
    set("up");
}

fn begin(lab: &Lab, work: Work) {
    match work {
        Work::Install => lab.destroy(),
        Work::Mend => edit_everywhere(lab),
    }
}

fn edit_everywhere(lab: &Lab) {
    lab.settle();
    everyone().for_each(|node| _ = lab.sh(node, &format!("echo '# by hand' >>{EVERYWHERE}")));
    MAINS.into_iter().for_each(|node| _ = lab.sh(node, &format!("echo '# by hand' >>{MAINS_ONLY}")));
}

/// Kills a run so long after its begin; one that has ended before is followed by another one, killed earlier. Tells which
/// steps were under way.
fn killed_at(lab: &Lab, work: Work, mut after: Duration) -> (String, Duration) {
    begin(lab, work);
    loop {
        let mut run = Run::start(lab);
        let deadline = Instant::now() + after;
        let mut under_way = Vec::new();
        loop {
            match run.events.recv_timeout(deadline.saturating_duration_since(Instant::now())).map(|told| told.news) {
                Ok(News::StepStarted { step, .. }) => under_way.push(step),
                Ok(News::StepFinished { step, .. }) => under_way.retain(|other| *other != step),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => {
                    run.kill();
                    let first = under_way.first().map_or_else(|| "no step".to_owned(), ToString::to_string);
                    return (format!("{first} and {} more", under_way.len().saturating_sub(1)), after);
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        after /= 2;
        begin(lab, work);
    }
}

/// Waits until such a step has begun.
fn begun(run: &Run, Inside { kind, of }: Inside) {
    let deadline = Instant::now() + SOON;
    loop {
        match run.events.recv_timeout(deadline.saturating_duration_since(Instant::now())).map(|told| told.news) {
            Ok(News::StepStarted { step, kind: begun }) if begun == kind && step.as_str().starts_with(of) => {
                return say(&format!("  inside {step}"));
            }
            Ok(_) => {}
            Err(error) => panic!("the run told of no step of the kind {kind:?}: {error}"),
        }
    }
}

/// No run has left a part of a file on any machine.
pub(crate) fn nothing_half_written(lab: &Lab) {
    // One that looks nowhere would find nothing: it is shown something first, in each file system.
    let shown = ["/opt/fmp/.fmp-tmp-shown", "/run/fmp/.fmp-tmp-shown", "/run/fmp/shown.new", "/var/lib/fmp/shown.new"];
    let all = shown.join(" ");
    let found = lab.sh("main-1", &format!("touch {all}; {HALF_WRITTEN}; rm {all}"));
    assert_eq!(found.lines().collect::<BTreeSet<_>>(), shown.into_iter().collect(), "what is half-written is not seen");
    for node in everyone() {
        assert_eq!(lab.sh(node, HALF_WRITTEN), "", "{node}: something half-written stayed");
    }
}

/// Parts of files: `/run` is a file system of its own, into which `-xdev` does not go by itself.
const HALF_WRITTEN: &str = "find / /run/fmp -xdev \\( -name '.fmp-tmp-*' -o -name '*.new' \\
    \\( -path '/run/fmp/*' -o -path '/var/lib/fmp/*' \\) \\)";

/// Other ones each time, unless told.
fn first_seed() -> u64 {
    let told = env::var("FMP_SEED").ok().and_then(|seed| seed.parse().ok());
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs();
    told.unwrap_or_else(now)
}

/// A step of a linear congruential generator (Knuth's constants): near seeds give far numbers.
pub(crate) fn mixed(seed: u64) -> u64 {
    seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407) >> 33
}

//! `fmp` killed in the middle of a step, and asked to stop: the next run goes on from there and ends in sync.
//!
//! One installation from nothing, which is cut off again and again: each run is killed inside a step of the next kind.

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use fmp::exec::{ActionKind, Progress, progress::News};

use crate::{
    crash,
    lab::{Lab, SOON, until},
    runner::say,
};

/// What is killed when, in the order in which an installation comes to it. The seed decides how deep inside the step.
const KILLS: [(ActionKind, u64, Often); 10] = [
    (ActionKind::CreateMachine, 101, Often::Always),
    (ActionKind::EstablishTrust, 102, Often::Full),
    (ActionKind::Upload, 103, Often::Always),
    (ActionKind::WriteFiles, 104, Often::Full),
    (ActionKind::IssueCertificates, 105, Often::Full),
    (ActionKind::BootstrapEtcd, 106, Often::Always),
    (ActionKind::StartUnit, 107, Often::Full),
    (ActionKind::ImportImage, 108, Often::Full),
    (ActionKind::ApplyObject, 109, Often::Full),
    (ActionKind::ApplyNode, 110, Often::Full),
];

/// In which runs: each kill costs a run of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Often {
    /// In each.
    Always,
    /// With `FMP_FULL=1`, as scripts/full sets it.
    Full,
}

/// A run of `fmp apply` whose events are read as they come.
pub(crate) struct Run {
    pub(crate) child: Child,
    pub(crate) events: Receiver<Progress>,
}

/// How a run that was to be killed ended.
pub(crate) enum Ended {
    /// Killed while this step was under way, so many milliseconds after its begin.
    Killed { step: String, after_ms: u64 },
    /// By itself, and what it said.
    ByItself { code: Option<i32>, said: String },
}

pub(crate) fn run(lab: &Lab) {
    let full = env::var_os("FMP_FULL").is_some();
    for (kind, seed, often) in KILLS {
        if full || often == Often::Always {
            let (step, after_ms) = kill_inside(lab, kind, seed);
            say(&format!("  {kind:?}, seed {seed}: killed {after_ms} ms inside {step}"));
        }
    }
    interrupted(lab);
    lab.settle();
    left_behind(lab);
    lab.fmp(&["plan", "--deep"]).exits(0);
    crash::nothing_half_written(lab);
}

/// Starts runs until one has got a lease, and kills it inside a step of this kind.
fn kill_inside(lab: &Lab, kind: ActionKind, seed: u64) -> (String, u64) {
    until("a run is killed inside the step", SOON, || match Run::start(lab).killed_inside(kind, seed) {
        Ended::Killed { step, after_ms } => Ok((step, after_ms)),
        // The lease of the run before, which was killed too.
        Ended::ByItself { code: Some(1), said } if said.contains("its lease runs out by itself") => Err(said),
        Ended::ByItself { code, said } => panic!("no step of the kind {kind:?} was under way: {code:?} {said}"),
    })
}

/// How long inside: up to what such a step takes on a fast computer.
fn delay(kind: ActionKind, seed: u64) -> Duration {
    let most_ms = match kind {
        ActionKind::CreateMachine | ActionKind::Upload | ActionKind::BootstrapEtcd | ActionKind::StartUnit => 400,
        _ => 60,
    };
    Duration::from_millis(crash::mixed(seed) % most_ms)
}

impl Run {
    pub(crate) fn start(lab: &Lab) -> Self {
        let mut command = lab.command(&["apply", "--yes", "--json"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program is there");
        let out = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let (tell, events) = mpsc::channel();
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                // The last line of a run that was killed may be cut.
                let Ok(progress) = serde_json::from_str(&line) else { continue };
                if tell.send(progress).is_err() {
                    return;
                }
            }
        });
        Self { child, events }
    }

    /// Waits for a step of this kind, and a while, and kills the run unless the step has come to its end.
    fn killed_inside(mut self, kind: ActionKind, seed: u64) -> Ended {
        let delay = delay(kind, seed);
        let mut inside: Option<(String, Instant)> = None;
        loop {
            let patience = inside.as_ref().map_or(SOON, |(_, since)| delay.saturating_sub(since.elapsed()));
            match (self.events.recv_timeout(patience).map(|progress| progress.news), &inside) {
                (Ok(News::StepStarted { step, kind: begun }), None) if begun == kind => {
                    inside = Some((step.to_string(), Instant::now()));
                }
                (Ok(News::StepFinished { step, .. }), Some((which, _))) if step.as_str() == which => inside = None,
                (Ok(_), _) => {}
                (Err(mpsc::RecvTimeoutError::Timeout), Some((step, since))) => {
                    let after_ms = u64::try_from(since.elapsed().as_millis()).expect("it was not long");
                    self.kill();
                    return Ended::Killed { step: step.clone(), after_ms };
                }
                (Err(_), _) => return self.ended(),
            }
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("its end can be seen");
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "it can be sent {name}");
    }

    /// Waits for its end.
    pub(crate) fn ended(mut self) -> Ended {
        let mut said = String::new();
        _ = self.child.stderr.take().expect("it is a pipe").read_to_string(&mut said);
        Ended::ByItself { code: self.child.wait().expect("its end can be seen").code(), said }
    }
}

/// A host's openssl, with which an upload reads what it got while the lock is free: before it does so for the first time,
/// somebody else takes the lock, and keeps it.
const OPENSSL: &str = r#"
cat >/usr/local/bin/openssl <<'END'
#!/bin/sh
case $* in
*/.fmp-tmp-upload-*)
    rm "$0"
    systemd-run --quiet --collect --unit=holder -- flock /run/fmp/lock sleep 300
    while flock -n /run/fmp/lock true; do sleep 0.1; done
    ;;
esac
exec /usr/bin/openssl "$@"
END
chmod 755 /usr/local/bin/openssl
rm -f "$(sed -n 's/^program //p' /var/lib/fmp/ledger/artifact%2Fkubectl)""#;

/// Somebody waits for the lock.
const WAITS: &str = "grep -q -e \"-> FLOCK.*:$(stat -c %i /run/fmp/lock) \" /proc/locks";

/// A command that outlives its run is named by whoever looks, and is over before the next run begins anything.
fn left_behind(lab: &Lab) {
    let node = "main-3";
    lab.sh(node, OPENSSL);
    let mut run = Run::start(lab);
    until("the upload waits for the lock", SOON, || {
        lab.try_sh(node, &format!("systemctl is-active holder && {WAITS}")).map(drop)
    });
    run.kill();
    let named = format!("{node} runs fmp-");
    let status = lab.fmp(&["status"]).out;
    assert!(status.contains(&named), "`fmp status` does not name it: {status}");
    // The next run begins nothing before the other one's command is over.
    lab.sh(node, "systemd-run --quiet --collect --on-active=10 systemctl stop holder");
    let next = lab.fmp(&["apply", "--yes"]).exits(0);
    let named = format!("{node} still runs fmp-");
    assert!(next.err.contains(&named), "`fmp apply` does not name it: {}{}", next.out, next.err);
    let status = lab.fmp(&["status"]).out;
    assert!(!status.contains("which some fmp began"), "{status}");
}

/// Ctrl-C while a unit starts: it says that something is left, and ends with an error.
fn interrupted(lab: &Lab) {
    until("a run is interrupted", SOON, || {
        let run = Run::start(lab);
        let begun = |progress: &Progress| matches!(progress.news, News::StepStarted { .. });
        if run.events.iter().any(|progress| begun(&progress)) {
            run.signal("INT");
        }
        match run.ended() {
            Ended::ByItself { code: Some(1), said } if said.contains("its lease runs out by itself") => Err(said),
            Ended::ByItself { code, said } => {
                assert!(code == Some(1) && said.contains("`fmp plan` shows what is left"), "{code:?}: {said}");
                Ok(())
            }
            Ended::Killed { .. } => unreachable!("nobody killed it"),
        }
    });
}

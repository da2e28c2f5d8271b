//! What a script on a host answers.

use fmp_core::{Digest, NodeName};
use fmp_exec::{Applied, Effect, Failure, FailureKind, Retry, failure::Holdup, provider::Mismatch};
use fmp_plan::{Action, Step};

use crate::transport::Output;

/// How much of a program's complaint is passed on: its last lines name the cause.
const COMPLAINT_BYTES: usize = 2000;

/// What etcd says when a change of membership has to wait, as its own code words it
/// (<https://github.com/etcd-io/etcd/blob/v3.5.21/server/etcdserver/api/membership/errors.go>).
const PASSING: [&str; 5] = [
    "etcdserver: unhealthy cluster",
    "can only promote a learner member which is in sync with leader",
    "too many learner members in cluster",
    "not enough started members",
    "re-configuration failed",
];

/// What `kubectl drain` says of pods that stay
/// (<https://github.com/kubernetes/kubectl/blob/v0.29.15/pkg/drain/filters.go>).
const STAYING: [(&str, Holdup); 4] = [
    ("Pods with local storage", Holdup::LocalData),
    ("Pods that declare no controller", Holdup::Unmanaged),
    ("would violate the pod's disruption budget", Holdup::Budget),
    ("global timeout reached", Holdup::Slow),
];

/// Reads the answer, which is the output's last line.
pub(super) fn read(node: &NodeName, step: &Step, output: &Output) -> Result<Applied, Failure> {
    let text = output.text();
    let begun = text.lines().any(|line| line == "begun");
    let words: Vec<&str> = match text.lines().next_back().and_then(|line| line.strip_prefix("fmp\t")) {
        Some(answer) if output.success() => answer.split('\t').collect(),
        Some(_) | None => return Err(broke_off(node, step, output, begun)),
    };
    let host = || node.to_string();
    let untouched = |retry, kind| Err(Failure { effect: Effect::None, retry, kind, source: None });
    match words.as_slice() {
        ["done"] => Ok(Applied::Done),
        ["already-done"] => Ok(Applied::AlreadyDone),
        ["stale", what, expected, found] => {
            let what = format!("{node}: {what}");
            Ok(Applied::Stale(Mismatch { what, expected: in_words(expected), found: in_words(found) }))
        }
        ["fenced", newer] => {
            let newer = newer.parse().unwrap_or(u64::MAX);
            untouched(Retry::Never, FailureKind::Fenced { host: host(), newer })
        }
        ["busy"] => untouched(Retry::Later, FailureKind::Other(format!("another step keeps {node} busy"))),
        ["held", what] => {
            let kind = FailureKind::Other(format!("somebody else keeps {what} of {node} busy"));
            Err(Failure { effect: Effect::MayHaveHappened, retry: Retry::Later, kind, source: None })
        }
        ["torn"] => untouched(Retry::Later, FailureKind::Torn(host())),
        ["no-answer"] => {
            let kind = FailureKind::Other(format!("etcd does not answer {node}: {}", complaint(output)));
            untouched(Retry::Later, kind)
        }
        ["not-pulled"] => {
            let kind = FailureKind::Other(format!(
                "neither the image storage nor the image's own registry gives it to {node}: see that fmp-registry.service \
                 runs, and which images `fmp plan` would store, then run `fmp apply` again: {}",
                complaint(output)
            ));
            untouched(Retry::Later, kind)
        }
        ["no-room", path, needed] => {
            let needed = needed.parse().unwrap_or_default();
            untouched(Retry::Never, FailureKind::NoRoom { host: host(), path: (*path).to_owned(), needed })
        }
        _ => Err(broke_off(node, step, output, begun)),
    }
}

/// Digests as people and plans write them.
fn in_words(word: &str) -> String {
    Digest::from_hex(word).map_or_else(|_| word.to_owned(), |digest| digest.to_string())
}

fn complaint(output: &Output) -> String {
    let text = output.complaint();
    let from = text.len().saturating_sub(COMPLAINT_BYTES);
    text.char_indices().find(|(at, _)| *at >= from).map_or_else(String::new, |(at, _)| text[at..].to_owned())
}

fn broke_off(node: &NodeName, step: &Step, output: &Output, begun: bool) -> Failure {
    let stderr = complaint(output);
    if let Some(words) = PASSING.iter().find(|words| stderr.contains(*words)) {
        let kind = FailureKind::Other(format!("etcd refuses for now: {words}"));
        return Failure { effect: Effect::None, retry: Retry::Later, kind, source: None };
    }
    if let Some(failure) = undrained(&step.action, &stderr) {
        return failure;
    }
    let kind =
        FailureKind::Program { host: node.to_string(), program: step.id.to_string(), status: output.status, stderr };
    let effect = if begun { Effect::MayHaveHappened } else { Effect::None };
    Failure { effect, retry: Retry::Never, kind, source: None }
}

/// Which pods stay on a node that is to be drained, and why. Some may be gone already.
fn undrained(action: &Action, stderr: &str) -> Option<Failure> {
    let Action::DrainNode { node, .. } = action else { return None };
    let (words, by) = *STAYING.iter().find(|(words, _)| stderr.contains(words))?;
    let line = stderr.lines().find(|line| line.contains(words))?;
    // `... (use --force to override): default/one, default/two`, or `error when evicting pods/"one" -n "default" (...`.
    let pods = match line.split_once("override): ") {
        Some((_, pods)) => pods,
        None => line.split_once(" (will retry").map_or(line, |(pods, _)| pods),
    };
    let pods = pods.trim_start_matches("error when evicting ").trim_end_matches(']').to_owned();
    let retry = match by {
        Holdup::LocalData | Holdup::Unmanaged => Retry::Never,
        Holdup::Budget | Holdup::Slow => Retry::Later,
    };
    let kind = FailureKind::Undrained { node: node.to_string(), by, pods };
    Some(Failure { effect: Effect::MayHaveHappened, retry, kind, source: None })
}

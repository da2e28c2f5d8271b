//! Pods in trouble: which, where, and why as the API says it.

use fmp_core::observed::{Fact, PodSeen};
use fmp_exec::{Besides, Questions};

use super::{Answers, Unanswered, api::get};

/// Enough to see what is wrong; a whole cluster's pods are megabytes of JSON, so only these words are asked for. The message
/// comes last: it may hold anything.
const WORDS: &str = r#"jsonpath={range .items[*]}{.metadata.namespace}|{.metadata.name}|{.spec.nodeName}|{.metadata.deletionTimestamp}|{.status.phase}|{.status.initContainerStatuses[*].state.waiting.reason} {.status.containerStatuses[*].state.waiting.reason}|{.status.conditions[?(@.type=="PodScheduled")].message}{"\n"}{end}"#;

/// Told at most.
const MOST: usize = 50;

/// What a container waits for while nothing is wrong.
const USUAL: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// The line for the probe.
pub(super) fn question() -> String {
    get("pods", "pods --all-namespaces", WORDS)
}

/// Reads the answer.
pub(super) fn read(answers: &Answers, ask: &Questions) -> Fact<Vec<PodSeen>> {
    if ask.besides != Besides::Ailments {
        return Fact::Unknown("nobody asked".to_owned());
    }
    match answers.get("pods") {
        Ok(text) => Fact::Known(text.lines().filter_map(troubled).take(MOST).collect()),
        Err(Unanswered { why, .. }) => Fact::Unknown(why),
    }
}

fn troubled(line: &str) -> Option<PodSeen> {
    let [namespace, name, node, deleted, phase, waiting, message] = line.splitn(7, '|').collect::<Vec<_>>()[..] else {
        return None;
    };
    let waits = waiting.split_whitespace().find(|reason| !USUAL.contains(reason));
    let trouble = match (waits, deleted, phase, node) {
        (_, deleted, ..) if !deleted.is_empty() => "Terminating",
        (Some(reason), ..) => reason,
        // Without a message the scheduler has not come to it yet.
        (None, _, "Pending", "") if !message.is_empty() => "Unschedulable",
        (None, ..) => return None,
    };
    Some(PodSeen {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        node: (!node.is_empty()).then(|| node.to_owned()),
        trouble: trouble.to_owned(),
        message: message.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pods_in_trouble_are_told_with_the_reason() {
        let read = |line: &str| troubled(line).map(|pod| (pod.trouble, pod.node, pod.message));
        assert_eq!(read("shop|web-1|work-1||Running| |"), None);
        assert_eq!(read("shop|web-1|work-1||Pending| ContainerCreating|"), None);
        let on = Some("work-1".to_owned());
        let pull = read("shop|web-1|work-1||Pending| ErrImagePull|");
        assert_eq!(pull, Some(("ErrImagePull".into(), on.clone(), String::new())));
        let init = read("shop|web-1|work-1||Pending|CrashLoopBackOff PodInitializing|");
        assert_eq!(init.map(|(trouble, ..)| trouble).as_deref(), Some("CrashLoopBackOff"));
        assert_eq!(read("shop|web-1|||Pending| |"), None);
        let unbound = read("shop|web-1|||Pending| |0/3 nodes are available: 3 a|b");
        assert_eq!(unbound, Some(("Unschedulable".into(), None, "0/3 nodes are available: 3 a|b".into())));
        let ending = read("shop|web-1|work-1|2026-01-01T00:00:00Z|Running| |");
        assert_eq!(ending, Some(("Terminating".into(), on, String::new())));
        assert_eq!(read("garbled"), None);
    }
}

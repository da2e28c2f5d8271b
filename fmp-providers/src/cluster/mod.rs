//! etcd and the API, seen and changed through the mains' own programs.
//!
//! Owns what is asked and how the answers are read. One main is asked for all, another one for the first's apiserver,
//! which counts only when it answers from another host; the rest are asked only where that gave no answer.

mod api;
mod etcd;
mod health;
mod objects;
mod pods;
#[cfg(test)]
mod tests;
mod workloads;

pub(crate) use api::{CLUSTER_ID, DIGEST, MANAGED_BY};

use std::collections::{BTreeMap, BTreeSet};

use fmp_core::{
    NodeName,
    observed::{Api, Etcd, Fact},
    role::paths::inventory,
};
use fmp_exec::Questions;
use tokio::time::{Duration, timeout};

use crate::{
    hosts::{Managed, observe::sections::Sections, unreachable},
    transport::{Input, quote},
};

/// Runs the questions that are added to it.
const PROBE: &str = include_str!("probe.sh");

/// The programs end after ten seconds whatever they wait for; the connection gets as long again.
const DEADLINE: Duration = Duration::from_secs(20);

/// What the mains say of the cluster.
#[derive(Debug)]
pub(crate) struct Seen {
    /// etcd.
    pub(crate) etcd: Fact<Etcd>,
    /// The API.
    pub(crate) api: Fact<Api>,
}

/// A main that is asked.
type Main<'a> = (&'a NodeName, &'a Managed);

/// What one main says.
struct Answer {
    etcd: Fact<Etcd>,
    api: Fact<Api>,
    ready: BTreeMap<NodeName, Fact<bool>>,
}

impl From<Answer> for Seen {
    fn from(Answer { etcd, api, .. }: Answer) -> Self {
        Self { etcd, api }
    }
}

/// Asks the first main for all, and the others where it does not know.
pub(crate) async fn observe(mains: &[Main<'_>], questions: &Questions) -> Seen {
    let Some((first, others)) = mains.split_first() else { return unknown("there is no main to ask").into() };
    let witness = others.first().unwrap_or(first);
    let (answer, witnessed) = tokio::join!(full(first, mains, questions), ready_only(witness, first));
    let mut seen = Seen { etcd: answer.etcd, api: answer.api };
    let mut ready = answer.ready;
    merge(&mut ready, witnessed);
    if seen.etcd.known().is_none() || seen.api.known().is_none() {
        // Three mains are usual and seven are many: one after the other is slow only where several don't answer.
        for main in others {
            let answer = full(main, mains, questions).await;
            prefer_known(&mut seen.etcd, answer.etcd);
            prefer_known(&mut seen.api, answer.api);
            merge(&mut ready, answer.ready);
            if seen.etcd.known().is_some() && seen.api.known().is_some() {
                break;
            }
        }
    }
    seen.api = seen.api.map_known(|api| Api { ready, ..api });
    seen
}

/// Everything that one main can say: of its own apiserver it is no witness.
async fn full(main: &Main<'_>, mains: &[Main<'_>], questions: &Questions) -> Answer {
    let others: Vec<_> = mains.iter().filter(|other| other.0 != main.0).collect();
    let mut script = format!("{PROBE}{}{}", etcd::QUESTIONS, api::questions(questions));
    for other in &others {
        script.push_str(&ready_question(other));
    }
    let answer = match ask(main, script).await {
        Ok(answer) => answer,
        Err(why) => return unknown(&why),
    };
    let ready = others.iter().map(|other| (other.0.clone(), readiness(&answer, other.0))).collect();
    let api = match api::read(&answer, questions) {
        Fact::Known(api) => Fact::Known(with_noted(main, api, questions).await),
        api @ (Fact::Absent | Fact::Unknown(_)) => api,
    };
    Answer { etcd: etcd::read(&answer), api, ready }
}

/// Adds the objects of kinds that only the API itself remembers. What of them can't be listed (a webhook that is gone, say)
/// holds up nothing: it is not wanted by anybody.
async fn with_noted(main: &Main<'_>, mut api: Api, questions: &Questions) -> Api {
    let kinds = objects::noted(&api.objects, &questions.kinds);
    if kinds.is_empty() {
        return api;
    }
    let answer = ask(main, format!("{PROBE}{}", objects::questions(&kinds))).await;
    for kind in kinds {
        let key = inventory(&kind);
        let kind = BTreeSet::from([kind]);
        match answer.as_ref().map_err(Clone::clone).and_then(|answer| objects::read(answer, &kind)) {
            Ok(more) => api.objects.extend(more),
            Err(why) => _ = api.objects.insert(key, Fact::Unknown(why)),
        }
    }
    api
}

fn unknown(why: &str) -> Answer {
    Answer { etcd: Fact::Unknown(why.to_owned()), api: Fact::Unknown(why.to_owned()), ready: BTreeMap::new() }
}

async fn ready_only(witness: &Main<'_>, of: &Main<'_>) -> BTreeMap<NodeName, Fact<bool>> {
    let script = format!("{PROBE}{}", ready_question(of));
    let fact = ask(witness, script).await.map_or_else(Fact::Unknown, |answer| readiness(&answer, of.0));
    BTreeMap::from([(of.0.clone(), fact)])
}

fn ready_question((node, host): &Main<'_>) -> String {
    format!("api {} {}:{} get --raw=/readyz\n", quote(&format!("ready-{node}")), host.address, api::PORT)
}

fn readiness(answer: &Answers, node: &NodeName) -> Fact<bool> {
    match answer.get(&format!("ready-{node}")) {
        Ok(text) => Fact::Known(text.trim() == "ok"),
        Err(Unanswered { status: Some(1), .. }) => Fact::Known(false),
        Err(Unanswered { why, .. }) => Fact::Unknown(why),
    }
}

/// Two witnesses that disagree know nothing.
fn merge(ready: &mut BTreeMap<NodeName, Fact<bool>>, more: BTreeMap<NodeName, Fact<bool>>) {
    for (node, fact) in more {
        match ready.get_mut(&node) {
            Some(Fact::Known(one)) if fact.known().is_some_and(|other| other != one) => {
                ready.insert(node, Fact::Unknown("its apiserver answers some mains and not others".to_owned()));
            }
            Some(Fact::Known(_)) => {}
            Some(_) | None => _ = ready.insert(node, fact),
        }
    }
}

fn prefer_known<T>(fact: &mut Fact<T>, other: Fact<T>) {
    if fact.known().is_none() && other.known().is_some() {
        *fact = other;
    }
}

/// The answers of one main, by question, and what all programs complained of.
struct Answers(BTreeMap<String, (i32, String)>, String);

/// Why a question has no answer.
struct Unanswered {
    status: Option<i32>,
    why: String,
}

impl Answers {
    /// What the program printed, where it ended well.
    fn get(&self, question: &str) -> Result<&str, Unanswered> {
        match self.printed(question) {
            Some((0, text)) => Ok(text),
            Some((127, _)) => Err(Unanswered { status: Some(127), why: "its programs are not there yet".to_owned() }),
            Some((status, _)) => Err(Unanswered { status: Some(status), why: self.complaint(question) }),
            None => Err(Unanswered { status: None, why: "the answer broke off".to_owned() }),
        }
    }

    /// What the program printed, however it ended.
    fn printed(&self, question: &str) -> Option<(i32, &str)> {
        self.0.get(question).map(|(status, text)| (*status, text.as_str()))
    }

    /// The last line that the question's program complained of: the ones before it are about its attempts.
    fn complaint(&self, question: &str) -> String {
        let mut lines = self.1.lines().filter_map(|line| line.strip_prefix(question)?.strip_prefix(": "));
        let last = lines.rfind(|line| !line.trim().is_empty());
        last.map_or_else(|| "its program failed without a word".to_owned(), |line| line.chars().take(200).collect())
    }
}

async fn ask((node, host): &Main<'_>, mut script: String) -> Result<Answers, String> {
    script.push_str("wait\nprintf '\\n== end\\n'\n");
    let run = host.transport.run("sh", &["-c", r#"eval "$(cat)""#], Input::Bytes(script.into_bytes()));
    let output = timeout(DEADLINE, run).await.map_err(|_| format!("{node} did not answer in time"))?;
    let output = output.map_err(|error| unreachable(&error))?;
    let text = output.text();
    let sections = Sections::parse(&text).map_err(|error| format!("{node}: {error}"))?;
    let mut answers = BTreeMap::new();
    for name in sections.names().filter(|name| *name != "end") {
        let mut lines: Vec<&str> = sections.lines(name).collect();
        let status = lines.pop().and_then(|line| line.strip_prefix("status ")).and_then(|word| word.parse().ok());
        let status = status.ok_or_else(|| format!("{node}: the answer about {name} is garbled"))?;
        answers.insert(name.to_owned(), (status, lines.join("\n")));
    }
    Ok(Answers(answers, output.complaint().into_owned()))
}

//! What every provider of hosts must do, as checks that run against any of them.
//!
//! Each check panics with what it saw. Whoever writes a provider makes a [`Bed`] of it and runs [`all`]. The checks use
//! text files alone: whoever carries those out as told has compared, noted and replaced as every other action must.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use fmp_core::{
    Digest, NodeName,
    observed::{Fact, Host},
    resource::{Check, Holding},
};
use fmp_exec::{
    Applied, Context, Effect, Failure, FailureKind, Provider, Retry, Task, Watched,
    provider::{HostQuestions, Questions},
};
use fmp_plan::{
    Step,
    action::{Action, Before, FileRemoval, FileWrite},
    step::{StepId, Subject},
};
use tokio::time::timeout;

/// A provider and the world that it works on.
pub trait Bed: Send + Sync {
    /// The provider under test.
    fn provider(&self) -> &dyn Provider;

    /// A host of it that answers and belongs to no cluster.
    fn node(&self) -> NodeName;

    /// A host of it that does not answer.
    fn silent(&self) -> NodeName;

    /// A check that holds on [`Self::node`].
    fn holds(&self) -> Check;

    /// A check that can't come to hold, where that is said within a minute.
    fn never_holds(&self) -> Option<Check>;

    /// Everything on [`Self::node`] that an observation must leave as it is, in words.
    fn state(&self) -> Task<'_, String>;
}

/// The epoch of the checks. Each leaves it noted on the host.
const EPOCH: u64 = 1_000;

/// Where the checks write.
const FOLDER: &str = "/etc/fmp-conformance";

/// Every check.
pub async fn all(bed: &dyn Bed) {
    observation_answers_everything_and_writes_nothing(bed).await;
    what_was_done_is_already_done(bed).await;
    another_state_is_stale_and_untouched(bed).await;
    one_stale_part_leaves_all_untouched(bed).await;
    a_silent_host_is_tried_later(bed).await;
    a_watch_holds_or_says_what_it_saw(bed).await;
    dropping_tears_nothing(bed).await;
    an_older_run_is_fenced(bed).await;
}

/// Of several providers, each subject has exactly one.
pub fn claims_are_exclusive(providers: &[&dyn Provider], subjects: &[Subject]) {
    for subject in subjects {
        let claims = providers.iter().filter(|provider| provider.claims(subject)).count();
        assert_eq!(claims, 1, "{subject:?} is claimed by {claims} providers");
    }
}

/// Each host and each path that was asked for has an answer, and looking changed nothing.
pub async fn observation_answers_everything_and_writes_nothing(bed: &dyn Bed) {
    let node = bed.node();
    let there = file("answered");
    write(bed, EPOCH, &[(&there, "there\n", Before::Absent)]).await.unwrap_or_else(|why| panic!("{why}"));
    let missing = file("missing");
    let ask = HostQuestions {
        files: [(there.as_str().into(), Digest::of("there\n")), (missing.as_str().into(), Digest::of(""))].into(),
        programs: [missing.as_str().into()].into(),
        certificates: [Arc::from(file("missing.crt"))].into(),
        keys: [Arc::from(file("missing.key"))].into(),
        trust: Holding::ALL.into(),
        units: ["fmp-conformance.service".into()].into(),
        ..HostQuestions::default()
    };
    let hosts = [(node.clone(), ask.clone()), (bed.silent(), ask.clone())];
    // A cache of what was read may be filled by the first look.
    let questions = Questions { hosts: hosts.into(), ..Questions::default() };
    let cx = context(EPOCH, &[]);
    let first = bed.provider().observe(&cx, &questions).await;
    let before = bed.state().await;
    let second = bed.provider().observe(&cx, &questions).await;
    assert_eq!(bed.state().await, before, "looking changed something");
    let (one, other) = (first.hosts.keys().collect::<Vec<_>>(), second.hosts.keys().collect::<Vec<_>>());
    assert_eq!(one, other, "two looks answer about different hosts");
    let silent = second.hosts.get(&bed.silent());
    assert!(matches!(silent, Some(Fact::Unknown(_))), "a host that does not answer is unknown, not {silent:?}");
    let host = known(second.hosts.get(&node));
    let digest = host.files.get(&there).and_then(Fact::known).and_then(|seen| seen.digest);
    assert_eq!(digest, Some(Digest::of("there\n")), "{:?}", host.files.get(&there));
    absent(&host.files, [&missing, &file("missing.key")]);
    absent(&host.certificates, [&file("missing.crt")]);
    absent(&host.units, [&"fmp-conformance.service".to_owned()]);
    let secrets = Holding::ALL.iter().filter_map(|what| what.private_path()).map(str::to_owned);
    absent(&host.secrets, &secrets.collect::<Vec<_>>());
    assert_eq!(host.cluster_id, Fact::Absent, "the bed's host belongs to nobody");
}

/// The same step once more finds nothing left to do.
pub async fn what_was_done_is_already_done(bed: &dyn Bed) {
    let path = file("twice");
    for expected in [Applied::Done, Applied::AlreadyDone] {
        let applied = write(bed, EPOCH, &[(&path, "twice\n", Before::Absent)]).await;
        assert_eq!(applied.unwrap_or_else(|why| panic!("{why}")), expected);
        assert_eq!(digest(bed, &path).await, Some(Digest::of("twice\n")));
    }
}

/// What is neither as expected nor as wanted is named and stays.
pub async fn another_state_is_stale_and_untouched(bed: &dyn Bed) {
    let path = file("stale");
    write(bed, EPOCH, &[(&path, "by hand\n", Before::Absent)]).await.unwrap_or_else(|why| panic!("{why}"));
    let before = bed.state().await;
    for expected in [Before::Absent, Before::Digest(Digest::of("another\n"))] {
        stale(write(bed, EPOCH, &[(&path, "ours\n", expected)]).await, &path);
    }
    let remove = Action::WriteFiles { files: Vec::new(), remove: vec![removal(&path, "another\n")] };
    stale(apply(bed, &bed.node(), EPOCH, remove, &[]).await, &path);
    assert_eq!(digest(bed, &path).await, Some(Digest::of("by hand\n")));
    assert_eq!(bed.state().await, before, "a stale step changed something");
}

/// A step is all or nothing.
pub async fn one_stale_part_leaves_all_untouched(bed: &dyn Bed) {
    let (good, bad) = (file("part-good"), file("part-stale"));
    write(bed, EPOCH, &[(&bad, "by hand\n", Before::Absent)]).await.unwrap_or_else(|why| panic!("{why}"));
    let before = bed.state().await;
    let parts = [(good.as_str(), "ours\n", Before::Absent), (bad.as_str(), "ours\n", Before::Absent)];
    stale(write(bed, EPOCH, &parts).await, &bad);
    assert_eq!(digest(bed, &good).await, None, "one part was made although another was stale");
    assert_eq!(bed.state().await, before, "a stale step changed something");
}

/// Nothing happened, and it may go better later.
pub async fn a_silent_host_is_tried_later(bed: &dyn Bed) {
    let (action, texts) = writing(&[(&file("silent"), "silent\n", Before::Absent)]);
    let failure = failed(apply(bed, &bed.silent(), EPOCH, action, &texts).await);
    assert_eq!((failure.effect, failure.retry), (Effect::None, Retry::Later), "{failure}");
}

/// A run that a newer one has replaced changes nothing; the newer one goes on.
pub async fn an_older_run_is_fenced(bed: &dyn Bed) {
    let path = file("fenced");
    write(bed, EPOCH + 1, &[(&path, "newer\n", Before::Absent)]).await.unwrap_or_else(|why| panic!("{why}"));
    let before = bed.state().await;
    let older = Before::Digest(Digest::of("newer\n"));
    let failure = failed(write(bed, EPOCH, &[(&path, "older\n", older)]).await);
    let FailureKind::Fenced { newer, .. } = failure.kind else { panic!("not fenced: {failure}") };
    assert_eq!((newer, failure.effect, failure.retry), (EPOCH + 1, Effect::None, Retry::Never));
    assert_eq!(bed.state().await, before, "a fenced step changed something");
    let again = write(bed, EPOCH + 1, &[(&path, "newer\n", Before::Absent)]).await;
    assert_eq!(again.unwrap_or_else(|why| panic!("{why}")), Applied::AlreadyDone);
}

/// What holds is said at once; what does not is said with the last state.
pub async fn a_watch_holds_or_says_what_it_saw(bed: &dyn Bed) {
    let cx = context(EPOCH, &[]);
    let held = bed.provider().watch(&cx, &bed.holds()).await;
    assert!(matches!(held, Ok(Watched::Holds)), "{held:?}");
    let Some(check) = bed.never_holds() else { return };
    let failure = match bed.provider().watch(&cx, &check).await {
        Ok(Watched::Holds) => panic!("{check:?} can't hold"),
        Err(failure) => failure,
    };
    let FailureKind::Deadline { last, .. } = &failure.kind else { panic!("no deadline: {failure}") };
    assert!(!last.is_empty(), "{failure}: the last state is not told");
}

/// Whoever stops waiting for a step leaves the old file or the new one, never half of it; the step can be done again.
pub async fn dropping_tears_nothing(bed: &dyn Bed) {
    let path = file("dropped");
    let texts = [text('a'), text('b')];
    let wanted = texts.each_ref().map(Digest::of);
    write(bed, EPOCH, &[(&path, &texts[0], Before::Absent)]).await.unwrap_or_else(|why| panic!("{why}"));
    let mut now = 0;
    for wait_ms in [0, 1, 3, 10, 30, 100, 300] {
        let change = [(path.as_str(), texts[1 - now].as_str(), Before::Digest(wanted[now]))];
        // Cut off or not: both are good.
        _ = timeout(Duration::from_millis(wait_ms), write(bed, EPOCH, &change)).await;
        let found = digest(bed, &path).await;
        assert!(found.is_some_and(|found| wanted.contains(&found)), "torn after {wait_ms} ms: {found:?}");
        // What is still under way ends before, or finds nothing left to do.
        write(bed, EPOCH, &change).await.unwrap_or_else(|why| panic!("after {wait_ms} ms: {why}"));
        assert_eq!(digest(bed, &path).await, Some(wanted[1 - now]), "after {wait_ms} ms");
        now = 1 - now;
    }
    // The next change of that folder sweeps what was left in the middle, and nothing of ours stays.
    let last = Action::WriteFiles { files: Vec::new(), remove: vec![removal(&path, &texts[now])] };
    apply(bed, &bed.node(), EPOCH, last, &[]).await.unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(digest(bed, &path).await, None);
    let state = bed.state().await;
    assert!(!state.contains(".fmp-tmp-"), "something half-written stayed: {state}");
}

fn file(name: &str) -> String {
    format!("{FOLDER}/{name}")
}

/// Large enough to be cut off in the middle.
fn text(letter: char) -> String {
    let mut text = letter.to_string().repeat(4 << 20);
    text.push('\n');
    text
}

fn context(epoch: u64, texts: &[&str]) -> Context {
    let texts: BTreeMap<Digest, Arc<str>> = texts.iter().map(|text| (Digest::of(text), Arc::from(*text))).collect();
    Context { epoch, texts: Arc::new(texts), ..Context::default() }
}

/// The action that writes these files, and its texts.
fn writing<'a>(files: &[(&str, &'a str, Before)]) -> (Action, Vec<&'a str>) {
    let one = |(path, text, before): &(&str, &str, Before)| FileWrite {
        path: Arc::from(*path),
        mode: 0o644,
        content: Digest::of(text),
        before: *before,
    };
    let action = Action::WriteFiles { files: files.iter().map(one).collect(), remove: Vec::new() };
    (action, files.iter().map(|(_, text, _)| *text).collect())
}

fn removal(path: &str, text: &str) -> FileRemoval {
    FileRemoval { path: path.into(), before: Digest::of(text) }
}

async fn write(bed: &dyn Bed, epoch: u64, files: &[(&str, &str, Before)]) -> Result<Applied, Failure> {
    let (action, texts) = writing(files);
    apply(bed, &bed.node(), epoch, action, &texts).await
}

async fn apply(bed: &dyn Bed, node: &NodeName, epoch: u64, action: Action, texts: &[&str]) -> Result<Applied, Failure> {
    let step = Step {
        id: StepId::new(format!("{node}/conformance")),
        subject: Subject::Host(node.clone()),
        action,
        after: Vec::new(),
        unit: None,
        disrupts: BTreeSet::new(),
        watch: None,
        reason: String::new(),
    };
    bed.provider().apply(&context(epoch, texts), &step).await
}

#[track_caller]
fn stale(applied: Result<Applied, Failure>, path: &str) {
    match applied {
        Ok(Applied::Stale(mismatch)) => {
            assert!(mismatch.what.contains(path), "{path} is not named: {mismatch}");
            assert!(!mismatch.found.is_empty() && !mismatch.expected.is_empty(), "{mismatch}");
        }
        other => panic!("{path} was not stale: {other:?}"),
    }
}

#[track_caller]
fn failed(applied: Result<Applied, Failure>) -> Failure {
    match applied {
        Err(failure) => failure,
        Ok(applied) => panic!("it did not fail: {applied:?}"),
    }
}

#[track_caller]
fn known(fact: Option<&Fact<Host>>) -> &Host {
    match fact {
        Some(Fact::Known(host)) => host,
        other => panic!("the bed's host does not answer: {other:?}"),
    }
}

/// What was asked for and is not there is known not to be there.
#[track_caller]
fn absent<'a, T: std::fmt::Debug>(facts: &BTreeMap<String, Fact<T>>, paths: impl IntoIterator<Item = &'a String>) {
    for path in paths {
        assert!(matches!(facts.get(path), Some(Fact::Absent)), "{path} is absent, not {:?}", facts.get(path));
    }
}

/// The digest of a file as an observation tells it.
async fn digest(bed: &dyn Bed, path: &str) -> Option<Digest> {
    let ask = HostQuestions { files: [(path.into(), Digest::of("other"))].into(), ..HostQuestions::default() };
    let questions = Questions { hosts: [(bed.node(), ask)].into(), ..Questions::default() };
    let seen = bed.provider().observe(&context(EPOCH, &[]), &questions).await;
    let host = known(seen.hosts.get(&bed.node()));
    match host.files.get(path) {
        Some(Fact::Known(seen)) => Some(seen.digest.unwrap_or_else(|| panic!("{path} was not read"))),
        Some(Fact::Absent) => None,
        other => panic!("{path} has no answer: {other:?}"),
    }
}

#[cfg(test)]
mod tests;

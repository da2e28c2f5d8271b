//! How long steps of `fmp apply` took on real machines: the committed table, and how one is made of what runs told.
//!
//! Rehearsals take their estimate from it. Each row is the median of one kind of step with one thing, such as the restart
//! of one unit: until the change was made, and from then until its watch held.

use std::{collections::BTreeMap, fmt::Write as _, sync::LazyLock};

use fmp_exec::{ActionKind, Progress, progress::News};
use fmp_plan::{Action, Plan, StepId};
use serde::Deserialize;

const TABLE: &str = include_str!("../data/step-times.toml");

/// What a row is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// What is done.
    pub kind: ActionKind,
    /// To what: a unit, a program, an image, a kind of object; empty where the kind says all.
    pub what: String,
}

impl Key {
    /// The row of an action.
    pub fn of(action: &Action) -> Self {
        let what = match action {
            Action::Upload { name, .. } => name,
            Action::StartUnit { unit } | Action::RestartUnit { unit, .. } | Action::ReloadUnit { unit } => unit,
            Action::StopUnits { units } => units.first().map_or("", |unit| unit),
            Action::ImportImage { reference, .. }
            | Action::StoreImage { reference, .. }
            | Action::PullImage { reference, .. } => reference.split([':', '@']).next().unwrap_or_default(),
            Action::ApplyObject { key, .. } => key.split('/').next().unwrap_or_default(),
            Action::CreateMachine { .. }
            | Action::StartMachine
            | Action::EstablishTrust { .. }
            | Action::WriteFiles { .. }
            | Action::IssueCertificates { .. }
            | Action::EnableUnit { .. }
            | Action::BootstrapEtcd { .. }
            | Action::RemoveEtcdMember { .. }
            | Action::AddEtcdLearner { .. }
            | Action::StartEtcdLearner { .. }
            | Action::PromoteEtcdLearner { .. }
            | Action::InstallPackages { .. }
            | Action::MakeVolume { .. }
            | Action::MountVolume { .. }
            | Action::GrowVolume { .. }
            | Action::CordonNode { .. }
            | Action::DrainNode { .. }
            | Action::UncordonNode { .. }
            | Action::DeleteNode { .. }
            | Action::ApplyNode { .. }
            | Action::DeleteObject { .. } => "",
        };
        Self { kind: ActionKind::of(action), what: what.to_owned() }
    }
}

/// How long a step takes, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepTime {
    /// Until the change was made.
    pub applied_ms: u64,
    /// From then until its watch held.
    pub watched_ms: u64,
}

/// The table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StepTimes(BTreeMap<Key, StepTime>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    step: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    kind: ActionKind,
    #[serde(default)]
    what: String,
    applied: u64,
    #[serde(default)]
    watched: u64,
    #[expect(dead_code, reason = "for whoever reads the table")]
    samples: u64,
}

impl StepTimes {
    /// What was measured.
    ///
    /// # Panics
    /// Never: a test reads the table.
    pub fn measured() -> &'static Self {
        static MEASURED: LazyLock<StepTimes> =
            LazyLock::new(|| StepTimes::parse(TABLE).unwrap_or_else(|why| unreachable!("{why}")));
        &MEASURED
    }

    fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let row = |row: Row| {
            let time = StepTime { applied_ms: row.applied, watched_ms: row.watched };
            (Key { kind: row.kind, what: row.what }, time)
        };
        Ok(Self(toml::from_str::<File>(text)?.step.into_iter().map(row).collect()))
    }

    /// How long a step takes; of something that was never measured, what is usual for its kind.
    pub fn of(&self, action: &Action) -> Option<StepTime> {
        let key = Key::of(action);
        self.0.get(&key).copied().or_else(|| {
            let kind = self.0.iter().filter(|(other, _)| other.kind == key.kind).map(|(_, time)| *time);
            middle(&kind.collect::<Vec<_>>())
        })
    }

    /// How long a unit takes until it answers, once it was started: with all others of a new cluster, or as a single one
    /// of a cluster that has others of its name.
    pub fn unit(&self, name: &str, has_others: bool) -> Option<u64> {
        let of = |kind| self.0.get(&Key { kind, what: name.to_owned() });
        let (new, again) = (of(ActionKind::StartUnit), of(ActionKind::RestartUnit));
        let time = if has_others { again.or(new) } else { new.or(again) };
        time.map(|time| time.watched_ms)
    }
}

/// The one in the middle, by each of both times.
fn middle(times: &[StepTime]) -> Option<StepTime> {
    let of = |part: fn(&StepTime) -> u64| {
        let mut all: Vec<u64> = times.iter().map(part).collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied()
    };
    Some(StepTime { applied_ms: of(|time| time.applied_ms)?, watched_ms: of(|time| time.watched_ms)? })
}

/// What runs told, by row.
#[derive(Debug, Default)]
pub struct Tally(BTreeMap<Key, Vec<StepTime>>);

impl Tally {
    /// Adds what a run of `plan` told. Steps that found nothing to do say nothing, and are left out.
    pub fn add<'a>(&mut self, plan: &Plan, news: impl IntoIterator<Item = &'a Progress>) {
        let actions: BTreeMap<&StepId, &Action> = plan.steps.iter().map(|step| (&step.id, &step.action)).collect();
        let mut applied: BTreeMap<&StepId, u64> = BTreeMap::new();
        for progress in news {
            match &progress.news {
                News::StepApplied { step, millis } => _ = applied.insert(step, *millis),
                News::StepFinished { step, already_done: false, millis, .. } => {
                    let Some(action) = actions.get(step) else { continue };
                    let applied_ms = applied.get(step).copied().unwrap_or(*millis);
                    let watched_ms = millis.saturating_sub(applied_ms);
                    self.0.entry(Key::of(action)).or_default().push(StepTime { applied_ms, watched_ms });
                }
                News::RunStarted { .. }
                | News::SlotTaken { .. }
                | News::SlotReturned { .. }
                | News::StepStarted { .. }
                | News::StepPostponed { .. }
                | News::StepFinished { .. }
                | News::StepRetry { .. }
                | News::StepFailed { .. }
                | News::StepStale { .. }
                | News::RunInterrupted { .. }
                | News::RunFinished { .. } => {}
            }
        }
    }

    /// The table as it is committed, a row a line group.
    pub fn table(&self) -> String {
        let mut out = String::new();
        for (key, times) in &self.0 {
            let Some(StepTime { applied_ms, watched_ms }) = middle(times) else { continue };
            let kind = toml::Value::try_from(key.kind).map_or_else(|_| String::new(), |kind| kind.to_string());
            _ = write!(out, "[[step]]\nkind = {kind}\n");
            if !key.what.is_empty() {
                _ = writeln!(out, "what = \"{}\"", key.what);
            }
            _ = write!(out, "applied = {applied_ms}\nwatched = {watched_ms}\nsamples = {}\n\n", times.len());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use fmp_core::{Digest, spec::Environment};
    use fmp_exec::Millis;
    use fmp_plan::plan::Basis;

    use super::*;

    fn restart(unit: &str) -> Action {
        Action::RestartUnit { unit: unit.into(), before: fmp_plan::action::UnitBefore::Active }
    }

    fn empty() -> Plan {
        Plan {
            format: fmp_plan::plan::FORMAT,
            cluster: "test".into(),
            environment: Environment::Ssh,
            basis: Basis { spec: Digest::of("spec"), bundle: Digest::of("bundle"), facts: Vec::new() },
            changes: Vec::new(),
            steps: Vec::new(),
            waiting: Vec::new(),
            notes: Vec::new(),
            consents: [].into(),
            budgets: BTreeMap::new(),
            texts: BTreeMap::new(),
        }
    }

    #[test]
    fn the_committed_table_is_read_and_knows_what_every_plan_does() {
        let times = StepTimes::measured();
        for unit in ["kube-apiserver.service", "kubelet.service", "containerd.service"] {
            assert!(times.0.keys().any(|key| key.what == unit), "{unit}");
        }
        let kinds =
            [ActionKind::BootstrapEtcd, ActionKind::Upload, ActionKind::IssueCertificates, ActionKind::WriteFiles];
        assert!(kinds.iter().all(|kind| times.0.keys().any(|key| key.kind == *kind)));
        assert!(times.of(&restart("kube-apiserver.service")).is_some_and(|time| time.applied_ms > 0));
    }

    #[test]
    fn what_was_never_measured_takes_what_is_usual_for_its_kind() {
        let text = "[[step]]\nkind = 'restart-unit'\nwhat = 'a.service'\napplied = 10\nwatched = 1\nsamples = 1\n\
                    [[step]]\nkind = 'restart-unit'\nwhat = 'b.service'\napplied = 30\nwatched = 3\nsamples = 1\n\
                    [[step]]\nkind = 'restart-unit'\nwhat = 'c.service'\napplied = 20\nwatched = 2\nsamples = 1\n";
        let times = StepTimes::parse(text).unwrap();
        assert_eq!(times.of(&restart("b.service")), Some(StepTime { applied_ms: 30, watched_ms: 3 }));
        assert_eq!(times.of(&restart("z.service")), Some(StepTime { applied_ms: 20, watched_ms: 2 }));
        assert_eq!(times.of(&Action::StartMachine), None);
        assert_eq!(times.unit("a.service", false), Some(1));
    }

    #[test]
    fn a_table_is_made_of_what_runs_told() {
        let id = StepId::new("main-1/unit/a.service");
        let step = fmp_plan::Step {
            id: id.clone(),
            subject: fmp_plan::step::Subject::Host("main-1".parse().unwrap()),
            action: restart("a.service"),
            after: Vec::new(),
            unit: None,
            disrupts: [].into(),
            watch: None,
            reason: String::new(),
        };
        let plan = Plan { steps: vec![step], ..empty() };
        let told = |applied, finished| {
            let at = Millis::default();
            let kind = ActionKind::RestartUnit;
            [
                Progress { at, news: News::StepApplied { step: id.clone(), millis: applied } },
                Progress {
                    at,
                    news: News::StepFinished { step: id.clone(), kind, already_done: false, millis: finished },
                },
            ]
        };
        let mut tally = Tally::default();
        for (applied, finished) in [(10, 15), (90, 99), (20, 22)] {
            tally.add(&plan, &told(applied, finished));
        }
        let table = tally.table();
        assert!(table.contains("samples = 3"), "{table}");
        let read = StepTimes::parse(&table).unwrap();
        assert_eq!(read.of(&restart("a.service")), Some(StepTime { applied_ms: 20, watched_ms: 5 }));
    }
}

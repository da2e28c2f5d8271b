//! The journal: one JSON object a line, appended while a run goes on.
//!
//! A hint for people and for estimates, never truth: what a cluster is like is observed. A line that was torn by a crash
//! is left out, and so is one that this version can't read.

use fmp_core::Digest;
use fmp_plan::StepId;
use serde::{Deserialize, Serialize};

use crate::{Progress, progress::News};

/// The one format that this version writes.
pub const FORMAT: u32 = 1;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// A run begins.
    Run(Header),
    /// Something happened in it.
    Progress(Progress),
}

/// Which run it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`].
    pub format: u32,
    /// The cluster's name.
    pub cluster: String,
    /// Digest of the plan's file.
    pub plan: Digest,
    /// The run's epoch; 0 where it began before there was a main to hold a lease on.
    pub epoch: u64,
    /// When it began: seconds since 1970 by the operator's clock.
    pub began: i64,
}

impl Line {
    /// The line as text, its end included.
    ///
    /// # Panics
    /// Never: a line has no map whose keys are not text.
    pub fn encode(&self) -> String {
        let mut text = serde_json::to_string(self).expect("a line is plain data");
        text.push('\n');
        text
    }

    const fn header(&self) -> Option<&Header> {
        match self {
            Self::Run(header) => Some(header),
            Self::Progress(_) => None,
        }
    }
}

/// Every line of a journal that can be read, in order.
pub fn read(text: &str) -> Vec<Line> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The last run: its header and what happened in it.
pub fn last_run(lines: &[Line]) -> Option<(&Header, impl Iterator<Item = &Progress>)> {
    let header = lines.iter().rev().find_map(Line::header)?;
    let ours = lines.iter().rev().take_while(|line| line.header().is_none()).count();
    let progress = lines[lines.len() - ours..].iter().filter_map(|line| match line {
        Line::Progress(progress) => Some(progress),
        Line::Run(_) => None,
    });
    Some((header, progress))
}

/// Steps that began and of whose end nothing is written: where to look first after a crash.
pub fn unfinished<'a>(progress: impl Iterator<Item = &'a Progress>) -> Vec<&'a StepId> {
    let mut open = Vec::new();
    for Progress { news, .. } in progress {
        match news {
            News::StepStarted { step, .. } => open.push(step),
            News::StepFinished { step, .. } | News::StepFailed { step, .. } | News::StepStale { step, .. } => {
                open.retain(|other| *other != step);
            }
            News::RunStarted { .. }
            | News::SlotTaken { .. }
            | News::SlotReturned { .. }
            | News::StepPostponed { .. }
            | News::StepApplied { .. }
            | News::StepRetry { .. }
            | News::RunInterrupted { .. }
            | News::RunFinished { .. } => {}
        }
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ActionKind, Effect, FailureSummary, Millis, Mismatch, Retry};

    fn header(epoch: u64) -> Line {
        let plan = Digest::of("plan");
        Line::Run(Header { format: FORMAT, cluster: "test".into(), plan, epoch, began: 1_700_000_000 })
    }

    fn progress(news: News) -> Line {
        Line::Progress(Progress { at: Millis(7), news })
    }

    fn started(step: &str) -> Line {
        progress(News::StepStarted { step: StepId::new(step), kind: ActionKind::Upload })
    }

    fn finished(step: &str) -> Line {
        let (step, kind) = (StepId::new(step), ActionKind::Upload);
        progress(News::StepFinished { step, kind, already_done: false, millis: 3 })
    }

    fn journal(lines: &[Line]) -> String {
        lines.iter().map(Line::encode).collect()
    }

    #[test]
    fn a_journal_reads_what_it_writes() {
        let why = FailureSummary {
            effect: Effect::MayHaveHappened,
            retry: Retry::Later,
            what: "main-1 can't be reached".into(),
            causes: vec!["a line\nbreak".into()],
        };
        let step = StepId::new("main-1/etcd");
        let fact = Mismatch { what: "x".into(), expected: "absent".into(), found: "a file".into() };
        let lines = [
            header(1),
            started("main-1/etcd"),
            progress(News::StepRetry { step: step.clone(), tried: 1, pause_ms: 500, why }),
            progress(News::StepStale { step, fact }),
        ];
        let text = journal(&lines);
        assert_eq!(text.lines().count(), lines.len());
        assert_eq!(read(&text), lines);
    }

    #[test]
    fn a_torn_last_line_is_left_out() {
        let text = journal(&[header(1), started("a")]);
        assert_eq!(read(&text[..text.len() - 9]), [header(1)]);
    }

    #[test]
    fn a_line_of_another_version_is_left_out() {
        let text = format!("{}{{\"news\":\"from the future\"}}\n{}", header(1).encode(), started("a").encode());
        assert_eq!(read(&text), [header(1), started("a")]);
    }

    #[test]
    fn what_the_last_run_left_open_is_named() {
        let lines = [header(1), started("z"), header(2), started("a"), started("b"), finished("a")];
        let (Header { epoch, .. }, progress) = last_run(&lines).unwrap();
        assert_eq!(*epoch, 2);
        assert_eq!(unfinished(progress), [&StepId::new("b")]);
    }
}

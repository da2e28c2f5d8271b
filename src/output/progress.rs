//! What happens during `fmp apply`: bars on a terminal, plain lines elsewhere, JSON where asked.

use std::{collections::BTreeMap, io::IsTerminal as _, sync::Mutex, time::Duration};

use fmp_exec::{Progress, progress::News};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Shows progress to whoever looks.
#[derive(Debug)]
pub(crate) enum Show {
    /// One JSON object a line on standard output.
    Json,
    /// One line a finished step on standard error.
    Plain,
    /// A bar for all, a line for each node.
    Bars(Bars),
}

/// Bars on a terminal.
#[derive(Debug)]
pub(crate) struct Bars {
    all: MultiProgress,
    total: ProgressBar,
    nodes: Mutex<BTreeMap<String, Line>>,
}

/// What one node does now.
#[derive(Debug)]
struct Line {
    bar: ProgressBar,
    steps: Vec<String>,
}

impl Show {
    /// What fits: JSON where asked, bars on a terminal, plain lines otherwise.
    pub(crate) fn new(json: bool) -> Self {
        match (json, std::io::stderr().is_terminal()) {
            (true, _) => Self::Json,
            (false, true) => Self::Bars(Bars::new()),
            (false, false) => Self::Plain,
        }
    }

    /// Shows one piece of news.
    pub(crate) fn tell(&self, progress: &Progress) {
        match self {
            Self::Json => {
                if let Ok(line) = serde_json::to_string(progress) {
                    super::print(&format!("{line}\n"));
                }
            }
            Self::Plain => {
                if let Some(line) = plain(&progress.news) {
                    super::note(&format!("{:>6.1} s  {line}", seconds(progress.at.0)));
                }
            }
            Self::Bars(bars) => bars.tell(&progress.news),
        }
    }
}

/// A line for a log. What begins is not told: it ends soon enough, and twice as many lines help nobody.
fn plain(news: &News) -> Option<String> {
    Some(match news {
        News::RunStarted { steps } => format!("{steps} steps"),
        News::SlotTaken { unit } => format!("{} is disrupted now", unit.node),
        News::SlotReturned { unit } => format!("{} is whole again", unit.node),
        News::StepStarted { .. } | News::StepApplied { .. } => return None,
        News::StepPostponed { step, why, .. } => format!("{step} waits until {why}"),
        News::StepFinished { step, already_done: true, .. } => format!("{step} had been done"),
        News::StepFinished { step, millis, .. } => format!("{step} done in {:.1} s", seconds(*millis)),
        News::StepRetry { step, why, pause_ms, .. } => {
            format!("{step} failed: {}; again in {:.1} s", why.what, seconds(*pause_ms))
        }
        News::StepFailed { step, why, .. } => {
            let causes: String = why.causes.iter().map(|cause| format!(": {cause}")).collect();
            format!("{step} FAILED: {}{causes}", why.what)
        }
        News::StepStale { step, fact } => format!("{step} is STALE: {fact}"),
        News::RunInterrupted { in_flight } => {
            format!("stopping: {in_flight} steps are under way; press Ctrl-C again to leave them")
        }
        News::RunFinished { done, already_done, failed, stale, not_begun, in_flight, millis } => format!(
            "{done} done, {already_done} had been done, {failed} failed, {stale} stale, {not_begun} not begun, \
             {in_flight} left under way, in {:.1} s",
            seconds(*millis)
        ),
    })
}

#[expect(clippy::cast_precision_loss, reason = "tenths of a second are shown")]
fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}

impl Bars {
    fn new() -> Self {
        let all = MultiProgress::new();
        let total = all.add(ProgressBar::new(0));
        if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} [{bar:30}] {pos}/{len} steps") {
            total.set_style(style.progress_chars("=> "));
        }
        total.enable_steady_tick(Duration::from_millis(200));
        Self { all, total, nodes: Mutex::default() }
    }

    fn tell(&self, news: &News) {
        match news {
            News::RunStarted { steps } => self.total.set_length(u64::try_from(*steps).unwrap_or(u64::MAX)),
            News::StepStarted { step, .. } => self.begin(step.as_str()),
            News::StepFinished { step, .. } => {
                self.end(step.as_str());
                self.total.inc(1);
            }
            News::StepFailed { step, .. } | News::StepStale { step, .. } => {
                self.end(step.as_str());
                self.say(news);
            }
            News::StepPostponed { .. } | News::StepRetry { .. } | News::RunInterrupted { .. } => self.say(news),
            News::RunFinished { .. } => {
                self.say(news);
                _ = self.all.clear();
            }
            News::SlotTaken { .. } | News::SlotReturned { .. } | News::StepApplied { .. } => {}
        }
    }

    fn say(&self, news: &News) {
        if let Some(line) = plain(news) {
            _ = self.all.println(line);
        }
    }

    fn begin(&self, step: &str) {
        let (node, own) = step.split_once('/').unwrap_or((step, ""));
        let Ok(mut nodes) = self.nodes.lock() else { return };
        let line = nodes.entry(node.to_owned()).or_insert_with(|| Line::new(&self.all, node));
        line.steps.push(own.to_owned());
        line.show();
    }

    fn end(&self, step: &str) {
        let (node, own) = step.split_once('/').unwrap_or((step, ""));
        let Ok(mut nodes) = self.nodes.lock() else { return };
        if let Some(line) = nodes.get_mut(node) {
            line.steps.retain(|under_way| under_way != own);
            line.show();
        }
    }
}

impl Line {
    fn new(all: &MultiProgress, node: &str) -> Self {
        let bar = all.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("  {prefix} {wide_msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(node.to_owned());
        Self { bar, steps: Vec::new() }
    }

    fn show(&self) {
        self.bar.set_message(self.steps.join(", "));
    }
}

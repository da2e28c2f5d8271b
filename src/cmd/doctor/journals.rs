//! The last lines of our units' journals, from every host: one command a host, so much and no more.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use fmp_core::NodeName;
use fmp_providers::transport::{Input, Transport, quote};
use tokio::{task::JoinSet, time::timeout};

use crate::{
    output,
    session::{Reach, Session},
};

/// Lines of each unit: what it said since it last started, mostly, and what came before.
const LINES: u32 = 300;

/// Bytes of each line: a host has about ten units, a cluster maybe a hundred hosts. Ends are cut off, never beginnings: a
/// secret is known by what stands before it.
const BYTES: u32 = 500;

/// Before each unit's lines.
const HEADLINE: &str = "\n== ";

/// How long one unit is looked for.
const SECONDS: u32 = 10;

/// Commands of runs, which are units too.
const OF_RUNS: &str = "fmp-[0-9]*";

/// A unit's lines are found in well under a second, also in a journal of gigabytes.
const DEADLINE: Duration = Duration::from_mins(1);

/// Asks all hosts at once; tells of each as it answers. A host that does not answer says why.
pub(super) async fn read(session: &Session, reach: &Reach) -> miette::Result<BTreeMap<NodeName, String>> {
    let questions = crate::cmd::questions(session)?;
    let mut answers = JoinSet::new();
    for (node, link) in &reach.links {
        let units = questions.hosts.get(node).map(|ask| &ask.units).into_iter().flatten();
        let script = script(units.map(|unit| &**unit).chain([OF_RUNS]));
        let (node, link) = (node.clone(), link.clone());
        answers.spawn(async move { (node, ask(link, &script).await) });
    }
    let mut journals = BTreeMap::new();
    while let Some(answer) = answers.join_next().await {
        let Ok((node, text)) = answer else { continue };
        output::note(&match &text {
            Ok(text) => format!("{node}: {} lines of its journals", text.lines().count()),
            Err(why) => format!("{node}: no journals: {why}"),
        });
        journals.insert(node, text.unwrap_or_else(|why| format!("it was asked, and did not answer: {why}\n")));
    }
    Ok(journals)
}

/// A headline and the last lines of each unit.
fn script<'a>(units: impl Iterator<Item = &'a str>) -> String {
    let units: Vec<String> = units.map(quote).collect();
    format!(
        "for unit in {}; do printf '\\n== %s\\n' \"$unit\"; timeout {SECONDS} journalctl --no-pager --quiet \
         --output=short-iso --lines={LINES} --unit=\"$unit\" 2>&1 | cut -b 1-{BYTES}; done",
        units.join(" ")
    )
}

/// The parts of a host's text, one for each unit.
pub(super) fn units(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let part = rest?;
        let next = part.get(1..).and_then(|later| later.find(HEADLINE)).map(|at| at + 1);
        rest = next.map(|at| &part[at..]);
        Some(next.map_or(part, |at| &part[..at]))
    })
}

async fn ask(link: Arc<dyn Transport>, script: &str) -> Result<String, String> {
    let words = ["-c", script];
    let run = link.run("sh", &words, Input::Empty);
    let answer = timeout(DEADLINE, run).await.map_err(|_| format!("nothing in {} s", DEADLINE.as_secs()))?;
    answer.map(|answer| answer.text().into_owned()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn each_unit_is_asked_for_by_its_own_name() {
        const UNITS: [&str; 3] = ["etcd.service", "var-lib\\x2da.mount", OF_RUNS];
        let journalctl = "timeout() { for word in \"$@\"; do :; done; printf '%s\\n' \"$word\"; }; ";
        let said = Command::new("sh").args(["-c", &(journalctl.to_owned() + &script(UNITS.into_iter()))]).output();
        let wanted = UNITS.map(|unit| format!("\n== {unit}\n--unit={unit}\n")).concat();
        let said = String::from_utf8(said.unwrap().stdout).unwrap();
        assert_eq!(said, wanted);
        let parts: Vec<&str> = units(&said).collect();
        assert_eq!((parts.len(), parts.concat()), (UNITS.len(), said.clone()));
        assert!(parts.iter().zip(UNITS).all(|(part, unit)| part.contains(unit)), "{parts:?}");
    }
}

//! The plan's file of record: JSON, sealed with a digest of its own.
//!
//! Written and read without `serde_json::Value`, whose order of keys any dependency could switch.

use std::io::{self, Write};

use fmp_core::Digest;
use serde::{Deserialize, Serialize};

use crate::plan::{FORMAT, Plan};

/// A plan as its file holds it.
#[derive(Serialize)]
struct Sealed<'a> {
    /// First in the file, so that another version's plan is known before it is read.
    format: u32,
    /// Digest of the plan written without white space.
    seal: Digest,
    plan: &'a Plan,
}

#[derive(Deserialize)]
struct OnlyFormat {
    format: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unsealed {
    #[serde(rename = "format")]
    _format: u32,
    seal: Digest,
    plan: Plan,
}

/// Why a text is no plan.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The JSON ends too early.
    #[error("the plan is cut off at line {line}; make it again with `fmp plan --out`")]
    Truncated {
        /// Counted from 1.
        line: usize,
    },
    /// Another version of fmp wrote it.
    #[error("the plan has format {found}, this fmp reads format {FORMAT}; make it again with `fmp plan --out`")]
    Format {
        /// The format that the file names.
        found: u32,
    },
    /// Not the JSON of a plan.
    #[error("line {line}, column {column} is not what a plan holds; make it again with `fmp plan --out`")]
    Shape {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// What the decoder says.
        #[source]
        source: serde_json::Error,
    },
    /// A value was changed by hand.
    #[error(
        "the plan was edited after it was made: its seal is {seal:?}, its content {content:?}; make it again with `fmp plan --out`"
    )]
    Edited {
        /// The seal in the file.
        seal: Digest,
        /// The digest of what the file holds.
        content: Digest,
    },
}

/// The digest of a plan's content: what a person approves.
///
/// # Panics
/// Never: a plan has no map with keys that are no text.
pub fn digest(plan: &Plan) -> Digest {
    Digest::of(serde_json::to_vec(plan).expect("a plan is always JSON"))
}

/// Writes a plan, two spaces an indentation, a line feed at the end.
///
/// # Errors
/// What `out` says.
pub fn write(plan: &Plan, mut out: impl Write) -> io::Result<()> {
    let sealed = Sealed { format: plan.format, seal: digest(plan), plan };
    serde_json::to_writer_pretty(&mut out, &sealed)?;
    out.write_all(b"\n")
}

/// Reads what [`write()`] writes.
///
/// # Errors
/// Anything else: cut off, another format, unknown fields, edited.
pub fn read(text: &str) -> Result<Plan, CodecError> {
    let shape = |source: serde_json::Error| match source.classify() {
        serde_json::error::Category::Eof => CodecError::Truncated { line: source.line() },
        serde_json::error::Category::Io | serde_json::error::Category::Syntax | serde_json::error::Category::Data => {
            CodecError::Shape { line: source.line(), column: source.column(), source }
        }
    };
    let OnlyFormat { format } = serde_json::from_str(text).map_err(shape)?;
    if format != FORMAT {
        return Err(CodecError::Format { found: format });
    }
    let Unsealed { seal, plan, .. } = serde_json::from_str(text).map_err(shape)?;
    let content = digest(&plan);
    if seal != content {
        return Err(CodecError::Edited { seal, content });
    }
    // The seal is about what was understood. What was passed over, such as a field that an enumeration of the model does
    // not know, shows only here.
    let held = compact(text);
    let sealed = serde_json::to_vec(&Sealed { format, seal, plan: &plan }).expect("a plan is always JSON");
    if held == sealed { Ok(plan) } else { Err(CodecError::Edited { seal, content: Digest::of(held) }) }
}

/// JSON without the white space between its words.
fn compact(text: &str) -> Vec<u8> {
    let (mut within, mut escaped) = (false, false);
    let mut held = Vec::with_capacity(text.len());
    for &byte in text.as_bytes() {
        if within || !byte.is_ascii_whitespace() {
            held.push(byte);
        }
        within ^= byte == b'"' && !escaped;
        escaped = within && byte == b'\\' && !escaped;
    }
    held
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Lab;

    /// A plan with something of everything.
    fn plan() -> Plan {
        let mut lab = Lab::agreed(3, 1, &["outage main-2"]);
        lab.wipe(1);
        lab.clear("work-1");
        lab.edit("main-2", "/etc/systemd/system/etcd.service");
        lab.member(3).healthy = fmp_core::observed::Fact::Known(false);
        let mut plan = lab.plan();
        plan.waiting.push(crate::plan::Waiting { what: "x".into(), until: "a \"b\\\" c\u{1b}".into(), node: None });
        plan
    }

    fn written(plan: &Plan) -> String {
        let mut json = Vec::new();
        write(plan, &mut json).unwrap();
        String::from_utf8(json).unwrap()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let plan = plan();
        let json = written(&plan);
        assert_eq!(read(&json).unwrap(), plan);
        assert_eq!(read(&json.replace('\n', "\r\n")).unwrap(), plan, "white space between words is nobody's secret");
        assert_eq!(written(&read(&json).unwrap()), json);
    }

    #[test]
    fn what_is_done_to_nodes_is_read_again() {
        use crate::action::{Action, Evict};
        let mut plan = plan();
        let node = || "work-1".parse().unwrap();
        let actions = [
            Action::CordonNode { node: node() },
            Action::DrainNode { node: node(), evict: Evict::All },
            Action::UncordonNode { node: node() },
            Action::StopUnits { units: vec!["kubelet.service".into()] },
            Action::DeleteNode { node: node() },
        ];
        for (step, action) in plan.steps.iter_mut().zip(actions) {
            step.action = action;
        }
        assert_eq!(read(&written(&plan)).unwrap(), plan);
    }

    #[test]
    fn an_unknown_field_is_refused_wherever_it_stands() {
        let mut whole = plan();
        // A few of each: what is refused once is refused again.
        whole.basis.facts.truncate(40);
        whole.changes.truncate(3);
        whole.steps.retain(|step| !step.id.as_str().contains("/artifact/"));
        let json = String::from_utf8(compact(&written(&whole))).unwrap();
        assert!(read(&json).is_ok());
        let objects: Vec<usize> = json.match_indices(['{', ',']).map(|(at, _)| at + 1).collect();
        let objects = objects.into_iter().filter(|at| json[*at..].starts_with('"') && json[..*at].ends_with('{'));
        for at in objects {
            let edited = format!("{}\"unheard\":1,{}", &json[..at], &json[at..]);
            assert!(read(&edited).is_err(), "{}", &json[at..(at + 60).min(json.len())]);
        }
    }

    #[test]
    fn a_changed_value_is_refused() {
        let json = written(&plan());
        let edited = json.replacen("outage main-2", "outage main-3", 1);
        assert!(matches!(read(&edited), Err(CodecError::Edited { .. })));
    }

    #[test]
    fn another_format_and_a_file_that_is_cut_off_say_so() {
        let json = written(&plan());
        let later = json.replacen("\"format\": 1", "\"format\": 2", 1);
        assert!(matches!(read(&later), Err(CodecError::Format { found: 2 })));
        let cut = &json[..json.len() / 2];
        assert!(matches!(read(cut), Err(CodecError::Truncated { .. })));
        assert!(matches!(read("[]"), Err(CodecError::Shape { line: 1, .. })));
    }
}

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
    if seal == content { Ok(plan) } else { Err(CodecError::Edited { seal, content }) }
}

//! Text files.

use std::sync::Arc;

use fmp_core::role::paths::key;
use fmp_exec::{Applied, Failure};
use fmp_plan::action::{FileRemoval, FileWrite};

use super::{Work, before_word, text};
use crate::hosts::ledger;

const SCRIPT: &str = include_str!("scripts/files.sh");

/// Writes and removes files, none of them where one is stale.
pub(super) async fn write(work: Work<'_>, files: &[FileWrite], remove: &[FileRemoval]) -> Result<Applied, Failure> {
    let mut files: Vec<&FileWrite> = files.iter().collect();
    // Files of one folder follow each other: it is prepared once.
    files.sort_by_key(|file| Arc::clone(&file.path));
    let mut words = Vec::with_capacity(files.len() * 6 + 1 + remove.len() * 2);
    let mut contents = Vec::new();
    for file in files {
        let content = text(work.cx, &file.content)?;
        contents.extend_from_slice(content.as_bytes());
        words.extend([
            file.path.to_string(),
            format!("{:o}", file.mode),
            content.len().to_string(),
            file.content.hex(),
            before_word(file.before),
            ledger::file_name(&key::file(&file.path)),
        ]);
    }
    words.push("--".to_owned());
    for file in remove {
        words.extend([file.path.to_string(), file.before.hex()]);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    work.run(work.host()?, SCRIPT, &words, contents.into()).await
}

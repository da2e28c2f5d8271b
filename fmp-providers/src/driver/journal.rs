//! The journal's file.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::PathBuf,
};

use fmp_exec::{
    Progress,
    journal::{Header, Line},
};

/// A file that grows by a line for each thing that happens. What can't be written is left out: a journal is a hint, and a
/// full disk here must not stop a run there.
#[derive(Debug, Default)]
pub(super) struct Journal {
    file: Option<File>,
    problem: Option<io::Error>,
}

impl Journal {
    /// Opens the file and writes which run it is.
    pub(super) fn open(path: Option<(PathBuf, Header)>) -> Self {
        let mut journal = Self::default();
        if let Some((path, header)) = path {
            match OpenOptions::new().create(true).append(true).open(path) {
                Ok(file) => journal.file = Some(file),
                Err(error) => journal.problem = Some(error),
            }
            journal.append(&Line::Run(header).encode());
        }
        journal
    }

    /// Adds lines in one go.
    pub(super) fn write(&mut self, news: &[Progress]) {
        if self.file.is_some() && !news.is_empty() {
            let lines: String = news.iter().map(|progress| Line::Progress(progress.clone()).encode()).collect();
            self.append(&lines);
        }
    }

    fn append(&mut self, lines: &str) {
        if let Some(file) = &mut self.file
            && let Err(error) = file.write_all(lines.as_bytes())
        {
            self.file = None;
            self.problem = Some(error);
        }
    }

    /// Why lines are missing, if any are.
    pub(super) fn problem(self) -> Option<io::Error> {
        self.problem
    }
}

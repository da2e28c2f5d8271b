//! What a program wrote, within bounds.

use std::borrow::Cow;

use super::TransportError;

/// The most that a program may write to its standard output, in bytes.
///
/// An observation of a large host is about 1 MB; ten times that is a mistake, and memory must not follow a mistake.
pub const STDOUT_LIMIT: usize = 32 << 20;

/// How much of the standard error is kept, in bytes: it is for people, who read the first lines.
pub const STDERR_LIMIT: usize = 1 << 20;

/// What a program left behind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Output {
    /// Its exit status; 128 and the signal's number where a signal ended it.
    pub status: i32,
    /// What it wrote to its standard output, whole.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error, cut after [`STDERR_LIMIT`].
    pub stderr: Vec<u8>,
}

impl Output {
    /// Whether the program ended with status 0.
    pub fn success(&self) -> bool {
        self.status == 0
    }

    /// The standard output as text; what is no UTF-8 is replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.stdout)
    }

    /// The standard error as text, without the last line's end: for messages.
    pub fn complaint(&self) -> Cow<'_, str> {
        match String::from_utf8_lossy(&self.stderr) {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim_end()),
            Cow::Owned(text) => Cow::Owned(text.trim_end().to_owned()),
        }
    }
}

/// The two streams of a program that still runs.
#[derive(Debug, Default)]
pub(super) struct Collected {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

impl Collected {
    /// Adds to the standard output.
    pub(super) fn out(&mut self, bytes: &[u8]) -> Result<(), TransportError> {
        if self.stdout.len() + bytes.len() > STDOUT_LIMIT {
            return Err(TransportError::OutputTooLong { limit_bytes: STDOUT_LIMIT });
        }
        self.stdout.extend_from_slice(bytes);
        Ok(())
    }

    /// Adds to the standard error as far as there is room.
    pub(super) fn err(&mut self, bytes: &[u8]) {
        let room = STDERR_LIMIT - self.stderr.len();
        self.stderr.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_output_is_whole_or_an_error() {
        let mut collected = Collected::default();
        collected.out(&vec![0; STDOUT_LIMIT]).unwrap();
        assert!(matches!(collected.out(b"x"), Err(TransportError::OutputTooLong { .. })));
    }

    #[test]
    fn standard_error_is_cut() {
        let mut collected = Collected::default();
        collected.err(&vec![0; STDERR_LIMIT - 1]);
        collected.err(b"xyz");
        assert_eq!(collected.stderr.len(), STDERR_LIMIT);
    }
}

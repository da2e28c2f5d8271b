//! Programs of this computer: run with a bound, their last words kept.
//!
//! Owns how a program is started and ended. Knows nothing of what it is for. Read [`run`] first.

use std::{
    io::{self, BufRead, BufReader, Read},
    path::PathBuf,
    process::{Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

/// Lines of a failed program's output that its error shows: a compiler's error and what led to it, and still one screen.
const TAIL_LINES: usize = 20;

/// The programs that sources call. [`Default`] finds them in `PATH`.
#[derive(Debug, Clone)]
pub struct Tools {
    /// The Go toolchain, 1.21 or newer.
    pub go: PathBuf,
    /// A C compiler that can link statically.
    pub cc: PathBuf,
    /// curl, 7.52 or newer.
    pub curl: PathBuf,
    /// apt-get, which reaches a mirror of Debian.
    pub apt_get: PathBuf,
    /// apt-cache, which tells what that mirror has.
    pub apt_cache: PathBuf,
    /// dpkg-deb, which unpacks what that brings.
    pub dpkg_deb: PathBuf,
}

impl Default for Tools {
    fn default() -> Self {
        let [go, cc, curl, apt_get, apt_cache, dpkg_deb] =
            ["go", "cc", "curl", "apt-get", "apt-cache", "dpkg-deb"].map(PathBuf::from);
        Self { go, cc, curl, apt_get, apt_cache, dpkg_deb }
    }
}

/// Why a program gave no result.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It can't be started.
    #[error("starting `{program}`, which has to be installed")]
    Start {
        /// The program.
        program: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It ended badly.
    #[error("`{program}` ended with {status}; its last lines:\n{tail}")]
    Status {
        /// The program and its first argument.
        program: String,
        /// Its exit status or signal.
        status: String,
        /// The end of its output.
        tail: String,
    },
    /// It took too long and was killed.
    #[error("`{program}` did not end within {} s and was killed", limit.as_secs())]
    Late {
        /// The program and its first argument.
        program: String,
        /// How long it was given.
        limit: Duration,
    },
    /// Waiting for it failed.
    #[error("waiting for `{program}`")]
    Wait {
        /// The program and its first argument.
        program: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// Runs `command` to its end, at most for `limit`, and returns its standard output.
///
/// The program stays in our process group, so that an interrupt from the terminal reaches it and its children.
///
/// # Errors
/// [`ToolError`]: not started, failed, or late.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<String, ToolError> {
    let program = title(command);
    tracing::debug!(?command, "running");
    let start = |source| ToolError::Start { program: program.clone(), source };
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(start)?;
    let (send, ended) = mpsc::channel();
    let pipes = (child.stdout.take(), child.stderr.take());
    // Not joined: a grandchild may hold the pipes open after the program was killed.
    thread::spawn(move || {
        let errors = thread::spawn(move || pipes.1.map(lines).unwrap_or_default());
        let output = pipes.0.map(lines).unwrap_or_default();
        // Nobody listens any more when the limit has passed.
        let _ = send.send((output, errors.join().unwrap_or_default()));
    });
    let (output, errors) = match ended.recv_timeout(limit) {
        Ok(text) => text,
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            child.kill().and_then(|()| child.wait()).map_err(|source| wait(&program, source))?;
            return Err(ToolError::Late { program, limit });
        }
    };
    let status = child.wait().map_err(|source| wait(&program, source))?;
    if status.success() {
        return Ok(output);
    }
    let tail = tail(if errors.trim().is_empty() { &output } else { &errors });
    Err(ToolError::Status { program, status: status.to_string(), tail })
}

fn wait(program: &str, source: io::Error) -> ToolError {
    ToolError::Wait { program: program.to_owned(), source }
}

/// The program and its first argument: `go build`.
fn title(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args().take(1));
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn lines(pipe: impl Read) -> String {
    let mut text = String::new();
    for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        tracing::debug!("{line}");
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Result<String, ToolError> {
        run(Command::new("sh").args(["-c", script]), limit)
    }

    #[test]
    fn a_failed_program_is_quoted_with_its_last_lines() {
        let error = shell("seq 1 100 >&2; exit 3", Duration::from_mins(1)).unwrap_err().to_string();
        assert!(error.starts_with("`sh -c` ended with exit status: 3; its last lines:\n81\n"), "{error}");
        assert!(error.ends_with("\n100"), "{error}");
    }

    #[test]
    fn a_program_that_hangs_is_killed() {
        assert!(matches!(shell("exec sleep 60", Duration::from_millis(50)), Err(ToolError::Late { .. })));
    }

    #[test]
    fn says_which_program_is_not_installed() {
        let error = run(&mut Command::new("/no/such/go"), Duration::from_mins(1)).unwrap_err();
        assert_eq!(error.to_string(), "starting `/no/such/go`, which has to be installed");
    }
}

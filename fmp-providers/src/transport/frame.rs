//! How a program is started through a shell that may say something of its own.
//!
//! A host's login shell can print a greeting, and `sudo` a refusal, before our program writes its first byte. So the
//! command prints a marker that nobody else can know, once in the shell and once as root, and all before it is cut.

use std::{
    fmt::Write as _,
    hash::{BuildHasher as _, RandomState},
};

use super::{TransportError, output::Collected, quote};

/// The longest command line in bytes: Linux refuses a single argument of 128 KiB, and sshd hands the line to the
/// login shell as one argument.
const LINE_LIMIT: usize = (128 << 10) - 1;

/// Sets what every program finds, whatever the host's shell files did: plain messages, and the administrator's
/// programs.
const SURROUNDINGS: &str =
    "PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C; export PATH LC_ALL";

/// Who starts the program on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rights {
    /// The user that logs in has the rights already.
    Own,
    /// By `sudo`, which must not ask.
    Sudo,
}

/// One command line, and how to read what it printed.
#[derive(Debug)]
pub(super) struct Frame {
    line: String,
    marker: String,
    rights: Rights,
}

/// How far a command got.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// The program was started; only its own output is left.
    Program,
    /// A shell ran, `sudo` did not.
    Shell,
    /// Not even a shell ran.
    Nothing,
}

impl Frame {
    /// The command line that runs `program` with `args`.
    pub(super) fn new(program: &str, args: &[&str], rights: Rights) -> Result<Self, TransportError> {
        let mut words = format!("exec sh -c {}", quote(SCRIPT));
        let marker = format!("fmp-{:016x}{:016x}", random(), random());
        let sudo = match rights {
            Rights::Own => "",
            Rights::Sudo => "sudo -n --",
        };
        // Writing to a String can't fail.
        let _ = write!(words, " {} {marker} {}", quote(SURROUNDINGS), quote(sudo));
        for word in std::iter::once(&program).chain(args) {
            if word.contains('\0') {
                return Err(TransportError::NulInArgument);
            }
            words.push(' ');
            words.push_str(&quote(word));
        }
        if words.len() > LINE_LIMIT {
            return Err(TransportError::ArgumentsTooLong { limit_bytes: LINE_LIMIT });
        }
        Ok(Self { line: words, marker, rights })
    }

    /// The command line.
    pub(super) fn line(&self) -> &str {
        &self.line
    }

    /// Cuts everything that is not the program's own from both streams.
    pub(super) fn open(&self, collected: &mut Collected) -> Reached {
        cut(&mut collected.stderr, &self.root_mark());
        if cut(&mut collected.stdout, &self.root_mark()) {
            return Reached::Program;
        }
        cut(&mut collected.stderr, &self.shell_mark());
        if cut(&mut collected.stdout, &self.shell_mark()) { Reached::Shell } else { Reached::Nothing }
    }

    /// Who was to start the program.
    pub(super) fn rights(&self) -> Rights {
        self.rights
    }

    fn shell_mark(&self) -> String {
        format!("{}-shell\n", self.marker)
    }

    fn root_mark(&self) -> String {
        format!("{}-root\n", self.marker)
    }
}

/// Run as `sh -c SCRIPT SURROUNDINGS MARKER SUDO PROGRAM ARGUMENT…`: says that a shell runs, then lets `sudo` (or
/// nobody) start a second shell that says so too and becomes the program.
const SCRIPT: &str = r#"
say() { printf '%s\n' "$1"; printf '%s\n' "$1" >&2; }
marker=$1; sudo=$2; shift 2
say "$marker-shell"
exec $sudo sh -c 'eval "$1"; printf "%s\n" "$2"; printf "%s\n" "$2" >&2; shift 2; exec "$@"' sh "$0" "$marker-root" "$@"
"#;

/// Removes everything up to and including `mark`; tells whether it was there.
fn cut(bytes: &mut Vec<u8>, mark: &str) -> bool {
    let found = bytes.windows(mark.len()).position(|window| window == mark.as_bytes());
    if let Some(at) = found {
        bytes.drain(..at + mark.len());
    }
    found.is_some()
}

/// A number that is another one in each call and each process. It has to be unlikely in other text, not secret.
fn random() -> u64 {
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(stdout: &str, rights: Rights) -> (Reached, String) {
        let frame = Frame { line: String::new(), marker: "m".to_owned(), rights };
        let mut collected = Collected { stdout: stdout.into(), stderr: Vec::new() };
        let reached = frame.open(&mut collected);
        (reached, String::from_utf8(collected.stdout).unwrap())
    }

    #[test]
    fn what_a_login_shell_prints_is_cut() {
        let (reached, left) = opened("Welcome!\nm-shell\nm-root\nours\n", Rights::Own);
        assert_eq!((reached, left.as_str()), (Reached::Program, "ours\n"));
    }

    #[test]
    fn a_refused_sudo_differs_from_a_missing_shell() {
        assert_eq!(opened("m-shell\n", Rights::Sudo).0, Reached::Shell);
        assert_eq!(opened("This account is not available.\n", Rights::Sudo).0, Reached::Nothing);
    }

    #[test]
    fn refuses_what_no_program_can_be_given() {
        assert!(matches!(Frame::new("x", &["a\0b"], Rights::Own), Err(TransportError::NulInArgument)));
        let long = "a".repeat(LINE_LIMIT);
        assert!(matches!(Frame::new("x", &[&long], Rights::Own), Err(TransportError::ArgumentsTooLong { .. })));
    }
}

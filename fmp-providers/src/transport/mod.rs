//! Transport: programs and bytes on one host.
//!
//! Owns how a program is started and what comes back. Knows nothing of what the programs do. Read [`Transport`] first;
//! [`Ssh`] is the one for real hosts, [`LocalShell`] is this computer, [`Transcript`] is a script for unit tests. All
//! of them pass the checks in [`conformance`].

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use fmp_core::Secret;
use tokio::io::{AsyncRead, AsyncWrite};

#[doc(hidden)]
pub mod conformance;
mod dial;
mod error;
mod frame;
mod local;
mod output;
mod quote;
mod ssh;
mod traffic;
mod transcript;

pub use dial::{Dialer, NamespaceDialer, TcpDialer};
pub use error::TransportError;
pub use local::LocalShell;
pub use output::{Output, STDERR_LIMIT, STDOUT_LIMIT};
pub use quote::quote;
pub use ssh::{BadTarget, Endpoint, HostKeys, Ssh};
pub use traffic::Traffic;
pub use transcript::{Call, Transcript};

/// Runs programs on one host and reaches its ports.
///
/// # Caveats
/// Dropping a future does not stop the program that it started. An error whose
/// [`may_have_happened`](TransportError::may_have_happened) is true leaves open whether the program did its work.
#[async_trait]
pub trait Transport: Send + Sync + fmt::Debug {
    /// Runs `program` as root with exactly `args`, feeds it `stdin`, and returns what it wrote.
    ///
    /// Every run finds `LC_ALL=C` and the system's program directories in `PATH`, whatever the host's shell files say.
    /// An exit status is data; it is 128 and the signal's number where a signal ended the program, and 127 where there
    /// is no such program.
    ///
    /// # Errors
    /// The program could not be started, its output is too long, or the connection was lost meanwhile.
    async fn run(&self, program: &str, args: &[&str], stdin: Input) -> Result<Output, TransportError>;

    /// A byte stream to a TCP port on the host's loopback.
    ///
    /// # Errors
    /// The host can't be reached, or nothing listens on the port.
    async fn tunnel(&self, port: u16) -> Result<Box<dyn Stream>, TransportError>;

    /// The bytes that went over the wire so far, in both directions.
    fn traffic(&self) -> Traffic;
}

#[async_trait]
impl<T: Transport + ?Sized> Transport for Arc<T> {
    async fn run(&self, program: &str, args: &[&str], stdin: Input) -> Result<Output, TransportError> {
        (**self).run(program, args, stdin).await
    }

    async fn tunnel(&self, port: u16) -> Result<Box<dyn Stream>, TransportError> {
        (**self).tunnel(port).await
    }

    fn traffic(&self) -> Traffic {
        (**self).traffic()
    }
}

/// Bytes in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + ?Sized> Stream for T {}

/// What a program reads from its standard input.
///
/// # Caveats
/// A program can't tell an input that ended from one that broke off: what matters is compared by length or digest on
/// the host.
#[derive(Default)]
pub enum Input {
    /// Nothing: it ends at once.
    #[default]
    Empty,
    /// These bytes.
    Bytes(Vec<u8>),
    /// These bytes, which no log and no error shows.
    Secret(Secret),
    /// A stream of any length, read only as fast as the host takes it.
    Reader(Box<dyn AsyncRead + Send + Unpin>),
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Self::Secret(_) => f.write_str("Secret(…)"),
            Self::Reader(_) => f.write_str("Reader(…)"),
        }
    }
}

impl From<&str> for Input {
    fn from(text: &str) -> Self {
        Self::Bytes(text.into())
    }
}

impl From<Vec<u8>> for Input {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<Secret> for Input {
    fn from(secret: Secret) -> Self {
        Self::Secret(secret)
    }
}

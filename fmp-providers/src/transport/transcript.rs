//! A scripted host for unit tests.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use tokio::io::AsyncReadExt as _;

use super::{Input, Output, Stream, Traffic, Transport, TransportError, traffic::Counters};

/// One call that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The program.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Everything that it was fed.
    pub stdin: Vec<u8>,
}

/// A host that expects certain calls in a certain order and answers them from a script.
///
/// A call that the script does not expect is a mistake of the code under test: it panics and shows both.
#[derive(Debug, Default)]
pub struct Transcript {
    script: Mutex<VecDeque<Line>>,
    calls: Mutex<Vec<Call>>,
    tunnels: Mutex<BTreeMap<u16, Vec<u8>>>,
    counters: Arc<Counters>,
}

#[derive(Debug)]
struct Line {
    program: String,
    args: Vec<String>,
    answer: Result<Output, TransportError>,
}

impl Transcript {
    /// A host that expects nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next call is `program` with exactly `args`; it ends with 0 and prints `stdout`.
    #[must_use]
    pub fn answers(self, program: &str, args: &[&str], stdout: &str) -> Self {
        self.gives(program, args, Ok(Output { stdout: stdout.into(), ..Output::default() }))
    }

    /// The next call is `program` with exactly `args`; this is what comes of it.
    #[must_use]
    pub fn gives(self, program: &str, args: &[&str], answer: Result<Output, TransportError>) -> Self {
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        lock(&self.script).push_back(Line { program: program.to_owned(), args, answer });
        self
    }

    /// On `port` a service says `greeting` and then listens.
    #[must_use]
    pub fn listens(self, port: u16, greeting: &[u8]) -> Self {
        lock(&self.tunnels).insert(port, greeting.to_owned());
        self
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.calls).clone()
    }

    /// Checks that every expected call was made.
    ///
    /// # Panics
    /// When one was not.
    pub fn finish(&self) {
        let left: Vec<String> = lock(&self.script).iter().map(|line| line.program.clone()).collect();
        assert!(left.is_empty(), "these calls were expected and not made: {left:?}");
    }
}

#[async_trait]
impl Transport for Transcript {
    async fn run(&self, program: &str, args: &[&str], stdin: Input) -> Result<Output, TransportError> {
        let stdin = all(stdin).await?;
        self.counters.sent(stdin.len());
        let made = Call { program: program.to_owned(), args: args.iter().map(|&arg| arg.to_owned()).collect(), stdin };
        let Some(line) = lock(&self.script).pop_front() else { panic!("not in the script: {made:?}") };
        assert_eq!((&line.program, &line.args), (&made.program, &made.args), "the script expects another call");
        lock(&self.calls).push(made);
        if let Ok(output) = &line.answer {
            self.counters.received(output.stdout.len() + output.stderr.len());
        }
        line.answer
    }

    async fn tunnel(&self, port: u16) -> Result<Box<dyn Stream>, TransportError> {
        let refused = TransportError::TunnelRefused { host: "transcript".to_owned(), port };
        let greeting = lock(&self.tunnels).get(&port).cloned().ok_or(refused)?;
        let (near, mut far) = tokio::io::duplex(greeting.len().max(64 << 10));
        tokio::spawn(async move {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut far, &greeting).await;
            let _ = tokio::io::copy(&mut far, &mut tokio::io::sink()).await;
        });
        Ok(Box::new(near))
    }

    fn traffic(&self) -> Traffic {
        self.counters.traffic()
    }
}

async fn all(input: Input) -> Result<Vec<u8>, TransportError> {
    match input {
        Input::Empty => Ok(Vec::new()),
        Input::Bytes(bytes) => Ok(bytes),
        Input::Secret(secret) => Ok(secret.expose().to_vec()),
        Input::Reader(mut reader) => {
            let mut bytes = Vec::new();
            let source = reader.read_to_end(&mut bytes).await;
            source.map_err(|source| TransportError::Input { source: Arc::new(source) })?;
            Ok(bytes)
        }
    }
}

/// A panic in one test thread must not hide the panic's own message behind a poisoned lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_in_order_and_keeps_what_was_fed() {
        let host = Transcript::new().answers("uname", &["-r"], "6.1\n").answers("tee", &["/etc/x"], "");
        assert_eq!(host.run("uname", &["-r"], Input::Empty).await.unwrap().text(), "6.1\n");
        assert!(host.run("tee", &["/etc/x"], "content".into()).await.unwrap().success());
        assert_eq!(host.calls()[1].stdin, b"content");
        host.finish();
    }

    #[tokio::test]
    async fn a_port_without_a_service_refuses() {
        let host = Transcript::new().listens(80, b"hi");
        assert!(matches!(host.tunnel(81).await.err(), Some(TransportError::TunnelRefused { port: 81, .. })));
        crate::transport::conformance::tunnel(&host, 80, b"hi").await;
    }
}

//! This computer as a host.

use std::{io, os::unix::process::ExitStatusExt as _, process::Stdio, sync::Arc};

use async_trait::async_trait;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::{Child, ChildStdin, Command},
};

use super::{
    Input, Output, Stream, Traffic, Transport, TransportError,
    frame::{Frame, Rights},
    output::Collected,
    traffic::{Counted, Counters},
};

/// Runs programs on this computer, with the rights that it has itself.
#[derive(Debug, Default)]
pub struct LocalShell {
    counters: Arc<Counters>,
}

impl LocalShell {
    /// This computer.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Transport for LocalShell {
    async fn run(&self, program: &str, args: &[&str], stdin: Input) -> Result<Output, TransportError> {
        let spawn = |source| TransportError::Spawn { source: Arc::new(source) };
        let frame = Frame::new(program, args, Rights::Own)?;
        let pipe = Stdio::piped;
        let mut child = Command::new("/bin/sh")
            .args(["-c", frame.line()])
            .stdin(pipe())
            .stdout(pipe())
            .stderr(pipe())
            .spawn()
            .map_err(spawn)?;
        let feed = feed(child.stdin.take(), stdin, &self.counters);
        let (input, collected) = tokio::join!(feed, collect(&mut child, &self.counters));
        let mut collected = collected?;
        let status = child.wait().await.map_err(spawn)?;
        input.map_err(|source| TransportError::Input { source: Arc::new(source) })?;
        frame.open(&mut collected);
        let status = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(-1);
        Ok(Output { status, stdout: collected.stdout, stderr: collected.stderr })
    }

    async fn tunnel(&self, port: u16) -> Result<Box<dyn Stream>, TransportError> {
        let refused = |_| TransportError::TunnelRefused { host: "localhost".to_owned(), port };
        let stream = TcpStream::connect(("127.0.0.1", port)).await.map_err(refused)?;
        Ok(Box::new(Counted::new(Box::new(stream), self.counters.clone())))
    }

    fn traffic(&self) -> Traffic {
        self.counters.traffic()
    }
}

/// Writes the input; only a failure to *read* it counts, since a program may end before it has read everything.
async fn feed(stdin: Option<ChildStdin>, input: Input, counters: &Counters) -> io::Result<()> {
    let Some(mut stdin) = stdin else { return Ok(()) };
    let mut source: Box<dyn AsyncRead + Send + Unpin> = match input {
        Input::Empty => return Ok(()),
        Input::Bytes(bytes) => Box::new(io::Cursor::new(bytes)),
        Input::Secret(secret) => {
            counters.sent(secret.expose().len());
            let _ = stdin.write_all(secret.expose()).await;
            return Ok(());
        }
        Input::Reader(reader) => reader,
    };
    let mut chunk = vec![0; 64 << 10];
    loop {
        let n = source.read(&mut chunk).await?;
        if n == 0 || stdin.write_all(&chunk[..n]).await.is_err() {
            return Ok(());
        }
        counters.sent(n);
    }
}

/// Reads both streams to their ends.
async fn collect(child: &mut Child, counters: &Counters) -> Result<Collected, TransportError> {
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let mut collected = Collected::default();
    let (mut out, mut err) = (vec![0; 64 << 10], vec![0; 8 << 10]);
    while stdout.is_some() || stderr.is_some() {
        tokio::select! {
            n = read(&mut stdout, &mut out) => {
                counters.received(n);
                collected.out(&out[..n])?;
            }
            n = read(&mut stderr, &mut err) => {
                counters.received(n);
                collected.err(&err[..n]);
            }
        }
    }
    Ok(collected)
}

/// Reads some bytes; at the end, `from` becomes None. A stream that is None never yields.
async fn read(from: &mut Option<impl AsyncRead + Unpin>, into: &mut [u8]) -> usize {
    let Some(stream) = from else { return std::future::pending().await };
    let n = stream.read(into).await.unwrap_or(0);
    if n == 0 {
        *from = None;
    }
    n
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::transport::conformance;

    #[tokio::test]
    async fn conforms() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"hello").await.unwrap();
        });
        let shell = LocalShell::new();
        conformance::programs(&shell).await;
        conformance::tunnel(&shell, port, b"hello").await;
    }
}

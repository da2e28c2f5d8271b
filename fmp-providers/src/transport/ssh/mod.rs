//! Programs on a host by SSH: one connection, many channels.
//!
//! Owns when a connection is made, shared and given up. How a login goes is in [`login`], one program's channel in
//! [`session`]. A lost connection fails the calls that were using it; the next call makes a new one.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::{
    Input, Output, Stream, Traffic, Transport, TransportError,
    dial::Dialer,
    frame::{Frame, Rights},
    traffic::{Counted, Counters},
};

mod endpoint;
mod host_key;
mod login;
mod session;

pub use endpoint::{BadTarget, Endpoint, HostKeys};
use session::{Connection, Unopened};

/// One host, reached by SSH.
///
/// The connection is made by the first call that needs it, and again after it was lost.
#[derive(Debug)]
pub struct Ssh {
    endpoint: Endpoint,
    counters: Arc<Counters>,
    live: Mutex<Live>,
    /// Logins that ended, well or not: tells a call that waited for one from a call that came later.
    logins: AtomicU64,
}

/// The present connection, or why there is none.
#[derive(Debug, Default)]
struct Live {
    connection: Option<Arc<Connection>>,
    failure: Option<TransportError>,
}

impl Ssh {
    /// The host at `endpoint`. Nothing is connected yet.
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, counters: Arc::default(), live: Mutex::default(), logins: AtomicU64::new(0) }
    }

    /// Where the host is.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The present connection, or a new one.
    ///
    /// Calls that come while a login is under way share it, a failed one too: a host that is off costs one time-out,
    /// not one for each call.
    async fn connection(&self) -> Result<Arc<Connection>, TransportError> {
        let came = self.logins.load(Ordering::Acquire);
        let mut live = self.live.lock().await;
        if let Some(connection) = live.connection.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(connection.clone());
        }
        if self.logins.load(Ordering::Acquire) != came
            && let Some(failure) = &live.failure
        {
            return Err(failure.clone());
        }
        let login = login::login(&self.endpoint, &self.counters).await;
        self.logins.fetch_add(1, Ordering::Release);
        match login {
            Ok(handle) => {
                let connection = Arc::new(Connection::new(handle));
                *live = Live { connection: Some(connection.clone()), failure: None };
                Ok(connection)
            }
            Err(failure) => {
                *live = Live { connection: None, failure: Some(failure.clone()) };
                Err(failure)
            }
        }
    }

    /// Opens a channel with `open`; once more on a new connection where the present one is dead or full. Nothing was
    /// started in either case, so trying again can't do anything twice.
    async fn open<T, F>(&self, open: impl Fn(Arc<Connection>) -> F) -> Result<T, TransportError>
    where
        F: Future<Output = Result<T, Unopened>>,
    {
        let host = || self.endpoint.host.clone();
        let mut again = true;
        loop {
            let connection = self.connection().await?;
            match open(connection.clone()).await {
                Ok(channel) => return Ok(channel),
                Err(Unopened::Full | Unopened::Dead) if again => self.leave(&connection).await,
                Err(Unopened::Dead) => return Err(TransportError::Broken { host: host() }),
                Err(Unopened::Full | Unopened::Refused) => return Err(TransportError::NoSession { host: host() }),
            }
            again = false;
        }
    }

    /// Has the next call make a new connection. Programs that run on this one go on.
    async fn leave(&self, left: &Arc<Connection>) {
        let mut live = self.live.lock().await;
        if live.connection.as_ref().is_some_and(|present| Arc::ptr_eq(present, left)) {
            live.connection = None;
        }
    }

    /// A stream from the host to `port` of `to`.
    async fn stream_to(&self, to: &str, port: u16) -> Result<Box<dyn Stream>, TransportError> {
        let open = |connection: Arc<Connection>| async move { connection.tunnel(to, port).await };
        self.open(open).await
    }

    fn rights(&self) -> Rights {
        if self.endpoint.user == "root" { Rights::Own } else { Rights::Sudo }
    }
}

#[async_trait]
impl Transport for Ssh {
    async fn run(&self, program: &str, args: &[&str], stdin: Input) -> Result<Output, TransportError> {
        let frame = Frame::new(program, args, self.rights())?;
        let session = self.open(|connection| async move { connection.session().await }).await?;
        session.run(&self.endpoint, &frame, stdin).await
    }

    async fn tunnel(&self, port: u16) -> Result<Box<dyn Stream>, TransportError> {
        let opened = self.stream_to("127.0.0.1", port).await;
        opened.map_err(|error| match error {
            TransportError::NoSession { host } => TransportError::TunnelRefused { host, port },
            other => other,
        })
    }

    fn traffic(&self) -> Traffic {
        self.counters.traffic()
    }
}

/// Connections that leave from this host: it serves as a jump host.
#[async_trait]
impl Dialer for Ssh {
    async fn dial(&self, host: &str, port: u16) -> std::io::Result<Box<dyn Stream>> {
        self.stream_to(host, port).await.map_err(std::io::Error::other)
    }
}

/// A stream that reaches `endpoint`, counted.
async fn dial(endpoint: &Endpoint, counters: &Arc<Counters>) -> Result<Counted, TransportError> {
    let stream = endpoint.dialer.dial(&endpoint.host, endpoint.port).await;
    let stream = stream.map_err(|source| TransportError::Unreachable {
        host: endpoint.host.clone(),
        port: endpoint.port,
        source: Arc::new(source),
    })?;
    Ok(Counted::new(stream, counters.clone()))
}

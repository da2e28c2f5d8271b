//! How a TCP connection to a host comes about.

use std::{
    fmt, fs, io,
    net::{SocketAddr, TcpStream as StdTcpStream, ToSocketAddrs as _},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use std::os::fd::AsFd as _;

use async_trait::async_trait;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::{net::TcpStream, sync::oneshot};

use super::Stream;

/// How long one address may take to answer: well above a packet that was lost twice (1 s and 2 s), and short enough
/// that a host that is off is named before anyone gets impatient.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes the connection that SSH then speaks on.
#[async_trait]
pub trait Dialer: Send + Sync + fmt::Debug {
    /// Connects to `port` of `host`, a name or an address.
    ///
    /// # Errors
    /// As the system says; `TimedOut` where nothing answers.
    async fn dial(&self, host: &str, port: u16) -> io::Result<Box<dyn Stream>>;
}

/// Connects from this computer's own network.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpDialer;

#[async_trait]
impl Dialer for TcpDialer {
    async fn dial(&self, host: &str, port: u16) -> io::Result<Box<dyn Stream>> {
        let stream = tokio::time::timeout(DIAL_TIMEOUT, TcpStream::connect((host, port)))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}

/// Connects from inside a network namespace of this computer, where local machines live.
#[derive(Debug, Clone)]
pub struct NamespaceDialer {
    namespace: PathBuf,
    timeout: Duration,
}

impl NamespaceDialer {
    /// The namespace that `path` names, such as `/run/netns/NAME`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { namespace: path.into(), timeout: DIAL_TIMEOUT }
    }

    /// The same with another bound for one attempt.
    #[must_use]
    pub fn patient(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

#[async_trait]
impl Dialer for NamespaceDialer {
    async fn dial(&self, host: &str, port: u16) -> io::Result<Box<dyn Stream>> {
        let (namespace, host, timeout) = (self.namespace.clone(), host.to_owned(), self.timeout);
        let (done, connected) = oneshot::channel();
        // A thread of its own, which ends here: one of the runtime's would stay in the namespace and take other
        // people's sockets with it.
        thread::Builder::new().name("fmp-dial".to_owned()).spawn(move || {
            // The receiver is gone only when nobody waits any more.
            let _ = done.send(connect_within(&namespace, &host, port, timeout));
        })?;
        let stream = connected.await.map_err(io::Error::other)??;
        Ok(Box::new(TcpStream::from_std(stream)?))
    }
}

/// Moves this thread into `namespace` and connects there.
fn connect_within(namespace: &Path, host: &str, port: u16, timeout: Duration) -> io::Result<StdTcpStream> {
    let link = fs::File::open(namespace)?;
    move_into_link_name_space(link.as_fd(), Some(LinkNameSpaceType::Network))?;
    let addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        match StdTcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                return Ok(stream);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

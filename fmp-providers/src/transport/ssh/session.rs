//! Channels of one connection: programs and tunnels.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use russh::{
    ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Error, Sig,
    client::{Handle, Msg},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    sync::{Mutex, OwnedSemaphorePermit, Semaphore},
};

use super::{Endpoint, login::Client};
use crate::transport::{
    Input, Output, Stream, TransportError,
    frame::{Frame, Reached, Rights},
    output::Collected,
};

/// Programs at once on one connection: sshd allows ten sessions (`MaxSessions`), and a person may want one.
const SESSIONS: usize = 8;

/// How often a server that refuses a session while none is open is asked for a sign of life before the next attempt.
const QUESTIONS: usize = 3;

/// How much is read of an input at a time, in bytes: some packets' worth.
const CHUNK_BYTES: usize = 256 << 10;

/// The number of the standard error among a channel's streams (RFC 4254, section 5.2).
const STDERR: u32 = 1;

/// A logged-in connection.
pub(super) struct Connection {
    handle: Handle<Client>,
    slots: Arc<Semaphore>,
    open: Arc<AtomicUsize>,
    /// Sessions are opened one after another: a refusal then says something about those that are open.
    opening: Mutex<()>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

/// Why a channel was not opened. Nothing was started.
#[derive(Debug)]
pub(super) enum Unopened {
    /// The server wants no more sessions on this connection, though none of ours is open: it waits for the end of a
    /// program that we gave up.
    Full,
    /// The server does not connect to the port.
    Refused,
    /// The connection is gone.
    Dead,
}

impl Connection {
    pub(super) fn new(handle: Handle<Client>) -> Self {
        Self { handle, slots: Arc::new(Semaphore::new(SESSIONS)), open: Arc::default(), opening: Mutex::default() }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Opens a session, after others have ended where the server wants no more at once.
    pub(super) async fn session(&self) -> Result<Session, Unopened> {
        let mut asked = 0;
        loop {
            let slot = self.slots.clone().acquire_owned().await.map_err(|_| Unopened::Dead)?;
            let _one_at_a_time = self.opening.lock().await;
            let before = self.open.load(Ordering::Acquire);
            match self.handle.channel_open_session().await {
                Ok(channel) => {
                    let (read, write) = channel.split();
                    self.open.fetch_add(1, Ordering::AcqRel);
                    return Ok(Session { read, end: End { write: Some((write, slot)), open: self.open.clone() } });
                }
                // The server allows fewer than we thought: keep to what is open now.
                Err(Error::ChannelOpenFailure(_)) if self.open.load(Ordering::Acquire) > 0 => {
                    slot.forget();
                    asked = 0;
                }
                // What was open has ended meanwhile.
                Err(Error::ChannelOpenFailure(_)) if before > 0 => asked = 0,
                Err(Error::ChannelOpenFailure(_)) if asked == QUESTIONS => return Err(Unopened::Full),
                // sshd forgets a session only after it has handled everything that it had read: one or two questions later.
                Err(Error::ChannelOpenFailure(_)) => {
                    self.handle.send_ping().await.map_err(|_| Unopened::Dead)?;
                    asked += 1;
                }
                Err(_) => return Err(Unopened::Dead),
            }
        }
    }

    /// Opens a stream to `port` of `host`, as seen from the server.
    pub(super) async fn tunnel(&self, host: &str, port: u16) -> Result<Box<dyn Stream>, Unopened> {
        match self.handle.channel_open_direct_tcpip(host, port.into(), "127.0.0.1", 0).await {
            Ok(channel) => Ok(Box::new(channel.into_stream())),
            Err(Error::ChannelOpenFailure(_)) => Err(Unopened::Refused),
            Err(_) => Err(Unopened::Dead),
        }
    }
}

/// An open channel for one program.
pub(super) struct Session {
    read: ChannelReadHalf,
    end: End,
}

/// Closes the channel when dropped, whatever happened, and only then frees its slot.
struct End {
    write: Option<(ChannelWriteHalf<Msg>, OwnedSemaphorePermit)>,
    open: Arc<AtomicUsize>,
}

impl Drop for End {
    fn drop(&mut self) {
        let (taken, open) = (self.write.take(), self.open.clone());
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            if let Some((write, _slot)) = taken {
                // A connection that is gone has closed its channels.
                let _ = write.close().await;
                open.fetch_sub(1, Ordering::AcqRel);
            }
        });
    }
}

/// What came back: both streams, and the status where one came.
#[derive(Debug, Default)]
struct Ended {
    collected: Collected,
    status: Option<i32>,
    refused: bool,
}

impl Session {
    /// Runs the program of `frame` to its end.
    pub(super) async fn run(self, endpoint: &Endpoint, frame: &Frame, stdin: Input) -> Result<Output, TransportError> {
        let lost = || TransportError::Lost { host: endpoint.host.clone() };
        let Self { mut read, end } = self;
        let Some((write, _)) = &end.write else { return Err(lost()) };
        write.exec(true, frame.line()).await.map_err(|_| lost())?;
        let ended = {
            let collect = collect(&mut read);
            tokio::pin!(collect);
            tokio::select! {
                // A program may end without having read all of its input.
                ended = &mut collect => ended?,
                fed = feed(write, stdin) => {
                    fed.map_err(|source| TransportError::Input { source: Arc::new(source) })?;
                    collect.await?
                }
            }
        };
        finish(endpoint, frame, ended)
    }
}

/// Sends the input and its end. A connection that is gone is noticed by the one who reads.
async fn feed(write: &ChannelWriteHalf<Msg>, stdin: Input) -> io::Result<()> {
    match stdin {
        Input::Empty => {}
        Input::Bytes(bytes) => {
            let _ = write.data_bytes(bytes).await;
        }
        Input::Secret(secret) => {
            let _ = write.data_bytes(secret.expose().to_vec()).await;
        }
        Input::Reader(mut reader) => {
            while let Some(chunk) = chunk(&mut reader).await? {
                if write.data_bytes(chunk).await.is_err() {
                    break;
                }
            }
        }
    }
    let _ = write.eof().await;
    Ok(())
}

/// The next bytes of an input, or None at its end.
async fn chunk(reader: &mut (dyn AsyncRead + Send + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::with_capacity(CHUNK_BYTES);
    let n = reader.read_buf(&mut bytes).await?;
    Ok((n > 0).then_some(bytes))
}

/// Reads both streams until the channel is closed.
async fn collect(read: &mut ChannelReadHalf) -> Result<Ended, TransportError> {
    let mut ended = Ended::default();
    while let Some(message) = read.wait().await {
        match message {
            ChannelMsg::Data { data } => ended.collected.out(&data)?,
            ChannelMsg::ExtendedData { data, ext: STDERR } => ended.collected.err(&data),
            ChannelMsg::ExitStatus { exit_status } => ended.status = i32::try_from(exit_status).ok(),
            ChannelMsg::ExitSignal { signal_name, .. } => ended.status = Some(128 + number(&signal_name)),
            ChannelMsg::Failure => ended.refused = true,
            ChannelMsg::Close => break,
            // `Eof` ends one direction only, `Success` promises nothing, the rest is the server's side.
            _ => {}
        }
    }
    Ok(ended)
}

/// What the program's end means.
fn finish(endpoint: &Endpoint, frame: &Frame, mut ended: Ended) -> Result<Output, TransportError> {
    let Endpoint { user, host, .. } = endpoint;
    let (user, host) = (user.clone(), host.clone());
    let reached = frame.open(&mut ended.collected);
    let Collected { stdout, stderr } = ended.collected;
    let said = || String::from_utf8_lossy(if stderr.is_empty() { &stdout } else { &stderr }).trim().to_owned();
    match (reached, ended.status) {
        (Reached::Program, Some(status)) => Ok(Output { status, stdout, stderr }),
        (Reached::Shell, Some(_)) if frame.rights() == Rights::Sudo => {
            Err(TransportError::SudoRefused { user, host, said: said() })
        }
        (Reached::Shell | Reached::Nothing, Some(_)) => Err(TransportError::NoShell { user, host, said: said() }),
        (_, None) if ended.refused => Err(TransportError::NoShell { user, host, said: said() }),
        (_, None) => Err(TransportError::Lost { host }),
    }
}

/// The number of a signal on Linux.
fn number(signal: &Sig) -> i32 {
    match signal {
        Sig::HUP => 1,
        Sig::INT => 2,
        Sig::QUIT => 3,
        Sig::ILL => 4,
        Sig::ABRT => 6,
        Sig::FPE => 8,
        Sig::KILL => 9,
        Sig::USR1 => 10,
        Sig::SEGV => 11,
        Sig::PIPE => 13,
        Sig::ALRM => 14,
        Sig::TERM => 15,
        // Others have no name in the protocol; the status still says that it was a signal.
        Sig::Custom(_) => 0,
    }
}
